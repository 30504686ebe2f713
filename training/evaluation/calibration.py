"""How sure the answers are allowed to be: a temperature for the logits, and how far probabilities miss the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.model_selection import StratifiedGroupKFold

BINS = 15
"""Bins of equal width, as in "On Calibration of Modern Neural Networks" (Guo et al. 2017)."""
BOUNDS = 0.2, 10.0
"""Of the temperature. A net that is right on every photo would drive it to 0, and call all answers certain."""


@dataclass(frozen=True)
class Bin:
    """The photos whose best class has a probability from `low` to `high`."""

    low: float
    high: float
    photos: int
    confidence: float
    """Mean probability of the best class; 0 without photos."""
    accuracy: float
    """Share of them named rightly; 0 without photos."""


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """The divisor of the logits with the least cross-entropy (Guo et al. 2017).

    `logits` is float32 `[photos, classes]`, `targets` the right class numbers `[photos]`.
    """
    rows = np.arange(len(targets))

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        return float(-log_softmax(scaled, axis=1)[rows, targets].mean())

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
    photos = sum(one.photos for one in bins)
    return sum(one.photos * abs(one.confidence - one.accuracy) for one in bins) / photos


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


def calibration_facts(logits: NDArray[np.float32], targets: NDArray[np.int64], groups: Sequence[str]) -> dict[str, Any]:
    """The temperature for held-out photos with its errors and bins, for `metrics.json`."""
    temperature = fit_temperature(logits, targets)
    bins = reliability(softmax(logits / np.float32(temperature), axis=1), targets)
    facts = {
        "temperature": temperature,
        "expected_calibration_error": expected_calibration_error(bins),
        "bins": [asdict(one) for one in bins],
    }
    if min(np.bincount(targets)) > 1 and len(set(groups)) > 1:  # else there are no two halves
        unseen = reliability(calibrate_unseen(logits, targets, groups).astype(np.float32), targets)
        facts["expected_calibration_error_cross_fitted"] = expected_calibration_error(unseen)
    return facts
