"""Pictures of something else: how many get no label, and which score tells them best from photos of the classes.

What counts are kinds that were never trained on. Each score is higher for something else. Its limit is set where SHARE
of the held-out photos would be turned away; what counts is how many pictures of unseen kinds lie above it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastai.learner import Learner
from numpy.typing import NDArray
from PIL import Image
from scipy.special import log_softmax, logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from torch import nn

from bot.inference.contract import Unsure
from training.data.outsiders import TEST_PICTURES, find_kinds, part_kinds
from training.data.photos import LabelledPhoto, draw_evenly
from training.evaluation.answers import Answers, AskLogits
from training.evaluation.intervals import Share, count_share
from training.fitting.batches.dataloaders import get_labels
from training.recipe import Recipe

SHARE = 0.02
"""Of the held-out photos, turned away at each score's limit."""
CHOSEN = "outsider class"
"""What the exported file carries: as its second output, computed in the graph."""
MAX_FITTED = 1000
"""Training photos, evenly drawn, to which the feature distance is fitted at most."""


def draw_unseen(recipe: Recipe) -> dict[str, list[bytes]]:
    """Pictures of each kind that the recipe keeps out of training, as PNG; always the same ones."""
    _, unseen = part_kinds(find_kinds(recipe.outsiders), recipe.unseen, recipe.split_seed)
    return {kind.name: [_encode(image) for image in kind.sample(TEST_PICTURES, recipe.split_seed)] for kind in unseen}


@dataclass(frozen=True)
class Rejection:
    """How many pictures of something else get no label."""

    pictures: Share
    kinds: dict[str, Share]


@dataclass(frozen=True)
class ScoreQuality:
    """How well one score tells pictures of something else from photos of the classes."""

    auroc: float
    rejected: float
    """Share of the pictures above the limit."""


@dataclass(frozen=True)
class ScoreComparison:
    scores: dict[str, ScoreQuality]
    chosen: str
    share_of_photos: float
    """Of the held-out photos, turned away at each score's limit."""


def measure_rejection(answers: Mapping[str, Answers], rule: Unsure) -> Rejection | None:
    """Which share of the pictures of each kind gets no label under a rule, and of all of them; None without any."""
    unsure = {kind: said.unsure(rule) for kind, said in answers.items()}
    if not unsure:
        return None
    return Rejection(
        count_share(np.concatenate(list(unsure.values()))), {kind: count_share(hits) for kind, hits in unsure.items()}
    )


def compare_scores(
    learner: Learner, ask: AskLogits, photos: Sequence[LabelledPhoto], unseen: Mapping[str, list[bytes]]
) -> ScoreComparison | None:
    """The scores on held-out photos and on pictures of unseen kinds; None if the net was trained without outsiders.

    `ask` gives the learner's own logits.
    """
    labels = len(get_labels(learner.dls))
    held_out = [photo.path.read_bytes() for photo in photos if photo.held_out]
    if labels == len(learner.dls.vocab) or not unseen or not held_out:
        return None
    fitted = draw_evenly([photo for photo in photos if not photo.held_out], MAX_FITTED)
    classes = np.array([list(learner.dls.vocab).index(photo.label) for photo in fitted])
    distance = fit_distance(_look(learner.model, ask, [photo.path.read_bytes() for photo in fitted])[1], classes)
    inside_logits, inside_features = _look(learner.model, ask, held_out)
    outside = [_look(learner.model, ask, pictures) for pictures in unseen.values()]
    qualities = {}
    for name, score in _scores(labels, distance).items():
        inside = score(inside_logits, inside_features)
        others = np.concatenate([score(*look) for look in outside])
        truth = np.repeat([0, 1], [len(inside), len(others)])
        limit = float(np.quantile(inside, 1 - SHARE))
        auroc = float(roc_auc_score(truth, np.concatenate([inside, others])))
        qualities[name] = ScoreQuality(auroc, float((others > limit).mean()))
    return ScoreComparison(qualities, CHOSEN, SHARE)


Score = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.floating[Any]]]
"""From logits `[pictures, classes + 1]` and features `[pictures, features]` to a score `[pictures]`."""


def _scores(labels: int, distance: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> dict[str, Score]:
    return {
        # "A Baseline for Detecting Misclassified and Out-of-Distribution Examples" (Hendrycks and Gimpel 2017)
        "best probability": lambda logits, _: -log_softmax(logits[:, :labels], axis=1).max(axis=1),
        # "Energy-based Out-of-distribution Detection" (Liu et al. 2020)
        "energy": lambda logits, _: -logsumexp(logits[:, :labels], axis=1),
        # "A Simple Unified Framework for Detecting Out-of-Distribution Samples" (Lee et al. 2018)
        "feature distance": lambda _, features: distance(features),
        # in logits, where probabilities near 1 would all look alike
        CHOSEN: lambda logits, _: logits[:, -1] - logsumexp(logits[:, :labels], axis=1),
    }


def fit_distance(
    features: NDArray[np.float32], classes: NDArray[np.int64]
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """The Mahalanobis distance to the nearest class's mean, under one covariance for all classes (Lee et al. 2018)."""
    names = np.unique(classes)
    means = np.stack([features[classes == name].mean(axis=0) for name in names])
    precision = LedoitWolf().fit(features - means[np.searchsorted(names, classes)]).precision_

    def distance(others: NDArray[np.float32]) -> NDArray[np.float64]:
        away = others[:, np.newaxis] - means  # [pictures, classes, features]
        squares = np.einsum("pcf,fg,pcg->pc", away, precision, away, optimize=True)
        nearest: NDArray[np.float64] = squares.min(axis=1)
        return nearest

    return distance


def _look(net: nn.Module, ask: AskLogits, pictures: list[bytes]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits `[pictures, classes + 1]`, and the features `[pictures, features]` that the last layer makes them of."""
    features = []
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].detach().float().cpu()))
    try:
        logits = ask(pictures)
    finally:
        hook.remove()
    return logits, torch.cat(features).numpy()


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
