"""Files that have their name once they are whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path


def name_whole(part: Path, file: Path) -> None:
    """Give `part`, which is written, the name `file` in the same folder, and over no other file.

    Raises FileExistsError if there is one. `part` may be there still.
    """
    try:
        file.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as a memory card's
        file.open("xb").close()  # the name is ours now
        part.replace(file)


def write_whole(file: Path, content: bytes) -> None:
    """Written beside it first: what was there is not lost to a full disk. Raises OSError."""
    file = Path(os.path.realpath(file))
    is_there = file.exists()
    if is_there and not os.access(file, os.W_OK):  # its owner has locked it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if is_there and (not file.is_file() or not os.access(file.parent, os.W_OK)):  # a pipe, or a file alone
        _overwrite(file, content)
        return
    part = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(content)
        if is_there:
            shutil.copymode(file, part)
        try:
            part.replace(file)
        except OSError:  # a file that is mounted by itself, as containers have it
            if not is_there:
                raise
            _overwrite(file, content)
    finally:
        part.unlink(missing_ok=True)


def _overwrite(file: Path, content: bytes) -> None:
    """In its place; what was there is put back if that fails."""
    before = file.read_bytes() if file.is_file() and os.access(file, os.R_OK) else None
    try:
        file.write_bytes(content)
    except OSError:
        if before is not None:
            with suppress(OSError):
                file.write_bytes(before)
        raise
