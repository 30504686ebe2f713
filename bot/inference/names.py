"""Names that people give to files and folders. Light to import: the command line does."""

from __future__ import annotations

import argparse
import os
import re
import unicodedata
from pathlib import Path

SKIPPED_FOLDERS = frozenset(
    {"__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
)
"""What macOS, Windows and network storage put beside photos, in small letters: previews, metadata, deleted files.
Names that start with a dot are skipped too."""


def parse_name(text: str) -> Path:
    """A path that ends in a name, for argparse. Raises ArgumentTypeError."""
    path = Path(text)
    if path.name in ("", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} ends in no name. Give one, such as artifacts/pets")
    return path


def parse_path(text: str) -> Path:
    """A file's or folder's name. An empty one, as of a variable that is not set, would mean the current folder.

    For argparse. Raises ArgumentTypeError.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name of the file or folder is empty")
    return Path(text)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """False also for what cannot be looked at, where Path.is_dir raises OSError up to Python 3.13."""
    return os.path.isdir(path)  # noqa: PTH112


def lies_in(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether `path` is `folder` or inside of it, once all links are followed. Neither has to be there."""
    # Path.resolve raises RuntimeError for links that lead to each other, up to Python 3.12.
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is passed over: it is hidden, or one of SKIPPED_FOLDERS."""
    return name.startswith(".") or name.casefold() in SKIPPED_FOLDERS


def clean_label(name: str) -> str:
    """A folder's name as a class's: composed letters (NFC), and nothing that could garble a message or a file.

    A name that is not UTF-8 is taken for Windows' western one (cp1252), control characters for spaces. Characters
    without width, and those that override the direction of text, are left out. May return an empty text.
    """
    if any("\udc80" <= character <= "\udcff" for character in name):
        name = os.fsencode(name).decode("cp1252", errors="replace")
    name = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in name)
    name = re.sub("[\u200b\u202a-\u202e\u2066-\u2069\ufeff]", "", name)
    return unicodedata.normalize("NFC", name).strip()


def show_path(path: str | os.PathLike[str]) -> str:
    """A path that can be printed: bytes that are no UTF-8, control and direction characters are shown as escapes."""
    return "".join(map(_show_character, os.fspath(path)))


def _show_character(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte, as os.fsdecode keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode()
