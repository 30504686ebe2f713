"""Photos in folders: which files count, how one is read, how its name is shown. Bot and training share this."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bot.inference.decoding import HEIC, PhotoError, Reason

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp"} | ({".heic", ".heif"} if HEIC else set())
)
"""Endings of file names taken for photos when a folder is read."""
SKIPPED_FOLDERS = frozenset({"__MACOSX", "@eaDir"})
"""What macOS and Synology put beside photos: previews and metadata. Names that start with a dot are skipped too."""
MAX_FILE_BYTES = 200_000_000
"""Largest file that is read into memory. The largest photo that can be decoded has 150 MB as a plain BMP."""


def find_photos(folder: Path) -> list[Path]:
    """The files in `folder` and below it that are named like photos, sorted.

    Linked folders are read too. Each folder is read once, so a loop of links ends. Raises OSError if `folder` is none.
    """
    photos: list[Path] = []
    linked: list[Path] = []
    visited: set[tuple[int, int]] = set()
    _walk(folder, photos, linked, visited)
    while linked:  # real folders come first: a photo is listed by its own path where it has one
        _walk(linked.pop(0), photos, linked, visited)
    return sorted(photos)


def read_photo(path: Path) -> bytes:
    """A photo file's bytes. Raises PhotoError if it is not a regular file or too large, OSError if it is unreadable."""
    with open(path, "rb", opener=_open_without_waiting) as file:  # Path.open takes no opener
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(Reason.UNREADABLE, "this is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise PhotoError(Reason.TOO_MANY_BYTES, f"the file has more than {MAX_FILE_BYTES // 1_000_000} MB")
        return file.read(MAX_FILE_BYTES)


def show_path(path: str | os.PathLike[str]) -> str:
    """A path that can be printed: bytes that are no UTF-8, control and direction characters are shown as escapes."""
    return "".join(map(_show_character, os.fspath(path)))


def _walk(folder: Path, photos: list[Path], linked: list[Path], visited: set[tuple[int, int]]) -> None:
    status = folder.stat()
    if (status.st_dev, status.st_ino) in visited:
        return
    visited.add((status.st_dev, status.st_ino))
    try:
        entries = _list(folder)
    except OSError:
        photos.append(folder)  # reading it fails as well, and says why
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            if path.suffix.lower() in SUFFIXES:
                photos.append(path)
        elif entry.name not in SKIPPED_FOLDERS:
            if entry.is_symlink():
                linked.append(path)
            else:
                _walk(path, photos, linked, visited)


def _list(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for its writer


def _show_character(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte, as os.fsdecode keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode()
