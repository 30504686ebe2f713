"""What nets that were trained without a collection say for the file: which of them may give it its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.inference.contract import Unsure
from training.data.photos import DataError
from training.evaluation.left_out import LEFT_OUT_FOLDER, LeftOut, read_runs

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": []}, "it has no photos"),
        ({"labels": ["cat", "fox"]}, "it has no class dog"),
        ({"pictures": {"text": [[1.0]]}}, "its logits are not one for each class"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    photos = [{"path": f"{label}/1.jpg", "label": label, "logits": [1.0, 2.0, 3.0]} for label in ("cat", "dog")]
    run = {"collection": "far", "labels": ["cat", "dog"], "recipe": {}, "photos": photos, "pictures": {}}
    file = tmp_path / LEFT_OUT_FOLDER / "far.json"
    file.parent.mkdir()
    file.write_text(json.dumps(run))
    assert [other.collection for other in read_runs(tmp_path)] == ["far"]
    file.write_text(json.dumps(run | change))
    with pytest.raises(DataError, match=f"far.json holds no figures of a left-out collection: {message}"):
        read_runs(tmp_path)
