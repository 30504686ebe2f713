"""What the net answers, what it looks at for it (Grad-CAM), and the pictures of the report that show it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from fastai.learner import Learner
from fastai.vision.core import imagenet_stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import confusion_matrix
from torch import Tensor, nn

from bot.photo import read
from training.batches import get_labels
from training.photos import LabelledPhoto

ROWS = 12
"""Classes that are explained; where there are more, those with the most mistakes."""
RIGHT, WRONG = 2, 2
"""Photos of each class."""
SUSPECT = 0.5
"""Least probability of another class that makes a label suspect."""
MAX_SUSPECTS = 100
MAX_NUMBERED_CLASSES = 40
"""Up to here the confusion matrix has numbers; beyond, colours alone."""
WORST = 9
"""Worst mistakes that are shown."""


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


def write_pictures(learner: Learner, answers: Sequence[Answer], metrics: dict[str, Any], folder: Path) -> None:
    """Write the report's PNGs: explanations, confusion matrix, worst mistakes, calibration, losses, training photos.

    `answers` are those to the held-out photos. A learner that was loaded has no training photos: their picture stays.
    """
    labels = get_labels(learner.dls)
    figures = {
        "explanations": draw_explanations(learner, choose_samples(answers, labels), len(labels)),
        "confusion-matrix": draw_confusion(answers, labels),
        "worst-mistakes": draw_worst(answers),
        "reliability": draw_reliability(metrics["calibration"]["bins"]),
        "losses": draw_losses(metrics["history"]),
    }
    if len(learner.dls.train_ds):
        plt.switch_backend("Agg")
        learner.dls.train.show_batch(max_n=16, figsize=(10, 10))
        figures["training-photos"] = plt.gcf()
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=100, bbox_inches="tight")
    plt.close("all")


def draw_explanations(learner: Learner, rows: Sequence[Sequence[Answer]], labels: int) -> Figure:
    """The photos as the net sees them, a row a class, each beside itself under its heat map."""
    samples = [sample for row in rows for sample in row]
    loader = learner.dls.test_dl([one.photo.path.read_bytes() for one in samples], num_workers=0, bs=len(samples))
    (batch,) = loader.one_batch()
    heat, _ = compute_heat(learner.model, batch, labels)
    mean, deviation = (np.array(numbers) for numbers in imagenet_stats)
    pixels = (batch.cpu().numpy().transpose(0, 2, 3, 1) * deviation + mean).clip(0, 1)  # [photos, height, width, 3]
    height, width = pixels.shape[1:3]
    extent = (0, width, height, 0)
    columns = 2 * max(map(len, rows))
    figure, axes = _make_grid(len(rows), columns, side=1.9)
    numbers = iter(range(len(samples)))
    for row, places in zip(rows, axes, strict=True):
        for column, sample in enumerate(row):
            number = next(numbers)
            plain, under = places[2 * column : 2 * column + 2]
            plain.imshow(pixels[number])
            under.imshow(pixels[number])
            under.imshow(heat[number], cmap="jet", alpha=0.45, vmin=0, vmax=1, extent=extent, interpolation="bilinear")
            _set_title(plain, sample)
    return figure


def draw_worst(answers: Sequence[Answer]) -> Figure:
    """The photos whose true label got the least probability, the worst first."""
    worst = sorted(answers, key=lambda answer: answer.truth)[:WORST]
    figure, axes = _make_grid(-(-len(worst) // 3), 3, side=3.2)
    for axis, answer in zip(axes.flat, worst, strict=False):
        axis.imshow(_shrink(answer.photo, 400))
        _set_title(axis, answer)
    return figure


def draw_confusion(answers: Sequence[Answer], labels: Sequence[str]) -> Figure:
    """Photos by true label (rows) and predicted label (columns), coloured by their share of the row."""
    counts = confusion_matrix([one.photo.label for one in answers], [one.predicted for one in answers], labels=labels)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = min(max(4.0, 0.45 * len(labels)), 30.0)
    figure = Figure(figsize=(side, side), layout="constrained")
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [_cut(label) for label in labels]
    axis.set_xticks(range(len(labels)), names, rotation=90, parse_math=False)
    axis.set_yticks(range(len(labels)), names, parse_math=False)
    axis.set(xlabel="predicted", ylabel="true label")
    if len(labels) <= MAX_NUMBERED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            axis.text(column, row, f"{count}" if count else "", ha="center", va="center", color=color)
    return figure


def draw_reliability(bins: Sequence[dict[str, Any]]) -> Figure:
    """Accuracy by probability of the best label: on the diagonal the net is as sure as it is right."""
    filled = [one for one in bins if one["photos"]]
    figure = Figure(figsize=(5.2, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="grey", linestyle="--", label="as sure as right")
    lows, widths = [one["low"] for one in filled], [one["high"] - one["low"] for one in filled]
    axis.bar(lows, [one["accuracy"] for one in filled], widths, align="edge", color="#a9c7f0", edgecolor="white")
    axis.plot([one["confidence"] for one in filled], [one["accuracy"] for one in filled], "o", color="#2266cc")
    for one in filled:
        axis.annotate(f"{one['photos']}", (one["low"] / 2 + one["high"] / 2, 0.02), ha="center", fontsize=8)
    axis.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="probability of the best label", ylabel="accuracy")
    axis.set_title("Reliability (numbers: photos)")
    axis.legend(loc="upper left")
    return figure


def draw_losses(history: Sequence[dict[str, Any]]) -> Figure:
    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot(epochs, [epoch["train_loss"] for epoch in history], label="training loss")
    axis.plot(epochs, [epoch["valid_loss"] for epoch in history], label="validation loss")
    axis.plot(epochs, [1 - epoch["accuracy"] for epoch in history], label="validation error rate", linestyle=":")
    # A validation loss can shoot up for an epoch while the learning rate is high; it would flatten all the rest.
    top = 1.3 * max(epoch["train_loss"] for epoch in history)
    axis.set(xlabel="epoch", ylabel="cross-entropy, error rate", title="Losses", ylim=(0, top))
    axis.legend()
    return figure


def draw_thumbnail(photo: LabelledPhoto) -> bytes:
    """A photo of at most 192 x 192 pixels, as JPEG."""
    _shrink(photo, 192).save(buffer := io.BytesIO(), "JPEG", quality=80)
    return buffer.getvalue()


def _shrink(photo: LabelledPhoto, side: int) -> Image.Image:
    image = read(photo.path.read_bytes())
    image.thumbnail((side, side))
    return image


def _make_grid(rows: int, columns: int, side: float) -> tuple[Figure, NDArray[Any]]:
    """Empty places for photos, `side` inches each, with room for two lines above."""
    figure = Figure(figsize=(side * columns, (side + 0.4) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, axes


def _set_title(axis: Axes, sample: Answer) -> None:
    """`true label / predicted, probability`; red if wrong. Labels may hold a $, which is no formula."""
    title = f"{_cut(sample.photo.label)} /\n{_cut(sample.predicted)}, {sample.probability:.1%}"
    axis.set_title(title, fontsize=10, loc="left", color="black" if sample.right else "firebrick", parse_math=False)


def _cut(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"
