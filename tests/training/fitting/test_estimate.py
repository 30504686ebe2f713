"""What a training will take is told before it starts: a line a step, each with minutes."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from training.fitting.estimate import estimate
from training.recipe import Recipe

BODY = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
FOLDS = np.arange(40) % 5
LAST, ALL, BETTER = "the last layer", "all layers and the report", "all layers, to see if they do better"

WITHOUT = "all layers without one source, to see if they do better"


@pytest.mark.parametrize(
    ("recipe", "folds", "steps"),
    [
        (Recipe(), FOLDS, [f"{LAST}, with its report", BETTER]),
        (Recipe(epochs=0), FOLDS, [f"{LAST}, with its report"]),
        (Recipe(keep="linear"), None, [f"{LAST}, with its report"]),
        (Recipe(), None, [LAST, ALL]),
        (Recipe(weights="none"), None, [ALL]),
    ],
)
def test_every_step_of_the_recipe_has_its_minutes(
    recipe: Recipe, folds: NDArray[np.int64] | None, steps: list[str]
) -> None:
    head, *lines = estimate(BODY, recipe, photos=40, pictures=50, folds=folds)
    assert head == "40 photos and 10 pictures of something else. On this computer it will take:"
    assert [re.sub(r": about (a|\d+) minutes?.*", "", line) for line in lines] == [f"- {step}" for step in steps]


def test_a_source_that_is_left_out_to_decide_has_its_minutes() -> None:
    for recipe, steps in ((Recipe(), [LAST, WITHOUT, ALL]), (Recipe(keep="tuned"), [LAST, ALL])):
        _, *lines = estimate(BODY, recipe, photos=40, pictures=50, folds=None, several_sources=True)
        assert [line.partition(":")[0] for line in lines] == [f"- {step}" for step in steps]


def test_judging_labels_by_all_layers_has_its_minutes() -> None:
    *_, line = estimate(BODY, Recipe(), photos=40, pictures=50, folds=None, check_labels=True)
    assert line.startswith("- all layers on each half, to judge labels: about ")


class Slow(nn.Sequential):
    """A body that takes 20 ms a picture."""

    def forward(self, pictures: Tensor) -> Tensor:
        time.sleep(0.02 * len(pictures))
        features: Tensor = super().forward(pictures)
        return features


def test_more_photos_and_epochs_take_longer() -> None:
    def minutes(photos: int, epochs: int) -> int:
        *_, line = estimate(Slow(*BODY), Recipe(epochs=epochs), photos, photos, None)
        return int(re.findall(r"about (\d+) minutes", line)[-1])

    assert minutes(6000, 4) > 2 * minutes(1500, 4) > 2 * minutes(1500, 1)
