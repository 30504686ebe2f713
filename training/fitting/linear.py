"""A linear layer on the features of a body that stays as it is, batch norm too: where every training begins."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from bot.inference.contract import SIZE
from training.fitting.batches.augment import Strength, augment
from training.fitting.batches.dataloaders import Pictures
from training.fitting.batches.pixels import crop_middle, normalize, scale
from training.fitting.precision import autocast
from training.progress import follow

COPIES, MANY = 2, 3000
"""Augmented copies of each picture beside itself; none where there are MANY pictures."""
BATCH = 64
PENALTY = 0.02
"""scikit-learn's `C` for features of unit deviation: in five folds of cats and dogs, and of twenty breeds, the best."""


@dataclass(frozen=True)
class Features:
    """What a body makes of pictures, as they are and of augmented copies."""

    values: NDArray[np.float32]
    """`[views, features]`, after average pooling; first a row for each picture as it is."""
    pictures: NDArray[np.int64]
    """Which picture each view is of, `[views]`."""


def compute_features(body: nn.Module, pixels: Tensor, strength: Strength, seed: int) -> Features:
    """uint8 `[pictures, 256, 256, 3]` -> features of each as the bot sees it, then of its copies."""
    device = next(body.parameters()).device
    copies = count_views(len(pixels)) // len(pixels) - 1
    rng = torch.Generator().manual_seed(seed)
    values = []
    body.eval()
    batches = [(start, copy) for copy in range(copies + 1) for start in range(0, len(pixels), BATCH)]
    with torch.inference_mode():
        for start, copy in follow(batches, len(batches)):
            part = pixels[start : start + BATCH].to(device)
            views = (
                augment(part, torch.tensor([], dtype=torch.long), SIZE, strength, rng)
                if copy
                else scale(crop_middle(part))
            )
            with autocast(device):
                maps = body(normalize(views))
            values.append(maps.float().mean((2, 3)).cpu())
    return Features(torch.cat(values).numpy(), np.tile(np.arange(len(pixels)), copies + 1))


def count_views(pictures: int) -> int:
    """Views of which features are computed, each picture and its copies."""
    return pictures * (1 + (COPIES if pictures < MANY else 0))


def fit_head(
    net: nn.Sequential, features: Features, pictures: Pictures, cells: Sequence[NDArray[np.int64]], share: float
) -> None:
    """Give the net's last layer the best weights for features of its body, every cell counting as much as another.

    `cells` are the row numbers of the photos of each collection and label, int64 `[photos of the cell]` each. `share`,
    from 0 to 1, is what outsiders count of all.
    """
    groups = [*[(cell, (1 - share) / len(cells)) for cell in cells], *_weigh_kinds(pictures.kinds, share)]
    weights = np.zeros(len(pictures.targets))
    for rows, weight in groups:
        weights[rows] = weight / len(rows)
    used = weights[features.pictures] > 0
    rows = features.pictures[used]
    layer = net[1][-1]
    weight, bias = fit_linear(features.values[used], pictures.targets.numpy()[rows], weights[rows], len(layer.bias))
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)


def _weigh_kinds(kinds: Sequence[NDArray[np.int64]], share: float) -> list[tuple[NDArray[np.int64], float]]:
    """Each kind of outsiders with its part of their share, as `sampling.draw_epoch` shows them."""
    roots = np.sqrt([len(kind) for kind in kinds])
    return [(kind, float(share * root / roots.sum())) for kind, root in zip(kinds, roots, strict=True)]


def fit_linear(
    values: NDArray[np.float32], targets: NDArray[np.int64], weights: NDArray[np.float64], classes: int
) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression: float32 weight `[classes, features]` and bias `[classes]`.

    `weights` are how much each row counts. A class without rows gets no probability.
    """
    scale = values.std(0) + 1e-6
    model = LogisticRegression(C=PENALTY, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # with many classes; what is left to gain is nothing
        model.fit(values / scale, targets, sample_weight=weights / weights.mean())
    weight, bias = torch.zeros(classes, values.shape[1]), torch.full((classes,), -1e4)
    coefficients, intercepts = model.coef_ / scale, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn gives the second class's alone
        coefficients, intercepts = (np.stack([-half, half]) / 2 for half in (coefficients[0], intercepts[0]))
    weight[model.classes_] = torch.from_numpy(coefficients).float()
    bias[model.classes_] = torch.from_numpy(np.asarray(intercepts)).float()
    return weight, bias
