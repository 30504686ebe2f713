"""Apparent skin tone and how much skin a photo shows, from pixels alone: estimates that compare groups, not people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab, rgb2ycbcr

CENTRE = 0.5
"""Share of width and height in the middle where a face is looked for."""
MIN_SKIN = 0.05
"""Share of the centre that skin must cover for a tone: the forehead above a mask is about that."""


def find_skin(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels are skin-coloured: RGB `[height, width, 3]` -> `[height, width]` (Chai and Ngan 1999).

    The rule is one of chrominance (BT.601, studio range) and leaves lightness free, so that it takes dark skin as well.
    It takes wood, sand and red hair for skin, too.
    """
    _, blue, red = np.moveaxis(rgb2ycbcr(pixels), -1, 0)
    skin: NDArray[np.bool_] = (blue >= 77) & (blue <= 127) & (red >= 133) & (red <= 173)
    return skin


def measure_angle(skin: NDArray[np.uint8]) -> float:
    """Individual typology angle in degrees of skin pixels, RGB `[pixels, 3]`: the higher, the lighter."""
    lightness, _, yellow = np.median(rgb2lab(skin), axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def measure_centre(pixels: NDArray[np.uint8]) -> float | None:
    """The angle of the skin in the middle of a photo, RGB `[height, width, 3]`; None if there is too little."""
    height, width = (max(1, round(side * CENTRE)) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    centre = pixels[top : top + height, left : left + width]
    skin = find_skin(centre)
    return measure_angle(centre[skin]) if skin.mean() >= MIN_SKIN else None
