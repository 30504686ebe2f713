"""Which part of a photo speaks for its label, drawn over the photo.

The model says it itself: its logit is a sum over the cells of its last feature map, as in class activation mapping
(Zhou et al., Learning Deep Features for Discriminative Localization, 2016).
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from bot.inference.classifier import Classifier, Prediction
from bot.inference.contract import GRID, Preprocess
from bot.inference.decoding import PhotoError, fit, read

SHORT_SIDE, LONG_SIDE = 480, 1280
"""Pixels of the picture: the shorter side has at least so many, unless the longer one would have more than these."""
SLIM = 4
"""Height to width, or the reverse, from which a photo is drawn from what the net saw: more of it takes much memory."""
LEVEL = 0.5
"""The contour runs where a place speaks for the label half as much as the strongest place."""
WIDEST = 2 / 3
"""Share of the cells above LEVEL from which on no single area is meant."""
COLOR = (255, 0, 200)
"""Magenta, which photos seldom hold."""
OPACITY = 0.55
"""Of the colour where a place speaks for the label most."""


@dataclass(frozen=True)
class Explanation:
    """A photo's label, and the area that speaks for it."""

    prediction: Prediction
    picture: bytes | None
    """A JPEG of the photo with the area coloured and encircled. None: no single area speaks for the label."""


def explain(data: bytes, classifier: Classifier) -> Explanation:
    """Explain the label of a photo file's bytes. Only where `classifier.explains`; raises PhotoError as `read` does."""
    preprocess = classifier.contract.preprocess
    photo = read(data)
    prediction, evidence = classifier.explain(fit(photo, preprocess))
    heat = np.maximum(evidence[classifier.contract.labels.index(prediction.label)], 0, dtype=np.float32)
    strongest = heat.max()
    if strongest == 0 or (heat >= LEVEL * strongest).mean() > WIDEST:
        return Explanation(prediction, None)
    if min(photo.size) < SHORT_SIDE and max(photo.size) < SLIM * min(photo.size):
        with suppress(PhotoError):  # a large one may be too large for that
            photo = read(data, enough=SHORT_SIDE)  # more of a JPEG than the net sees
    buffer = io.BytesIO()
    draw_heat(photo, heat / strongest, preprocess).save(buffer, "JPEG", quality=85)
    return Explanation(prediction, buffer.getvalue())


def draw_heat(photo: Image.Image, heat: NDArray[np.float32], preprocess: Preprocess) -> Image.Image:
    """`photo` with `heat` in colour over it and a contour at LEVEL. `heat`: float32 `[GRID, GRID]`, 0 to 1."""
    width, height = photo.size
    scale = min(max(SHORT_SIDE / min(width, height), 1), LONG_SIDE / max(width, height))
    photo = photo.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)
    shades = Image.fromarray(np.round(255 * _surround(heat)).astype(np.uint8))
    # The net does not see the photo's margin: there the heat at its edge goes on, and no frame shows.
    margin = (preprocess.resize - preprocess.size) / 2 * GRID / preprocess.size
    edge = 1 + GRID + margin
    mask = shades.resize(photo.size, Image.Resampling.BICUBIC, box=(1 - margin, 1 - margin, edge, edge))
    faint = mask.point(lambda shade: int(OPACITY * shade))
    colored = Image.composite(Image.new("RGB", photo.size, COLOR), photo, faint)
    area = mask.point(lambda shade: 255 * (shade >= 255 * LEVEL))
    for thickness, color in ((7, "black"), (3, "white")):  # one of them is seen on any photo
        outline = ImageChops.subtract(area.filter(ImageFilter.MaxFilter(thickness)), area)
        colored.paste(color, mask=outline)
    return colored


def _surround(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """A ring of cells around `heat`, each as its neighbour: `[GRID, GRID]` -> `[GRID + 2, GRID + 2]`."""
    return np.pad(heat, 1, mode="edge")
