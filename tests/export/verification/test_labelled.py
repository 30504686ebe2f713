"""Photos beside a file that knows their classes: folders are read as training read them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from export.__main__ import main
from export.metadata import TrainedOn, list_photos
from export.verification import remeasure, verify
from export.verification.labelled import KnownPhotos, find_known
from tests.support.paths import ROOT
from tests.support.photos import draw
from training.data.photos import DataError, LabelledPhoto
from training.runs import SplitFacts

TRAINED_ON = TrainedOn({}, {}, SplitFacts("groups.csv", 0, 0, 1), {})


def test_a_folder_is_the_class_that_training_made_of_its_name(tmp_path: Path) -> None:
    """Here: letters in two parts, as macOS writes them, a line break, and a sign without width."""
    for number, name in enumerate(("cafe\u0301", "a\nb", "re\u200bd")):
        (tmp_path / name).mkdir()
        draw("red").save(tmp_path / name / f"{number}.png")
    photos = find_known(tmp_path, ("caf\u00e9", "a b", "red"), TRAINED_ON)
    assert sorted(photo.label for photo in photos.new) == ["a b", "caf\u00e9", "red"]
    with pytest.raises(DataError, match="does not know"):
        find_known(tmp_path, ("red",), TRAINED_ON)


def test_loose_photos_are_told_from_photos_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(b"hello")
    with pytest.raises(DataError, match="there is no photo that can be read in"):
        find_known(tmp_path, ("red",), TRAINED_ON)
    draw("red").save(tmp_path / "loose.png")
    with pytest.raises(DataError, match=f"^the photos in {tmp_path} lie in no folder of a class. --data names"):
        find_known(tmp_path, ("red",), TRAINED_ON)


def draw_two_classes(folder: Path) -> TrainedOn:
    """Two photos of each, which a training held out; what it learned from is not there."""
    photos: dict[str, list[bytes]] = {}
    for number in range(4):
        label = ("cat", "dog")[number % 2]
        file = folder / label / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        draw(size=(320 + number, 240)).save(file)
        photos.setdefault(label, []).append(file.read_bytes())
    by_label = {label: list_photos(files) for label, files in photos.items()}
    every = list_photos(file for files in photos.values() for file in files)
    return replace(TRAINED_ON, held_out=every, held_out_labels=by_label)


def test_corrected_labels_of_the_training_are_asked_for_and_taken(tmp_path: Path) -> None:
    """Two photos lie in each other's folder: the training's file of corrections says so."""
    photos = tmp_path / "photos"
    trained_on = draw_two_classes(photos)
    assert find_known(photos, ("cat", "dog"), trained_on).complete
    (photos / "cat" / "0.png").rename(photos / "dog" / "0.png")
    (photos / "dog" / "1.png").rename(photos / "cat" / "1.png")
    with pytest.raises(DataError, match=r"labels of 2 held-out photos differ .* Give the --relabel"):
        find_known(photos, ("cat", "dog"), trained_on)
    relabel = tmp_path / "labels.csv"
    relabel.write_text("path,label\ndog/0.png,cat\ncat/1.png,dog\n")
    found = find_known(photos, ("cat", "dog"), trained_on, relabel)
    assert found.complete
    assert {photo.path.name: photo.label for photo in found.held_out} == {
        "0.png": "cat",
        "1.png": "dog",
        "2.png": "cat",
        "3.png": "dog",
    }
    older = replace(trained_on, held_out_labels={})
    assert find_known(photos, ("cat", "dog"), older).complete  # it does not tell


def test_the_folder_that_names_a_class_is_the_one_of_the_training(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    trained_on = draw_two_classes(photos)
    (photos / "cat" / "dog").mkdir()
    (photos / "cat" / "0.png").rename(photos / "cat" / "dog" / "0.png")
    with pytest.raises(DataError, match=r"labels of 1 held-out photos differ .*--class-folder"):
        find_known(photos, ("cat", "dog"), trained_on)
    first = find_known(photos, ("cat", "dog"), trained_on, class_folder="first")
    assert {photo.path.name for photo in first.held_out if photo.label == "cat"} == {"0.png", "2.png"}


def test_a_photo_that_was_learned_as_one_class_and_held_out_as_another_judges_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    trained_on = draw_two_classes(photos)
    learned = replace(trained_on, learned=list_photos([(photos / "dog" / "1.png").read_bytes()]))
    shutil.copy(photos / "dog" / "1.png", photos / "cat" / "same.png")
    found = find_known(photos, ("cat", "dog"), learned)
    assert {photo.path.name for photo in found.held_out} == {"0.png", "2.png", "3.png"}
    assert not found.learned
    assert not found.complete
    assert capsys.readouterr().out == "skipped 2 photos that the training both learned from and held out\n"


@pytest.mark.parametrize("place", ["cat/again.png", "dog/again.png", "train/cat/again.png", "train/dog/again.png"])
def test_a_copy_of_a_held_out_photo_is_no_photo_more(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training passes over one on the side that it learns from, of whatever class; it stays in the folder."""
    trained_on = draw_two_classes(tmp_path / "valid")
    copy = tmp_path / (place if place.startswith("train") else f"valid/{place}")
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "valid" / "cat" / "0.png", copy)
    found = find_known(tmp_path, ("cat", "dog"), trained_on)
    assert found.complete
    assert sorted(photo.label for photo in found.held_out) == ["cat", "cat", "dog", "dog"]
    assert not place.startswith("train") or copy not in {photo.path for photo in found.held_out}
    assert capsys.readouterr().out == "further copies of held-out photos, which are not judged: 1\n"


def test_one_photo_in_two_classes_is_one_group_as_in_training(tmp_path: Path) -> None:
    draw_two_classes(tmp_path)
    shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "dog" / "same.png")
    photos = {photo.path.name: photo for photo in find_known(tmp_path, ("cat", "dog"), TRAINED_ON).new}
    assert photos["0.png"].group == photos["same.png"].group


@pytest.mark.parametrize("command", [verify, remeasure])
def test_both_commands_take_the_labels_of_the_training(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*given: object) -> None:
        raise DataError(f"asked for {given[3:]}")

    monkeypatch.setattr(command, "find_known", refuse)
    model = str(ROOT / "artifacts" / "mask.onnx")
    assert command.main([model, "--data", "photos", "--relabel", "a.csv", "--class-folder", "last"]) == 2
    assert capsys.readouterr().err.endswith(f"asked for {(Path('a.csv'), 'last')}\n")


def test_a_folder_of_outsiders_that_is_not_there_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any photo is read."""
    model = str(ROOT / "artifacts" / "mask.onnx")
    assert verify.main([model, "--data", "photos", "--outsiders", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("verify: there is no folder nowhere. --outsiders takes ")


def test_what_cannot_be_read_is_told_by_the_command_that_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photo-sizes", str(ROOT / "artifacts" / "mask.onnx"), "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("photo-sizes: nowhere: ")


def test_claims_are_not_written_again_for_photos_of_other_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where an older file does not list its photos by label, their numbers tell."""
    photo = LabelledPhoto(Path("1.jpg"), "with_mask", held_out=True)
    monkeypatch.setattr(remeasure, "find_known", lambda *_: KnownPhotos([], [photo], [], complete=True))
    assert remeasure.main([str(ROOT / "artifacts" / "mask.onnx"), "--data", "photos"]) == 2
    message = "remeasure: the labels of held-out photos in photos differ from the training's. Give its --relabel"
    assert capsys.readouterr().err.startswith(message)
