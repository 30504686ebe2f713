"""Which part of a photo an answer hung on, by covering one part after another (occlusion).

Works with any model of the contract: the drop of the label's log-odds when a patch is covered is that patch's weight
(Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014).
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.inference.classifier import Classifier
from bot.inference.decoding import decode, read

GRID = 7
"""Patches in width and height."""
BATCH = 7
"""Covered copies that the net sees at once: more would only take more memory."""
GREY = 124
DIM = 0.3
"""Brightness that is left where nothing hung on."""
SIDE = 800
"""Pixels of the longer side of the picture that is sent."""


def explain(data: bytes, classifier: Classifier) -> tuple[str, bytes]:
    """The label of a photo file's bytes, and a JPEG of the photo that is bright where the label hung on it.

    Raises PhotoError where `photo.read` does.
    """
    preprocess = classifier.contract.preprocess
    pixels = decode(data, preprocess)
    prediction = classifier.predict(pixels)
    index = classifier.contract.labels.index(prediction.label)
    weights = occlusion_saliency(classifier, pixels, index)
    margin = (preprocess.resize - preprocess.size) / 2 / preprocess.resize
    picture = _light_up(read(data), weights, margin)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return prediction.label, buffer.getvalue()


def occlusion_saliency(classifier: Classifier, pixels: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
    """By how much the log-odds of class `index` fall when each patch is covered: float32 `[GRID, GRID]`, from 0 on.

    A patch reaches half a step over its neighbours, so that nothing hides on a border. `pixels`: uint8 `[s, s, 3]`.
    """
    side = pixels.shape[0]
    step = side / GRID
    copies = np.repeat(pixels[np.newaxis], GRID * GRID, axis=0)
    for number, copy in enumerate(copies):
        row, column = divmod(number, GRID)
        top, left = (max(0, int((place - 0.5) * step)) for place in (row, column))
        bottom, right = (int((place + 1.5) * step) for place in (row, column))
        copy[top:bottom, left:right] = GREY
    parts = [classifier.probabilities(copies[start : start + BATCH]) for start in range(0, len(copies), BATCH)]
    covered = _log_odds(np.concatenate(parts), index)
    whole = _log_odds(classifier.probabilities(pixels[np.newaxis]), index)
    return np.maximum(0, whole - covered).reshape(GRID, GRID).astype(np.float32)


def _log_odds(probabilities: NDArray[np.float32], index: int) -> NDArray[np.float64]:
    """Of class `index` against all others, `[batch, classes]` -> `[batch]`; the others' sum is exact near 0."""
    others = np.delete(probabilities, index, axis=1).sum(axis=1, dtype=np.float64)
    least = float(np.finfo(np.float32).tiny)
    return np.asarray(np.log(np.maximum(probabilities[:, index], least)) - np.log(np.maximum(others, least)))


def _light_up(image: Image.Image, weights: NDArray[np.float32], margin: float) -> Image.Image:
    """`margin` is the share of width and height on each side that the net does not see."""
    image.thumbnail((SIDE, SIDE))
    width, height = image.size
    left, top = round(width * margin), round(height * margin)
    strongest = float(weights.max()) or 1.0
    heat = Image.fromarray((weights / strongest * 255).astype(np.uint8))
    mask = Image.new("L", image.size)
    mask.paste(heat.resize((width - 2 * left, height - 2 * top), Image.Resampling.BICUBIC), (left, top))
    dark = Image.eval(image, lambda value: int(value * DIM))
    return Image.composite(image, dark, mask)
