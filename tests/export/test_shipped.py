"""artifacts/mask.onnx and what lies beside it, as they ship: what they claim is enough, and true."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from bot.inference.classifier import Classifier
from export.metadata import FileMetrics, TrainedOn, read_metrics, read_trained_on, write_json
from export.pipeline import write
from export.verification.labelled import find_known
from export.verification.verify import check_card, check_description, verify
from tests.support.paths import MASKS, ROOT
from training.evaluation.subgroups import FACE_HEIGHT, FACES, Group

MODEL = ROOT / "artifacts" / "mask.onnx"
CONTRACT = Classifier(MODEL, threads=2).contract
needs_photos = pytest.mark.skipif(not MASKS.is_dir(), reason="the mask photos are not beside the repository")


@pytest.fixture(scope="module")
def metrics() -> FileMetrics:
    return read_metrics(CONTRACT)


@pytest.fixture(scope="module")
def trained_on() -> TrainedOn:
    return read_trained_on(CONTRACT)


def test_the_card_is_the_files_own() -> None:
    assert MODEL.with_suffix(".md").is_file()
    assert check_card(MODEL) is None
    assert check_description(MODEL) is None


def test_the_file_beside_it_is_for_readers_without_metadata() -> None:
    facts = json.loads(MODEL.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert facts["labels"] == list(CONTRACT.labels)
    assert facts["unsure"] == json.loads(CONTRACT.unsure.to_json())


def test_names_that_are_no_utf_8_are_written_as_escapes(trained_on: TrainedOn, tmp_path: Path) -> None:
    """Of the file itself, and of a folder in its recipe."""
    latin = os.fsdecode(b"caf\xe9")
    outsiders = replace(trained_on, recipe=trained_on.recipe | {"outsiders": latin})
    file = tmp_path / f"{latin}.onnx"
    write(onnx.load(MODEL), replace(CONTRACT, trained_on=write_json(outsiders)), file)
    assert read_trained_on(Classifier(file, threads=1).contract) == outsiders
    assert json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["file"] == file.name
    assert r"caf\udce9.onnx" in file.with_suffix(".md").read_text(encoding="utf-8")
    assert check_card(file) is None
    assert check_description(file) is None


def test_the_claims_are_what_the_readme_promises(metrics: FileMetrics) -> None:
    evaluation = metrics.evaluation
    assert evaluation.scores.right.share >= 0.975
    assert evaluation.neutral.right.share >= 0.97
    assert all(padded.unchanged.share >= 0.9 for padded in evaluation.padded.values())
    assert evaluation.calibration.error <= 0.02
    assert evaluation.scores.wrong_and_sure.share <= 0.01
    assert evaluation.scores.unsure.share <= 0.035
    assert evaluation.rejection
    assert evaluation.rejection.pictures.share >= 0.9
    assert metrics.int8
    assert metrics.int8.accuracy - evaluation.scores.right.share <= 0.003
    assert metrics.int8.label_agreement >= 0.99
    assert metrics.location
    assert metrics.location.peak >= 0.9
    assert metrics.left_out


def show(share: float) -> str:
    return f"{100 * share:.2f} %"


def make_row(group: Group, *before: str) -> str:
    """A group's line in a table of the card, by the values of the metadata."""
    low, high = (f"{100 * end:.1f}" for end in group.right.interval)
    recall = [
        f"{show(group.recall[label].share)} of {group.recall[label].photos}" if label in group.recall else "-"
        for label in CONTRACT.labels
    ]
    right = [str(group.right.photos), show(group.right.share), f"[{low}, {high}]"]
    names = [f"`{name}`" for name in (*before, group.trait, group.value)]
    return f"| {' | '.join([*names, *right, *recall])} |"


def test_the_card_has_a_row_for_each_number_and_height_of_faces(metrics: FileMetrics) -> None:
    lines = MODEL.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    assert metrics.left_out
    own = [group for group in metrics.evaluation.groups if group.trait in (FACES, FACE_HEIGHT)]
    for name, groups in (("", own), *((name, part.groups) for name, part in metrics.left_out.collections.items())):
        assert {group.trait for group in groups} == {FACES, FACE_HEIGHT}
        for group in groups:
            assert make_row(group, *filter(None, [name])) in lines


def test_the_card_says_where_the_evidence_lies_and_how_far_int8_moves_it(metrics: FileMetrics) -> None:
    text = " ".join(MODEL.with_suffix(".md").read_text(encoding="utf-8").split())
    assert metrics.location
    assert f"within half a cell of what was drawn on {show(metrics.location.peak)}" in text
    assert f"{show(metrics.location.within_cell)} lies within a cell of it" in text
    assert f"and {show(metrics.location.within_half_cell)} within half a cell" in text
    assert metrics.left_out
    by_collection = {name: part.location for name, part in metrics.left_out.collections.items() if part.location}
    assert by_collection
    for name, location in by_collection.items():
        shares = f"{show(location.peak)}, {show(location.within_cell)} and {show(location.within_half_cell)}"
        assert f"without `{name}`, on all {location.pairs} pairs: {shares}" in text
    assert metrics.int8
    assert metrics.int8.evidence is not None
    assert metrics.int8.evidence_peaks is not None
    assert f"The int8 map is {show(metrics.int8.evidence)} away from float32's" in text
    assert f"the same strongest cell on {show(metrics.int8.evidence_peaks)} of the photos" in text


def test_it_names_its_photos_and_its_weights(trained_on: TrainedOn) -> None:
    assert set(trained_on.collections) == {"seed", "wild", "wide", "drawn"}
    assert "Microsoft.ML.DnnImageFeaturizer.ResNet18" in trained_on.weights
    assert "MIT" in trained_on.weights
    for collection in trained_on.collections:
        assert f"`{collection}`" in trained_on.about


@needs_photos
def test_photos_are_known_by_the_files_own_list(trained_on: TrainedOn, metrics: FileMetrics) -> None:
    photos = find_known(MASKS / "drawn", CONTRACT.labels, trained_on)
    assert photos.new == []
    assert len(photos.learned) == trained_on.collections["drawn"]
    claimed = metrics.evaluation.collections["drawn"].scores.right.photos
    assert len(photos.held_out) == claimed


@needs_photos
def test_the_claims_come_out_again_on_held_out_photos(trained_on: TrainedOn, tmp_path: Path) -> None:
    """On every fifth of them: `python -m export verify` takes all, and minutes."""
    photos = find_known(MASKS / "seed", CONTRACT.labels, trained_on).held_out
    photos += find_known(MASKS / "drawn", CONTRACT.labels, trained_on).held_out
    for number, photo in enumerate(photos[::5]):
        folder = tmp_path / photo.label
        folder.mkdir(exist_ok=True)
        shutil.copy(photo.path, folder / f"{number}{photo.path.suffix}")
    checks = verify(MODEL, tmp_path)
    assert [str(check) for check in checks if not check.holds] == []
