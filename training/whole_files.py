"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

PART = ".part"
"""What the names of files and folders end with that are not whole."""


@contextlib.contextmanager
def replace_whole(file: Path) -> Iterator[Path]:
    """A path to write to, NAME.part, which takes the place of `file` when the block ends without an error.

    Raises OSError as `name_file` does.
    """
    part = name_part(file)
    try:
        with name_file(file):
            yield part
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def name_part(file: Path) -> Path:
    """Where `file` is written before it is whole: NAME.part beside it."""
    return file.with_name(f"{file.name}{PART}")


@contextlib.contextmanager
def name_file(file: Path) -> Iterator[None]:
    """Raises OSError that names a file, also where PyTorch cannot write: its RuntimeError does not say the reason."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)  # a full disk is told of without one
        raise
    except RuntimeError as error:
        raise OSError(
            errno.EIO, "it cannot be written: the disk is full, or the folder is closed", str(file)
        ) from error


def check_files(*files: Path) -> None:
    """Raises OSError that names the first of the files in whose place a folder lies: none could be put there."""
    for file in files:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder has this name. Rename or remove it", str(file))


def replace_together(places: Mapping[Path, Path]) -> None:
    """Give parts that are written the names of whole files, in this order; Ctrl-C waits for the last. Raises OSError.

    The first one has to tell of what a kill in between leaves. Where a folder has one of the names, none is given.
    """
    check_files(*places.values())
    with hold_interrupt():
        for part, file in places.items():
            part.replace(file)


@contextlib.contextmanager
def hold_interrupt() -> Iterator[None]:
    """Ctrl-C within the block is heard when it ends."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def write_text_whole(text: str, file: Path, errors: str = "surrogateescape") -> None:
    """Write a text in UTF-8; names of files in it keep their bytes, or what `errors` says. Raises OSError."""
    with replace_whole(file) as part:
        part.write_text(text, encoding="utf-8", errors=errors, newline="")
