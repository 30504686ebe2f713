"""Shares with what chance leaves open, and whether two of them differ by more than that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from bot.benchmark.statistics import wilson

Interval = tuple[float, float]


@dataclass(frozen=True)
class Share:
    """How many of some photos something is true of."""

    photos: int
    share: float
    """0 to 1."""
    interval: Interval
    """Wilson's, 95 %."""


def count_share(hits: NDArray[np.bool_]) -> Share:
    """The share of True among `hits` `[photos]`; 0 of no photos."""
    photos, right = len(hits), int(hits.sum())
    return Share(photos, right / photos, wilson(right, photos)) if photos else Share(0, 0.0, (0.0, 1.0))


def limit_claim(claim: Share, measured: Share, small: bool = False) -> float:
    """Up to where a share claimed of some photos may lie above the share of others; below it if it should be `small`.

    The end of the 95 % interval of the difference of two shares (Newcombe 1998, method 10): chance is on both sides.
    """
    low, high = measured.interval
    if small:
        return measured.share - math.hypot(measured.share - low, claim.interval[1] - claim.share)
    return measured.share + math.hypot(high - measured.share, claim.share - claim.interval[0])


def chance_of_loss(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """How probable it is that chance alone loses as many right answers, from answers `[photos]` to the same photos.

    McNemar's exact test, one-sided: of the photos that only one of both gets right.
    """
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    return float(binomtest(lost, lost + gained, 0.5, alternative="greater").pvalue) if lost + gained else 1.0
