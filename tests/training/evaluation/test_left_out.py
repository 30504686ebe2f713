"""What nets that were trained without a collection say for the file: which of them may give it its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.inference.contract import Unsure
from training.data.photos import DataError
from training.evaluation.left_out.figures import LeftOut
from training.evaluation.left_out.runs import LEFT_OUT_FOLDER, read_runs

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


def test_a_recipe_that_its_file_leaves_out_is_filled_in() -> None:
    left_out = LeftOut(1.0, Unsure(0.5), {}, {"bare": {}})
    assert not left_out.transfers(FILE)
    assert left_out.find_changes(FILE) == {"bare": {"epochs": 4, "ema": 0.0, "size": 224}}
    assert left_out.transfers({})


def test_a_net_of_another_recipe_is_named_with_what_differs() -> None:
    left_out = LeftOut(1.0, Unsure(0.5), {}, {"near": FILE, "far": FILE | {"epochs": 7, "seed": 2}})
    assert left_out.find_changes(FILE) == {"far": {"epochs": 7}}


def describe_run() -> dict[str, Any]:
    photos = [{"path": f"{label}/1.jpg", "label": label, "logits": [1.0, 2.0, 3.0]} for label in ("cat", "dog")]
    return {"collection": "far", "labels": ["cat", "dog"], "recipe": {}, "photos": photos, "pictures": {}}


def write(report: Path, run: dict[str, Any]) -> Path:
    file = report / LEFT_OUT_FOLDER / "far.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(run))
    return file


@pytest.mark.parametrize(
    ("labels", "differences"),
    [
        (["cat", "dog", "fox"], "it lacks fox"),
        (["cat", "fox"], "it lacks fox; it adds dog"),
        (["Cat", "dog"], "it lacks Cat; it adds cat"),
        ([*"abcde", "cat", "dog"], "it lacks a, b, c and 2 more"),
    ],
)
def test_a_net_of_other_classes_says_nothing_of_this_one(labels: list[str], differences: str, tmp_path: Path) -> None:
    file = write(tmp_path, describe_run())
    assert [run.collection for run in read_runs(tmp_path, ["dog", "cat"])] == ["far"]
    with pytest.raises(DataError) as refusal:
        read_runs(tmp_path, labels)
    assert str(refusal.value) == (
        f"{file} is of a net with other classes: {differences}. "
        "Remove the file, or train that net again on photos of the same classes."
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": []}, "it has no photos"),
        ({"labels": ["cat", "dog", "dog"]}, "it names a class twice"),
        ({"recipe": {"epochs": "14"}}, "recipe.epochs is '14', not a whole number"),
        ({"labels": ["cat", "fox"]}, "it has no class dog"),
        ({"pictures": {"text": [[1.0]]}}, "its logits are not one for each class"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    run = describe_run()
    file = write(tmp_path, run)
    assert [other.collection for other in read_runs(tmp_path)] == ["far"]
    file.write_text(json.dumps(run | change))
    with pytest.raises(DataError, match=f"far.json holds no figures of a left-out collection: {message}"):
        read_runs(tmp_path)
