"""Where the tests find things."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
MASKS = ROOT.parent / "shared" / "data" / "masks"
"""Real photos, which the repository cannot hold. A test that needs them skips where they are not."""


def read_all(folder: Path) -> bytes:
    """All that is on the disk, deleted or not."""
    return b"".join(file.read_bytes() for file in folder.iterdir())
