"""A trained net -> `metrics.json` and the pictures of the report, all measured on the held-out photos."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from fastai.interpret import ClassificationInterpretation
from sklearn.metrics import precision_recall_fscore_support

from training.learner import Recipe, Trained, compute_logits
from training.neutral import copy_held_out, score_sizes
from training.photos import PhotoSet

SPLIT_FILE = "split.csv"
METRICS_FILE = "metrics.json"
MAX_NUMBERED_CLASSES = 40
"""Up to here the confusion matrix has numbers; beyond, colours alone."""
PACKAGES = ("fastai", "torch", "torchvision", "pillow", "numpy")


def write_pictures(trained: Trained, folder: Path) -> None:
    """Write the report's PNGs: training photos as the net sees them, confusion matrix, worst mistakes, losses."""
    matplotlib.use("Agg")
    learner = trained.learner
    learner.dls.train.show_batch(max_n=16, figsize=(10, 10))
    _save(folder / "training-photos.png", "Training photos as the net sees them")
    interpretation = ClassificationInterpretation.from_learner(learner)
    classes = len(learner.dls.vocab)
    side = min(max(6.0, 0.2 * classes), 40.0)
    interpretation.plot_confusion_matrix(figsize=(side, side), plot_txt=classes <= MAX_NUMBERED_CLASSES)
    _save(folder / "confusion-matrix.png", None)
    interpretation.plot_top_losses(min(9, len(learner.dls.valid_ds)), figsize=(15, 15))  # wide, for its long titles
    _save(folder / "worst-mistakes.png", None)
    _plot_losses(trained)
    _save(folder / "losses.png", None)


def measure(trained: Trained, photos: PhotoSet, recipe: Recipe, seconds: float) -> dict[str, Any]:
    """Figures of the trained net on the held-out photos, and everything needed to make it again.

    They are given on the photos as they are and on neutral copies (`training.neutral`), beside what width and height
    alone tell.
    """
    learner = trained.learner
    probabilities, targets = learner.get_preds()
    labels = list(learner.dls.vocab)
    as_is = _score(probabilities.argmax(1), targets, labels)
    copies = compute_logits(learner, copy_held_out(photos.photos, recipe.seed))
    return {
        **as_is,
        "error_rate": 1 - as_is["accuracy"],
        "neutral": _score(copies.argmax(1), targets, labels),
        "size_only_accuracy": score_sizes(photos.photos, recipe.seed),
        "photos": {"train": photos.count(held_out=False), "valid": photos.count(held_out=True)},
        "skipped": len(photos.skipped),
        "split": {
            "grouped_by": photos.grouped_by,
            "near_duplicates": photos.near_duplicates,
            "naive_twins": photos.naive_twins,
            "naive_held_out": photos.naive_held_out,
        },
        "recipe": asdict(recipe),
        "interrupted": trained.interrupted,
        "history": [asdict(epoch) for epoch in trained.history],
        "seconds": round(seconds, 1),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def _score(predicted: Any, targets: Any, labels: list[str]) -> dict[str, Any]:
    precision, recall, _, _ = precision_recall_fscore_support(
        targets, predicted, labels=range(len(labels)), zero_division=0.0
    )
    return {
        "accuracy": float((np.asarray(predicted) == np.asarray(targets)).mean()),
        "recall": dict(zip(labels, map(float, recall), strict=True)),
        "precision": dict(zip(labels, map(float, precision), strict=True)),
    }


def write_metrics(metrics: dict[str, Any], folder: Path) -> None:
    (folder / METRICS_FILE).write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read what `write_metrics` wrote. Raises OSError if the report is not there."""
    metrics: dict[str, Any] = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    return metrics


def _plot_losses(trained: Trained) -> None:
    epochs = range(1, len(trained.history) + 1)
    _, axis = plt.subplots(figsize=(8, 5))
    axis.plot(epochs, [epoch.train_loss for epoch in trained.history], label="training loss")
    axis.plot(epochs, [epoch.valid_loss for epoch in trained.history], label="validation loss")
    axis.plot(epochs, [1 - epoch.accuracy for epoch in trained.history], label="validation error rate", linestyle=":")
    # A validation loss can shoot up for an epoch while the learning rate is high; it would flatten all the rest.
    top = 1.3 * max(epoch.train_loss for epoch in trained.history)
    axis.set(xlabel="epoch", ylabel="cross-entropy, error rate", title="Losses", ylim=(0, top))
    axis.legend()


def _save(file: Path, title: str | None) -> None:
    figure = plt.gcf()
    if title:
        figure.suptitle(title, y=0.93)
    figure.savefig(file, dpi=100, bbox_inches="tight")
    plt.close(figure)
