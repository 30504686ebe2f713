"""What a training left behind, damaged: the file is named, and an earlier one is never lost."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.data.photos import DataError
from training.runs import load_run, read_facts, read_learner, write_learner


def rewrite(name: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    return lambda report: (report / name).write_text(change((report / name).read_text()))


def give_the_recipe(**values: Any) -> Callable[[str], str]:
    def change(text: str) -> str:
        metrics = json.loads(text)
        metrics["run"]["recipe"] |= values
        return json.dumps(metrics)

    return change


def count_one_more(text: str) -> str:
    metrics = json.loads(text)
    metrics["run"]["photos"]["train"]["red"] += 1
    return json.dumps(metrics)


def name_another_net(text: str) -> str:
    metrics = json.loads(text)
    metrics["run"]["net"] = "0" * 64
    return json.dumps(metrics)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rewrite("metrics.json", lambda _: "null"), "metrics.json is damaged or of another version"),
        (
            rewrite("metrics.json", lambda _: "{}"),
            "metrics.json is damaged or of another version of Labelgram: it lacks run. Train",
        ),
        (rewrite("metrics.json", lambda _: "[" * 100_000), "metrics.json .* nested too deeply"),
        (rewrite("metrics.json", give_the_recipe(epochs="4")), "recipe.epochs is '4', not a whole number"),
        (rewrite("metrics.json", give_the_recipe(split_seed=None)), "recipe.split_seed is None, not a whole number"),
        (rewrite("metrics.json", give_the_recipe(weights=["imagenet"])), "recipe.weights is .*, not a text"),
        (rewrite("metrics.json", give_the_recipe(unseen="text")), "recipe.unseen is 'text', not such a list"),
        (rewrite("metrics.json", give_the_recipe(outsider_share=True)), "recipe.outsider_share is True, not a number"),
        (rewrite("metrics.json", name_another_net), "toy-report belongs to another net than .*toy.pkl"),
        (rewrite("metrics.json", count_one_more), "split.csv does not list the photos that metrics.json counts"),
        (rewrite("split.csv", lambda _: ""), "split.csv needs the columns path, label, group, width"),
        (rewrite("split.csv", lambda text: text[: text.index("\n") + 1]), "split.csv does not list the photos"),
        (rewrite("split.csv", lambda text: text[:-20]), "split.csv (is damaged|does not list the photos)"),
        (rewrite("split.csv", lambda text: text.replace(",red,", ",wolf,")), "split.csv does not list the photos"),
        (rewrite("split.csv", lambda text: text + "x" * 200_000), "split.csv cannot be read: field larger"),
    ],
)
def test_a_damaged_report_is_named(
    damage: Callable[[Path], object], message: str, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "toy-report", tmp_path / "toy-report")
    (tmp_path / "toy.pkl").symlink_to(trained / "toy.pkl")
    load_run(tmp_path / "toy.pkl", trained / "photos")
    damage(tmp_path / "toy-report")
    with pytest.raises(DataError, match=message):
        load_run(tmp_path / "toy.pkl", trained / "photos")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_net_that_finds_a_full_disk_says_so(trained: Path, tmp_path: Path) -> None:
    learner = read_learner(trained / "toy.pkl")
    (tmp_path / "toy.pkl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="it cannot be written: the disk is full") as refusal:
        write_learner(learner, tmp_path / "toy.pkl")
    assert refusal.value.filename == str(tmp_path / "toy.pkl")


def test_a_report_names_its_net_and_an_older_one_names_none(trained: Path, tmp_path: Path) -> None:
    told = read_facts(trained / "toy-report").net
    assert told == hashlib.sha256((trained / "toy.pkl").read_bytes()).hexdigest()
    shutil.copytree(trained / "toy-report", tmp_path / "toy-report")
    (tmp_path / "toy.pkl").symlink_to(trained / "toy.pkl")
    figures = json.loads((tmp_path / "toy-report" / "metrics.json").read_text())
    del figures["run"]["net"]
    (tmp_path / "toy-report" / "metrics.json").write_text(json.dumps(figures))
    assert load_run(tmp_path / "toy.pkl", None).facts.net is None
