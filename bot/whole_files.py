"""Files that have their name once they are whole."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"
"""What the names of files end with that are not whole."""
HIDDEN_PART = re.compile(r"\.[0-9a-f]{16}\.part")
"""The whole name of one that begins with nothing. Other programs call files NAME.part too, and people their own."""
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


def delete_stale(file: Path, name: re.Pattern[str] = HIDDEN_PART) -> bool:
    """Delete `file` if a process that was killed has left it half written: then all of its name is a `name`.

    Returns whether it is gone. What cannot be deleted stays, and what is no file.
    """
    if not name.fullmatch(file.name):
        return False
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or time.time() - status.st_ctime <= STALE:
            return False  # not by st_mtime: a copy has that of its photo
        file.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def remove_stale(folder: Path, name: re.Pattern[str] = HIDDEN_PART) -> None:
    """`delete_stale` for all that lies in `folder`, which may be missing."""
    with suppress(OSError):
        for file in folder.iterdir():
            delete_stale(file, name)


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
    """Written beside it first: what was there is not lost to a full disk. Raises OSError.

    What a process that was killed leaves stays: in a folder that somebody has named nothing else is touched.
    """
    if file.exists() and not file.is_file():  # a pipe, as /dev/stdout: what that leads to has no name
        file.write_bytes(content)
        return
    file = Path(os.path.realpath(file))
    is_there = file.exists()
    if is_there and not os.access(file, os.W_OK):  # its owner has locked it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if is_there and not os.access(file.parent, os.W_OK):
        _overwrite(file, content)
        return
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
