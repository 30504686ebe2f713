"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_whole(file: Path) -> Iterator[Path]:
    """A path to write to, NAME.part, which takes the place of `file` when the block ends without an error.

    Raises OSError that names a file, also where PyTorch cannot write: its RuntimeError does not say what the system
    said.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        part.replace(file)
    except OSError as error:
        error.filename = error.filename or str(file)  # a full disk is told of without one
        raise
    except RuntimeError as error:
        raise OSError(
            errno.EIO, "it cannot be written: the disk is full, or the folder is closed", str(file)
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_whole(text: str, file: Path, errors: str = "surrogateescape") -> None:
    """Write a text in UTF-8; names of files in it keep their bytes, or what `errors` says. Raises OSError."""
    with replace_whole(file) as part:
        part.write_text(text, encoding="utf-8", errors=errors, newline="")
