"""Which net is kept."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.data.photos import LabelledPhoto
from training.fitting.batches.augment import SQUISHED
from training.fitting.batches.dataloaders import Pictures
from training.fitting.choice import MANY, average, choose, is_varied, judge
from training.fitting.outputs import BATCH


def right(share: float, count: int = 200) -> np.ndarray:
    """That share of the photos right, the same ones first."""
    return (np.arange(count) < round(share * count)).astype(float)


@pytest.mark.parametrize(
    ("linear", "mean", "tuned", "least", "kept"),
    [
        (0.90, 0.90, 0.90, 500, "linear"),
        (0.90, 0.905, 0.90, 500, "linear"),  # one photo is chance
        (0.90, 0.95, 0.94, 500, "mean"),
        (0.90, 0.95, 0.99, 500, "tuned"),
        (0.90, 0.915, 0.90, 500, "mean"),
        (0.90, 0.915, 0.90, 20, "linear"),  # three photos are too few where there are few
        (0.90, 0.97, 0.97, 20, "mean"),
    ],
)
def test_of_another_source_the_plainest_is_kept_that_no_other_beats_by_more_than_chance(
    linear: float, mean: float, tuned: float, least: int, kept: str
) -> None:
    assert choose({"linear": right(linear), "mean": right(mean), "tuned": right(tuned)}, least, True) == kept


@pytest.mark.parametrize(
    ("linear", "mean", "tuned", "count", "kept"),
    [  # each of four collections of masks, left out of the nets
        (0.988, 0.998, 0.998, 1376, "tuned"),  # both know it by heart, which tells nothing
        (0.855, 0.898, 0.921, 2449, "tuned"),
        (0.954, 0.935, 0.964, 1703, "tuned"),
        (0.807, 0.848, 0.837, 2435, "mean"),
        (0.99, 0.94, 0.93, 1000, "linear"),
    ],
)
def test_of_many_photos_of_several_sources_all_layers_are_kept_unless_another_source_tells_otherwise(
    linear: float, mean: float, tuned: float, count: int, kept: str
) -> None:
    shares = {"linear": right(linear, count), "mean": right(mean, count), "tuned": right(tuned, count)}
    assert choose(shares, 500, other_source=True, varied=True) == kept


@pytest.mark.parametrize(
    ("linear", "mean", "tuned", "least", "kept"),
    [
        (0.97, 0.985, 0.985, 500, "linear"),  # so it was on 900 photos of one collection of masks
        (0.77, 0.80, 0.80, 500, "linear"),  # and of another
        (0.985, 1.0, 0.995, 500, "linear"),  # a sixth of few errors, and 12 points behind on other collections
        (0.90, 0.95, 0.96, 500, "linear"),
        (0.90, 0.97, 0.97, 500, "mean"),
        (0.70, 0.80, 0.98, 20, "tuned"),
        (0.995, 1.0, 1.0, 500, "linear"),  # one photo is chance
    ],
)
def test_of_one_source_a_net_must_be_far_better_than_a_plainer_one(
    linear: float, mean: float, tuned: float, least: int, kept: str
) -> None:
    assert choose({"linear": right(linear), "mean": right(mean), "tuned": right(tuned)}, least) == kept


@pytest.mark.parametrize(
    ("sources", "held_out", "count", "varied"),
    [
        (("a", "b"), "c", MANY, True),
        (("a", "b"), "b", 2 * MANY, False),  # one is learned from
        (("a", "b"), "c", MANY - 1, False),
        (("a",), "b", MANY, False),
    ],
)
def test_photos_are_varied_if_many_of_several_sources_are_learned(
    sources: tuple[str, ...], held_out: str, count: int, varied: bool
) -> None:
    every = [*itertools.islice(itertools.cycle(sources), count), *[held_out] * MANY]
    photos = [
        LabelledPhoto(Path(f"{number}.jpg"), "cat", held_out=source == held_out, collection=source)
        for number, source in enumerate(every)
    ]
    assert is_varied(photos) == varied


def test_a_net_from_random_weights_has_nothing_to_be_compared_with() -> None:
    assert choose({"tuned": right(0.3)}, 20) == "tuned"


class Brightness(nn.Module):
    """Class 1 for bright pictures, and a third output that is highest of all."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        level = self.scale * photos.mean((1, 2, 3))
        return torch.stack([-level, level, torch.full_like(level, 99)], 1)


def test_changed_copies_are_judged_by_their_labels_alone() -> None:
    pixels = torch.zeros(4, SQUISHED, SQUISHED, 3, dtype=torch.uint8)
    pixels[2:] = 255
    pictures = Pictures(pixels, torch.tensor([0, 0, 1, 0]), 4, [])
    assert judge(Brightness(), pictures, [0, 2, 3], 2).tolist() == pytest.approx([1, 1, 0])


def test_a_batch_of_one_photo_is_judged_too() -> None:
    pictures = Pictures(torch.zeros(1, SQUISHED, SQUISHED, 3, dtype=torch.uint8), torch.tensor([0]), 1, [])
    rows = [0] * (BATCH + 1)
    assert judge(Brightness(), pictures, rows, 2).tolist() == pytest.approx([1] * (BATCH + 1))


def test_photos_of_another_source_are_judged_as_they_are() -> None:
    """A dark photo with a bright frame, which the bot's crop leaves away: any other view would be brighter."""
    pixels = torch.full((1, SQUISHED, SQUISHED, 3), 255, dtype=torch.uint8)
    pixels[:, 16:-16, 16:-16] = 0
    pictures = Pictures(pixels, torch.tensor([0]), 1, [])
    assert judge(Brightness(), pictures, [0], 2, other_source=True).tolist() == [1]


def test_the_mean_of_two_nets_is_of_weights_and_statistics() -> None:
    one, other = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    other(torch.ones(3, 2, 4, 4) * 5)
    mean = average([one.state_dict(), other.state_dict()])
    assert torch.allclose(mean["running_mean"], other.running_mean / 2)
    assert mean["num_batches_tracked"] == 1
