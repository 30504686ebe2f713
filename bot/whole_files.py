"""Files that have their name once they are whole."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"
"""What the names of files end with that are not whole."""
PART_NAME = re.compile(r"\.[0-9a-f]{16}(?:[0-9a-f]{16})?\.part$")
"""Their end, also in earlier versions. Other programs call files NAME.part too."""
STALE = 3600.0
"""Seconds after which a part is that of a process that was killed: none takes so long to write."""


@contextmanager
def write_beside(file: Path, content: bytes, *, start: str = "", lasting: bool = True) -> Iterator[Path]:
    """A part in the folder of `file` that holds `content`; whatever comes, it is gone afterwards. Raises OSError.

    `start`: what its name begins with; without, it is hidden. `lasting`: it is on the disk before it gets a name.
    """
    part = file.with_name(f"{start}.{secrets.token_hex(8)}{PART}")
    try:
        with part.open("xb") as opened:
            opened.write(content)
            if lasting:
                opened.flush()
                os.fsync(opened.fileno())
        yield part
    finally:
        part.unlink(missing_ok=True)


def is_stale(file: Path) -> bool:
    """Whether a process that was killed has left it half written."""
    if not PART_NAME.search(file.name):
        return False
    try:
        return time.time() - file.lstat().st_ctime > STALE  # not st_mtime: a copy has that of its photo
    except OSError:
        return False


def remove_stale(folder: Path) -> None:
    """Delete what processes that were killed have left half written in `folder`. What cannot be deleted stays."""
    with suppress(OSError):
        for file in folder.iterdir():
            if is_stale(file):
                file.unlink(missing_ok=True)


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
    remove_stale(file.parent)
    with write_beside(file, content) as part:
        if is_there:
            shutil.copymode(file, part)
        try:
            part.replace(file)
        except OSError:  # a file that is mounted by itself, as containers have it
            if not is_there:
                raise
            _overwrite(file, content)


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
