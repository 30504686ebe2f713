"""How sure the answers may be: a temperature for the logits, limits for "not sure", and how far probabilities miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.model_selection import StratifiedGroupKFold

from bot.inference.contract import Unsure
from training.evaluation.answers import Answers, read_logits

BINS = 15
"""Bins of equal width, as in "On Calibration of Modern Neural Networks" (Guo et al. 2017)."""
DRAWS = 1000
"""Of right and wrong answers, to tell what chance does to the calibration error."""
BOUNDS = 0.2, 10.0
"""Of the temperature: a net that is right on thousands of photos would still drive it towards 0."""
UNCERTAIN, STRANGE = 0.004, 0.016
"""Shares of the photos that get no label: the least certain, and the least like photos of the classes."""
THRESHOLD_AT_MOST = 0.9
"""The bot is never unsure between classes when one of them has this probability or more."""
OUTSIDER_AT_LEAST = 0.05
"""No photo is turned away as something else below this probability, however clear the photos are."""


@dataclass(frozen=True)
class Bin:
    """The photos whose best class has a probability from `low` to `high`."""

    low: float
    high: float
    photos: int
    confidence: float
    """Mean probability of the best class; 0 without photos."""
    accuracy: float
    """Share of them that are right; 0 without photos."""


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """The divisor of the logits with the least cross-entropy (Guo et al. 2017) to targets of less than 1 (Platt 1999).

    Ten right answers of ten do not say that the next is right. By Laplace's rule of succession the right class of n
    photos has a probability of (n + 1) / (n + 2), and all others together the rest, in whatever parts.

    `logits` is float32 `[photos, classes]`, `targets` the right class numbers `[photos]`.
    """
    photos, is_right = len(targets), np.arange(logits.shape[1]) == targets[:, np.newaxis]  # [photos, classes]

    def cross_entropy(log_temperature: float) -> float:
        logarithms = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        right, wrong = logarithms[is_right].mean(), logsumexp(logarithms, axis=1, b=~is_right).mean()
        return float(-((photos + 1) * right + wrong) / (photos + 2))

    low, high = np.log(BOUNDS)
    return float(np.exp(minimize_scalar(cross_entropy, bounds=(low, high), method="bounded").x))


def reliability(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> list[Bin]:
    """BINS bins by the best class's probability; `probabilities` is float32 `[photos, classes]`."""
    best = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    number = np.minimum((best * BINS).astype(int), BINS - 1)
    bins = []
    for index in range(BINS):
        inside = number == index
        count = int(inside.sum())
        confidence, accuracy = (float(best[inside].mean()), float(right[inside].mean())) if count else (0.0, 0.0)
        bins.append(Bin(index / BINS, (index + 1) / BINS, count, confidence, accuracy))
    return bins


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of confidence from accuracy, 0 to 1, every photo counted alike (Guo et al. 2017)."""
    photos = sum(part.photos for part in bins)
    return sum(part.photos * abs(part.confidence - part.accuracy) for part in bins) / photos


def calibrate_unseen(
    logits: NDArray[np.float32], targets: NDArray[np.int64], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities `[photos, classes]` of each half of the photos under the temperature fitted on the other half.

    The halves part no group. One temperature for all is judged on what it was fitted to; this one is not.
    """
    probabilities = softmax(logits.astype(np.float64), axis=1)
    for fitted, judged in StratifiedGroupKFold(2, shuffle=True, random_state=0).split(logits, targets, groups):
        temperature = fit_temperature(logits[fitted], targets[fitted])
        probabilities[judged] = softmax(logits[judged].astype(np.float64) / temperature, axis=1)
    return probabilities


@dataclass(frozen=True)
class Calibration:
    """How far probabilities miss the truth on judged photos."""

    temperature: float
    """Divides the logits."""
    error: float
    """Expected calibration error, 0 to 1."""
    error_cross_fitted: float | None
    """The same with each half's temperature fitted on the other half; None where there are no two halves."""
    bins: list[Bin]


def measure_calibration(
    answers: Answers, targets: NDArray[np.int64], groups: Sequence[str], temperature: float
) -> Calibration:
    """Of answers that were made with `temperature`; `groups` keep near-duplicates in one half."""
    bins = reliability(answers.probabilities, targets)
    crossed = None
    if min(np.bincount(targets)[np.unique(targets)]) > 1 and len(set(groups)) > 1:
        halves = calibrate_unseen(answers.logits, targets, groups).astype(np.float32)
        crossed = expected_calibration_error(reliability(halves, targets))
    return Calibration(temperature, expected_calibration_error(bins), crossed, bins)


def chance_of_error(bins: Sequence[Bin]) -> float:
    """The calibration error that chance alone does not exceed in 95 % of cases, where every answer is as sure as right.

    With few photos it is far from 0: each bin's share of right answers scatters about its confidence.
    """
    photos, confidence = (np.array([getattr(part, name) for part in bins]) for name in ("photos", "confidence"))
    right = np.random.default_rng(0).binomial(photos, confidence, (DRAWS, len(bins)))  # [draws, bins]
    errors = np.abs(right - photos * confidence).sum(axis=1) / photos.sum()
    return float(np.quantile(errors, 0.95))


@dataclass(frozen=True)
class Limits:
    """How sure a net's answers are, and which of them name nothing."""

    temperature: float
    """Divides the logits."""
    rule: Unsure


def set_limits(logits: NDArray[np.float32], targets: NDArray[np.int64], classes: int) -> Limits:
    """By answers to photos that the net had not seen: float32 `[photos, outputs]`, their class numbers `[photos]`."""
    temperature = fit_temperature(logits[:, :classes], targets)
    return Limits(temperature, choose_unsure(read_logits(logits, classes, temperature)))


def choose_unsure(answers: Answers, uncertain: float = UNCERTAIN, strange: float = STRANGE) -> Unsure:
    """The rule under which a share of the photos gets no label.

    These are the `uncertain` ones with the lowest best probability, and the `strange` ones that are most probably
    something else.
    """
    threshold = min(float(np.quantile(answers.probabilities.max(axis=1), uncertain)), THRESHOLD_AT_MOST)
    if np.isnan(answers.outsider).any():
        return Unsure(round(threshold, 4))
    outsider = max(float(np.quantile(answers.outsider, 1 - strange)), OUTSIDER_AT_LEAST)
    return Unsure(round(threshold, 4), round(outsider, 4))
