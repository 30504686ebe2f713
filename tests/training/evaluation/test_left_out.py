"""What nets that were trained without a collection say for the file: which of them may give it its limits."""

from __future__ import annotations

from typing import Any

import pytest

from bot.inference.contract import Unsure
from training.evaluation.left_out import LeftOut

FILE = {"epochs": 14, "ema": 0.998, "size": 160, "seed": 1}


@pytest.mark.parametrize(
    ("changed", "fits"),
    [
        ({}, True),
        ({"seed": 2}, True),
        ({"epochs": 7, "ema": 0.996}, True),
        ({"epochs": 6}, False),
        ({"epochs": 28}, True),
        ({"size": 128}, False),
        ({"epochs": 7, "size": 128}, False),
    ],
)
def test_limits_come_from_nets_of_the_same_recipe_that_learned_for_half_as_long_or_longer(
    changed: dict[str, Any], fits: bool
) -> None:
    left_out = LeftOut(1.0, Unsure(0.5), {}, {"near": FILE, "far": FILE | changed})
    assert left_out.transfers(FILE) is fits


def test_a_net_of_another_recipe_is_named_with_what_differs() -> None:
    left_out = LeftOut(1.0, Unsure(0.5), {}, {"near": FILE, "far": FILE | {"epochs": 7, "seed": 2}})
    assert left_out.find_changes(FILE) == {"far": {"epochs": 7}}
