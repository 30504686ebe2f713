"""The pictures of the report, drawn from answers and figures."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from fastai.learner import Learner
from fastai.vision.core import imagenet_stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import confusion_matrix

from bot.inference.decoding import read
from training.data.photos import LabelledPhoto
from training.evaluation.calibration import Bin
from training.evaluation.examples import Answer, choose_samples
from training.evaluation.grad_cam import compute_heat
from training.fitting.batches.dataloaders import get_labels
from training.fitting.one_cycle.callbacks import Epoch
from training.runs import Metrics
from training.whole_files import replace_whole

MAX_NUMBERED_CLASSES = 40
"""Up to here the confusion matrix has numbers; beyond, colours alone."""
WORST = 9
"""Worst mistakes that are shown."""


def write_pictures(learner: Learner, answers: Sequence[Answer], metrics: Metrics, folder: Path) -> None:
    """Write the report's PNGs: explanations, confusion matrix, worst mistakes, calibration, losses.

    `answers` are those to the judged photos.
    """
    labels = get_labels(learner.dls)
    figures = {
        "explanations": draw_explanations(learner, choose_samples(answers, labels), len(labels)),
        "confusion-matrix": draw_confusion(answers, labels),
        "worst-mistakes": draw_worst(answers),
        "reliability": draw_reliability(metrics.evaluation.calibration.bins),
    }
    if metrics.run.history:  # none where the last layer alone was fitted
        figures["losses"] = draw_losses(metrics.run.history)
    for name, figure in figures.items():
        _save(figure, folder / f"{name}.png")
    plt.close("all")


def write_views(views: NDArray[np.float32], labels: Sequence[str], file: Path) -> None:
    """The picture of training photos as the net sees them, float32 `[photos, height, width, 3]`, in rows of four."""
    figure, axes = plt.subplots(-(-len(views) // 4), 4, figsize=(10, 10), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, view, label in zip(axes.flat, views, labels, strict=False):
        axis.imshow(view)
        axis.set_title(_cut(label), parse_math=False)
    _save(figure, file)
    plt.close(figure)


def draw_explanations(learner: Learner, rows: Sequence[Sequence[Answer]], labels: int) -> Figure:
    """The photos as the net sees them, a row a class, each beside itself under its heat map."""
    samples = [sample for row in rows for sample in row]
    loader = learner.dls.test_dl([sample.photo.path.read_bytes() for sample in samples], num_workers=0, bs=len(samples))
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
    counts = confusion_matrix(
        [answer.photo.label for answer in answers], [answer.predicted for answer in answers], labels=labels
    )
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


def draw_reliability(bins: Sequence[Bin]) -> Figure:
    """Accuracy by probability of the best label: on the diagonal the net is as sure as it is right."""
    filled = [part for part in bins if part.photos]
    figure = Figure(figsize=(5.2, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="grey", linestyle="--", label="as sure as right")
    lows, widths = [part.low for part in filled], [part.high - part.low for part in filled]
    axis.bar(lows, [part.accuracy for part in filled], widths, align="edge", color="#a9c7f0", edgecolor="white")
    axis.plot([part.confidence for part in filled], [part.accuracy for part in filled], "o", color="#2266cc")
    for part in filled:
        axis.annotate(f"{part.photos}", (part.low / 2 + part.high / 2, 0.02), ha="center", fontsize=8)
    axis.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="probability of the best label", ylabel="accuracy")
    axis.set_title("Reliability (numbers: photos)")
    axis.legend(loc="upper left")
    return figure


def draw_losses(history: Sequence[Epoch]) -> Figure:
    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    axis.plot(epochs, [epoch.train_loss for epoch in history], label="training loss")
    axis.plot(epochs, [epoch.valid_loss for epoch in history], label="validation loss")
    axis.plot(epochs, [1 - epoch.accuracy for epoch in history], label="validation error rate", linestyle=":")
    # A validation loss can shoot up for an epoch while the learning rate is high; it would flatten all the rest.
    top = 1.3 * max(epoch.train_loss for epoch in history)
    axis.set(xlabel="epoch", ylabel="cross-entropy, error rate", title="Losses", ylim=(0, top))
    axis.legend()
    return figure


def draw_thumbnail(photo: LabelledPhoto) -> bytes:
    """A photo of at most 192 x 192 pixels, as JPEG."""
    _shrink(photo, 192).save(buffer := io.BytesIO(), "JPEG", quality=80)
    return buffer.getvalue()


def _save(figure: Figure, file: Path) -> None:
    with replace_whole(file) as part, warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")  # a box stands for an emoji of a label
        figure.savefig(part, format="png", dpi=100, bbox_inches="tight")


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
