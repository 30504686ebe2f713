"""Files that have their name once they are whole."""

from __future__ import annotations

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
