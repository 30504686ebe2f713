"""Samples -> figures that say how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
Z = 1.959964
"""0.975 quantile of the normal distribution: 95 % lie within +-Z."""
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""0.975 quantiles of Student's t with 1 to 10 degrees of freedom."""


@dataclass(frozen=True)
class Ratio:
    """A ratio and its 95 % interval, `low` to `high`."""

    value: float
    low: float
    high: float


def quantiles(samples: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99, interpolated linearly between the samples (Hyndman and Fan 1996, type 7)."""
    ordered = sorted(samples)  # np.quantile would load numpy.ma, which a slug has not
    figures = {}
    for name, share in QUANTILES.items():
        below, part = divmod(share * (len(ordered) - 1), 1)
        low, high = ordered[int(below)], ordered[min(int(below) + 1, len(ordered) - 1)]
        figures[name] = low + part * (high - low)
    return figures


def ratio(ours: Sequence[float], base: Sequence[float]) -> Ratio:
    """How many times `base` is `ours`: the geometric mean over rounds, with Student's 95 % interval.

    Both hold one positive figure a round, at least two, in the same order. Rounds are paired: the interval is
    mean +- t(0.975, n - 1) s / sqrt(n) of log(ours / base), so that what slows down a whole round cancels out.
    """
    logs = np.log(np.asarray(ours) / np.asarray(base))  # [rounds]
    middle, half = float(logs.mean()), student(len(logs) - 1) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def ratio_of_runs(ours: Sequence[float], base: Sequence[float]) -> Ratio:
    """The same for two runs whose rounds are not pairs: Welch's interval of the difference of the mean logarithms.

    Both hold at least two positive figures. Degrees of freedom are Welch and Satterthwaite's (Welch 1947).
    """
    logs = [np.log(np.asarray(run)) for run in (ours, base)]
    middle = float(logs[0].mean() - logs[1].mean())
    parts = [float(run.var(ddof=1)) / len(run) for run in logs]
    spread = sum(parts)
    if spread == 0:
        return Ratio(math.exp(middle), math.exp(middle), math.exp(middle))
    freedom = spread**2 / sum(part**2 / (len(run) - 1) for part, run in zip(parts, logs, strict=True))
    half = student(max(1, math.floor(freedom))) * math.sqrt(spread)
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def student(freedom: int) -> float:
    """0.975 quantile of Student's t; above 10 degrees of freedom by Abramowitz and Stegun, 26.7.5."""
    if freedom <= len(T):
        return T[freedom - 1]
    terms = (Z, (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96, (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384)
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def wilson(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927): it holds for small counts and for shares near 0 and 1."""
    share, spread = right / of, Z**2 / of
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
