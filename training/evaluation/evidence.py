"""Which cells of a photo speak for a class: exact for a net whose head is average pooling and one linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_opening, find_objects, label
from torch import Tensor, nn

from bot.inference.contract import SIZE
from training.data.photos import LabelledPhoto

DRAWN = "-m"
"""Behind the name of a photo that something was drawn onto: `NAME-m.jpg` is `NAME.jpg` with it."""
CHANGED = 40
"""Levels of 255 by which a channel of a pixel changes where something was drawn."""
MIN_AREA = 30
"""Pixels of the net's 224 x 224 that what was drawn covers at least."""


def find_linear_head(head: nn.Module) -> nn.Linear | None:
    """The linear layer of a head that is average pooling, flattening, dropout and that layer; None: it is another."""
    layers = [layer for layer in head.modules() if not list(layer.children())]
    layers = [layer for layer in layers if not isinstance(layer, nn.Flatten | nn.Dropout | nn.Identity)]
    match layers:
        case [nn.AdaptiveAvgPool2d(), nn.Linear() as linear]:
            return linear
    return None


def weigh_cells(linear: nn.Linear, classes: int, temperature: float, cells: int) -> tuple[Tensor, Tensor]:
    """What makes features `[batch, features, rows, columns]` evidence, as a 1x1 convolution's weight and bias.

    A class's logit is the mean over the cells of its weights times their features, plus its bias, divided by the
    temperature. Each cell's part has that bias's share of one cell, less the mean over the classes, which changes no
    softmax. Returns float32 `[classes, features, 1, 1]` and `[classes]`.
    """
    with torch.no_grad():
        weight = linear.weight[:classes].detach().float().cpu() / (temperature * cells)
        bias = torch.zeros(classes) if linear.bias is None else linear.bias[:classes].detach().float().cpu()
        bias = bias / (temperature * cells)
        return (weight - weight.mean(dim=0))[:, :, None, None], bias - bias.mean()


def compute_cells(net: nn.Module, batch: Tensor, classes: int, temperature: float) -> NDArray[np.float32] | None:
    """A net's evidence, float32 `[photos, classes, rows, columns]`; None: its head is another.

    `net` is body and head, `batch` float32 `[photos, 3, height, width]`, normalised.
    """
    linear = find_linear_head(net[1])
    if linear is None:
        return None
    with torch.no_grad():
        features = net.eval()[0](batch.float()).float().cpu()
    weight, bias = weigh_cells(linear, classes, temperature, features.shape[2] * features.shape[3])
    return nn.functional.conv2d(features, weight, bias).numpy()


@dataclass(frozen=True)
class Location:
    """Where the evidence for a class lies, on photos that show by their pair where it has to."""

    pairs: int
    peak: float
    """Share of the pairs whose strongest cell has its middle within half a cell of the box."""
    within_cell: float
    """Mean share of the positive evidence whose cells have their middle within a cell of the box."""
    within_half_cell: float
    """The same within half a cell."""


@dataclass(frozen=True)
class Pair:
    """A photo, and the same with something drawn onto it."""

    plain: LabelledPhoto
    drawn: LabelledPhoto


def find_pairs(photos: Sequence[LabelledPhoto]) -> list[Pair]:
    """Photos of another label called `NAME-m.jpg` whose `NAME.jpg` is of the same collection."""
    plain = {(photo.collection, photo.path.name): photo for photo in photos}
    pairs = []
    for photo in photos:
        other = plain.get((photo.collection, f"{photo.path.stem.removesuffix(DRAWN)}{photo.path.suffix}"))
        if photo.path.stem.endswith(DRAWN) and other and other.label != photo.label:
            pairs.append(Pair(other, photo))
    return pairs


def find_boxes(plain: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The boxes of what was drawn, from pixels uint8 `[height, width, 3]` of both photos.

    Returns int64 `[boxes, 4]`: top, left, bottom and right in pixels. Compression changes single pixels a little
    everywhere, so a box has CHANGED levels of change and MIN_AREA pixels at least.
    """
    change = np.abs(plain.astype(np.int16) - drawn).max(axis=2)
    spots, _ = label(binary_closing(binary_opening(change >= CHANGED, iterations=1), iterations=3))
    slices = [place for number, place in enumerate(find_objects(spots), 1) if (spots == number).sum() >= MIN_AREA]
    return np.array([(y.start, x.start, y.stop, x.stop) for y, x in slices], np.int64).reshape(-1, 4)


def measure_location(
    evidence: NDArray[np.float32], boxes: Sequence[NDArray[np.int64]], side: int = SIZE
) -> Location | None:
    """How near to the boxes the evidence lies: float32 `[photos, rows, columns]` of the class that was drawn.

    Of several boxes the nearest to each cell counts. None without photos that have a box.
    """
    rows = []
    for heat, found in zip(evidence, boxes, strict=True):
        if not len(found):
            continue
        cell = side / len(heat)
        middles = (np.arange(len(heat)) + 0.5) * cell
        top, left, bottom, right = (found[:, number, np.newaxis] for number in range(4))
        down = np.maximum(np.maximum(top - middles, middles - bottom), 0)  # [boxes, rows]
        across = np.maximum(np.maximum(left - middles, middles - right), 0)  # [boxes, columns]
        distance = np.maximum(down[:, :, np.newaxis], across[:, np.newaxis, :]).min(axis=0)  # [rows, columns]
        positive = np.maximum(heat, 0)
        share = positive / max(float(positive.sum()), float(np.finfo(np.float32).tiny))
        peak = distance.flat[int(heat.argmax())] <= cell / 2
        rows.append((peak, share[distance <= cell].sum(), share[distance <= cell / 2].sum()))
    if not rows:
        return None
    peaks, within, half = np.array(rows, np.float64).mean(axis=0)
    return Location(len(rows), float(peaks), float(within), float(half))
