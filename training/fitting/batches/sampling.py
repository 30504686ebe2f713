"""Which pictures an epoch shows: evenly from every collection and label, with a share of outsiders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_OFTEN = 8
"""Times that an epoch shows one picture at most, however few there are of its kind."""


def draw_epoch(
    cells: Sequence[NDArray[np.int64]], kinds: Sequence[NDArray[np.int64]], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row numbers in the order in which an epoch shows them.

    `cells` hold the rows of the photos of one collection and label each, and are shown equally often; together as many
    times as there are photos. `kinds` hold the rows of outsiders, which are `share` of the epoch; a kind of four times
    as many pictures is shown twice as often.
    """
    photos = sum(map(len, cells))
    rows = [_draw(cell, photos / len(cells), rng) for cell in cells]
    roots = np.sqrt([len(kind) for kind in kinds])
    outsiders = photos * share / (1 - share)
    rows += [_draw(kind, outsiders * root / roots.sum(), rng) for kind, root in zip(kinds, roots, strict=True)]
    return rng.permutation(np.concatenate(rows))


def _draw(rows: NDArray[np.int64], count: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` of the rows, each equally often but for one; a fraction is rounded up or down at random."""
    whole = min(int(count + rng.random()), MOST_OFTEN * len(rows))
    rounds = -(-whole // len(rows))
    drawn = [rng.permutation(rows) for _ in range(rounds)]
    return np.concatenate(drawn)[:whole] if drawn else rows[:0]
