"""The files that Telegram keeps, photos in its variants."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

BOXES = (90, 320, 800, 1280)


class Files(dict[str, bytes]):
    """Bytes by file_id."""

    folder: Path | None = None
    """Where a Bot API server that runs with --local keeps them; None: they are fetched over HTTP."""

    def locate(self, name: str) -> str:
        """A file's `file_path`."""
        if self.folder is None:
            return name
        (self.folder / name).write_bytes(self[name])
        return str(self.folder / name)

    def keep(self, data: bytes) -> dict[str, Any]:
        """What a message says of a file."""
        name = f"file{len(self)}"
        self[name] = data
        return {"file_id": name, "file_unique_id": f"u{name}", "file_size": len(data)}

    def keep_photo(self, photo: Image.Image) -> list[dict[str, Any]]:
        """What a message says of a photo: its variants, smallest first."""
        return [self._keep_variant(photo, box) for box in _boxes(photo)]

    def _keep_variant(self, photo: Image.Image, box: int) -> dict[str, Any]:
        variant = photo.copy()
        variant.thumbnail((box, box))
        buffer = io.BytesIO()
        variant.save(buffer, "JPEG", quality=87)
        return self.keep(buffer.getvalue()) | {"width": variant.width, "height": variant.height}


def _boxes(photo: Image.Image) -> list[int]:
    """Telegram never enlarges: the boxes below the photo's longer side, and the first that holds it."""
    side = max(photo.size)
    below = [box for box in BOXES if box < side]
    return [*below, *BOXES[len(below) : len(below) + 1]]
