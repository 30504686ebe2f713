"""`python -m training across`: one training without each collection, the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.datasets import draw_photos
from tests.support.warm import run
from training.across import main

SHORT = ("--arch", "efficientnet_lite0", "--outsiders", "none", "--epochs", "1", "--size", "48", "--batch-size", "8")


def test_each_collection_is_judged_by_a_net_that_never_saw_it(tmp_path: Path) -> None:
    for seed, collection in enumerate(("near", "far")):
        draw_photos(tmp_path / "photos" / collection, classes=2, each=6, twins=0, seed=100 * seed)
    done = run("training", "across", "--data", str(tmp_path / "photos"), "--out", str(tmp_path / "toy"), *SHORT)
    assert done.returncode == 0, done.stderr
    for collection in ("near", "far"):
        figures = json.loads((tmp_path / "toy-report" / "left-out" / f"{collection}.json").read_text())
        assert {photo["path"].partition("/")[0] for photo in figures["photos"]} == {collection}
        assert (tmp_path / f"toy-without-{collection}.pkl").is_file()
    assert "training 2 of 2, without near" in done.stdout
    assert "far                       12" in done.stdout


def test_a_collection_whose_photos_are_all_in_the_others_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for collection in ("near", "far"):
        draw_photos(tmp_path / "photos" / collection, classes=2, each=6, twins=0)
    assert main(["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "toy")]) == 2
    assert "has no photos to train on: all are near-duplicates of held-out ones" in capsys.readouterr().err


def test_one_collection_is_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_photos(tmp_path / "photos", classes=2, each=6, twins=0)
    assert main(["--data", str(photos), "--out", str(tmp_path / "toy")]) == 2
    assert "holds one collection. Two folders with the same classes in each are needed" in capsys.readouterr().err
