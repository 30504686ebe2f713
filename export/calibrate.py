"""How sure the answers are: the temperature, and the rule for "unsure", both from the held-out photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from bot.contract import Unsure

UNSURE_SHARE = 0.02
"""Share of the held-out photos, the least certain ones, to which the bot does not give a label."""
UNSURE_AT_MOST = 0.9
"""The bot is never unsure of an answer with this probability or more."""


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """The divisor of the logits with the least cross-entropy ("On Calibration of Modern Neural Networks", 2017).

    `logits` is float32 `[photos, classes]`, `targets` the right class numbers `[photos]`.
    """
    rows = np.arange(len(targets))

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        return float(-log_softmax(scaled, axis=1)[rows, targets].mean())

    # Bounded, since a net that is right on every held-out photo would drive it to 0, and call all answers certain.
    return float(np.exp(minimize_scalar(cross_entropy, bounds=(np.log(0.5), np.log(10)), method="bounded").x))


def choose_unsure(best_probabilities: NDArray[np.float32]) -> Unsure:
    """The threshold under which the least certain UNSURE_SHARE of the held-out photos lie, at most UNSURE_AT_MOST."""
    threshold = min(float(np.quantile(best_probabilities, UNSURE_SHARE)), UNSURE_AT_MOST)
    return Unsure(round(threshold, 4))
