"""Photos in folders: which files count, how one is read. Bot and training share this."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import Path
from typing import BinaryIO

from bot.inference.decoding import HEIC, PhotoError, Reason
from bot.inference.names import is_skipped

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".png", ".webp", ".gif", ".bmp"}
    | ({".heic", ".heif"} if HEIC else set())
)
"""Endings of file names taken for photos when a folder is read."""
MAX_FILE_BYTES = 200_000_000
"""Largest file that is read into memory. The largest photo that can be decoded has 150 MB as a plain BMP."""


def find_photos(folder: Path) -> list[Path]:
    """The files in `folder` and below it that are named like photos, sorted.

    With them come the folders that cannot be listed: reading one says why. Raises OSError if `folder` is not a folder.
    """
    files, unlisted = list_files(folder)
    return sorted([*(path for path in files if path.suffix.lower() in SUFFIXES), *unlisted])


def list_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """All files in `folder` and below it, sorted, and the folders there that cannot be listed.

    Linked folders are read too. Each folder is read once, and none above `folder`, so a loop of links ends and no file
    is there twice. Raises OSError if `folder` is not a folder.
    """
    files: list[Path] = []
    unlisted: list[Path] = []
    # Path.resolve raises RuntimeError for links that lead to each other, up to Python 3.12.
    visited = {_identify(parent) for parent in Path(os.path.realpath(folder, strict=True)).parents}
    folders, links = deque([folder]), deque[Path]()
    while folders or links:  # real folders come first: a file is listed by its own path where it has one
        current = folders.popleft() if folders else links.popleft()
        try:
            identity = _identify(current)
            if identity in visited:
                continue
            visited.add(identity)
            with os.scandir(current) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            unlisted.append(current)
            continue
        for entry in listed:
            if is_skipped(entry.name):
                continue
            if not _is_folder(entry):
                files.append(current / entry.name)
            else:
                (links if entry.is_symlink() else folders).append(current / entry.name)
    return sorted(files), sorted(unlisted)


def read_photo(path: Path) -> bytes:
    """A photo file's bytes. Raises PhotoError if it is not a regular file or too large, OSError if it is unreadable."""
    with open(path, "rb", opener=_open_without_waiting) as file:  # Path.open takes no opener
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(Reason.UNREADABLE, "this is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise _too_large()
        return read_stream(file)


def read_stream(file: BinaryIO) -> bytes:
    """All bytes of a file or a pipe. Raises PhotoError if these are more than MAX_FILE_BYTES, without reading on."""
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _too_large()
    return data


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other
        return False


def _identify(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _too_large() -> PhotoError:
    return PhotoError(Reason.TOO_MANY_BYTES, f"the file has more than {MAX_FILE_BYTES // 1_000_000} MB")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO would wait for its writer
