"""What the net answers, which answers to look at, and what each hung on (Grad-CAM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.data.photos import LabelledPhoto

ROWS = 12
"""Classes that are explained; where there are more, those with the most mistakes."""
RIGHT, WRONG = 2, 2
"""Photos of each class."""
SUSPECT = 0.5
"""Least probability of another class that makes a label suspect."""
MAX_SUSPECTS = 100


@dataclass(frozen=True)
class Answer:
    """What the net says of one photo."""

    photo: LabelledPhoto
    predicted: str
    probability: float
    """Of the predicted label."""
    truth: float
    """Probability of the true label."""

    @property
    def right(self) -> bool:
        return self.predicted == self.photo.label


def give_answers(
    photos: Sequence[LabelledPhoto], probabilities: NDArray[np.float32], labels: Sequence[str]
) -> list[Answer]:
    """The best label for each photo, from probabilities float32 `[photos, labels]`."""
    best, true = probabilities.argmax(1), [list(labels).index(photo.label) for photo in photos]
    return [
        Answer(photo, labels[number], float(row[number]), float(row[right]))
        for photo, number, right, row in zip(photos, best, true, probabilities, strict=True)
    ]


def find_suspects(answers: Sequence[Answer]) -> list[Answer]:
    """Photos whose label the net contradicts, the surest first.

    Some of them are mislabelled: such a photo is mended by moving it into the right class folder, or by a line in the
    file of `--relabel`. The others are hard cases, and those must not be deleted: a set without them flatters the net
    and teaches it less.
    """
    contradicted = [answer for answer in answers if not answer.right and answer.probability >= SUSPECT]
    return sorted(contradicted, key=lambda answer: -answer.probability)[:MAX_SUSPECTS]


def choose_samples(answers: Sequence[Answer], labels: Sequence[str]) -> list[list[Answer]]:
    """A row a class: right answers, a less sure one first, then the wrong ones that the net is surest of."""
    rows = []
    for label in labels:
        mine = sorted((one for one in answers if one.photo.label == label), key=lambda one: one.probability)
        right, wrong = [one for one in mine if one.right], [one for one in mine if not one.right]
        typical = [right[len(right) * part // 4] for part in (1, 3)] if len(right) >= RIGHT else right
        rows.append((len(wrong), [*typical, *wrong[::-1][:WRONG]]))
    chosen = sorted(range(len(rows)), key=lambda number: -rows[number][0])[:ROWS]
    return [rows[number][1] for number in sorted(chosen)]


def compute_heat(model: nn.Module, batch: Tensor, labels: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Grad-CAM (Selvaraju et al. 2017) of each photo's best label, on the last feature map of the body `model[0]`.

    `batch` is float32 `[photos, 3, height, width]`, normalised; outputs of the head `model[1]` behind the first
    `labels` are passed over. Returns heat float32 `[photos, rows, columns]`, 0 to 1, and the best labels `[photos]`.
    """
    model.eval().float()
    with torch.no_grad():
        features = model[0](batch.float())  # [photos, channels, rows, columns]
    with torch.enable_grad():
        features.requires_grad_(True)
        best = model[1](features)[:, :labels].max(dim=1)
        (slopes,) = torch.autograd.grad(best.values.sum(), features)  # photos do not mix: eval mode
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    heat = (weights * features.detach()).sum(dim=1).relu()
    heat = heat / heat.amax(dim=(1, 2), keepdim=True).clamp(min=1e-9)
    return heat.cpu().numpy(), best.indices.cpu().numpy()
