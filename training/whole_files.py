"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_whole(file: Path) -> Iterator[Path]:
    """A path to write to, NAME.part, which takes the place of `file` when the block ends without an error.

    Raises OSError, also where PyTorch cannot write: its RuntimeError does not say what the system said.
    """
    part = file.with_suffix(".part")
    try:
        yield part
        part.replace(file)
    except RuntimeError as error:
        raise OSError(
            errno.EIO, "it cannot be written: the disk is full, or the folder is closed", str(file)
        ) from error
    finally:
        part.unlink(missing_ok=True)
