"""Shares with what chance leaves open, and whether two of them differ by more than that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from bot.benchmark.statistics import wilson

Interval = tuple[float, float]
MOST = 10**9
"""No figure is of so many photos."""
ROUNDING = 2e-4
"""Up to which a share and its interval in a file, with four decimals, may differ from those of its photos."""


@dataclass(frozen=True)
class Share:
    """How many of some photos something is true of."""

    photos: int
    share: float
    """0 to 1."""
    interval: Interval
    """Wilson's, 95 %."""

    def __post_init__(self) -> None:
        """Raises ValueError where share and interval cannot be those of so many photos: files are read into it."""
        if not 0 <= self.photos < MOST or not 0 <= self.share <= 1:
            raise ValueError(f"{self.share} is no share of a number of photos")
        right = round(self.share * self.photos)
        interval = _find_interval(right, self.photos)
        away = [self.share - right / max(self.photos, 1), *np.subtract(self.interval, interval)]
        if np.abs(away).max() > ROUNDING:
            low, high = (f"{end:.4f}" for end in interval)
            raise ValueError(f"{self.share} of {self.photos} photos has the interval {low} to {high}, not another")


def count_share(hits: NDArray[np.bool_]) -> Share:
    """The share of True among `hits` `[photos]`; 0 of no photos."""
    return make_share(int(hits.sum()), len(hits))


def make_share(right: int, photos: int) -> Share:
    """The share of `right` photos; 0 of no photos."""
    return Share(photos, right / max(photos, 1), _find_interval(right, photos))


def _find_interval(right: int, photos: int) -> Interval:
    return wilson(right, photos) if photos else (0.0, 1.0)


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
