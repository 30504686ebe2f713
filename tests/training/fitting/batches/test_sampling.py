"""Which pictures an epoch shows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from training.fitting.batches.sampling import MOST_OFTEN, draw_epoch


def draw(cells: list[int], kinds: list[int], share: float, seed: int = 1) -> list[list[int]]:
    """How often an epoch shows each picture, by cell and kind of so many pictures."""
    ends = np.cumsum([0, *cells, *kinds])
    rows = [np.arange(start, end) for start, end in pairwise(ends)]
    order = draw_epoch(rows[: len(cells)], rows[len(cells) :], share, np.random.default_rng(seed))
    counts = np.bincount(order, minlength=ends[-1])
    return [counts[group].tolist() for group in rows]


def test_cells_are_shown_equally_often_whatever_their_size() -> None:
    small, large, outsiders = draw([40, 360], [10], share=0.2)
    assert sum(small) == sum(large) == 200
    assert set(small) == {5}
    assert set(large) == {0, 1}
    assert sum(outsiders) == 100 - 20  # no picture more than MOST_OFTEN times: ten are too few for a fifth
    assert set(outsiders) == {MOST_OFTEN}


def test_a_kind_of_four_times_as_many_pictures_is_shown_twice_as_often() -> None:
    *_, few, many = draw([500, 500], [100, 400], share=0.25)
    assert 330 <= sum(few) + sum(many) <= 336
    assert 1.9 < sum(many) / sum(few) < 2.1


def test_without_outsiders_all_are_photos_in_an_order_of_the_seeds() -> None:
    cells = [np.arange(10), np.arange(10, 20)]
    first, again, other = (draw_epoch(cells, [], 0.15, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2))
    assert sorted(first) == list(range(20))
    assert first == again != other
