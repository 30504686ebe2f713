"""Photos in class folders, drawn in code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = {"red": (1.0, 0.2, 0.2), "green": (0.2, 1.0, 0.2), "blue": (0.2, 0.2, 1.0)}


def draw_photo(color: tuple[float, float, float], seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Coloured clouds: photos of one class look alike to a net, not to a perceptual hash."""
    clouds = np.random.default_rng(seed).uniform(40, 255, (7, 9, 1)) * color
    return Image.fromarray(clouds.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def draw_photos(folder: Path, classes: int = 3, each: int = 20, twins: int = 5, seed: int = 0) -> Path:
    """A folder a class with `each` different photos, and a second copy, smaller and in PNG, of the first `twins`."""
    for number, (label, color) in enumerate(list(CLASSES.items())[:classes]):
        (folder / label).mkdir(parents=True)
        for index in range(each):
            photo = draw_photo(color, seed=seed + 1000 * number + index)
            photo.save(folder / label / f"{index:02}.jpg")
            if index < twins:
                photo.resize((100, 75)).save(folder / label / f"{index:02}-twin.png")
    return folder
