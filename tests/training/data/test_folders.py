"""What folders as people have them say of the photos in them."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.inference.class_folders import FoldersError, Place, looks_like_part, read_folders
from bot.inference.names import clean_label
from tests.support.datasets import draw_photo
from training.data.loading import load_photos
from training.data.photos import DataError, PhotoSet
from training.data.split import read_split, write_split


def read(*folders: str, class_folder: str = "auto") -> dict[str, Place]:
    places = read_folders([tuple(folder.split("/")) for folder in folders], class_folder)
    return {"/".join(parts): place for parts, place in places.items()}


def labels(places: dict[str, Place]) -> dict[str, str]:
    return {folder: place.label for folder, place in places.items()}


def test_a_folder_per_class() -> None:
    assert labels(read("cat", "dog")) == {"cat": "cat", "dog": "dog"}
    assert labels(read("0", "1", "2024")) == {"0": "0", "1": "1", "2024": "2024"}  # at this depth nothing is a date


def test_folders_one_level_too_high_are_read_too() -> None:
    assert set(labels(read("data/images/cat", "data/images/dog")).values()) == {"cat", "dog"}
    assert set(labels(read("mnist/0", "mnist/1", "mnist/7")).values()) == {"0", "1", "7"}
    assert labels(read("cat/images", "dog/images")) == {"cat/images": "cat", "dog/images": "dog"}


@pytest.mark.parametrize(
    "name", ["2024", "2024-05", "2024-05-01", "20240501", "2024_May", "may 2024", "01.05.2024", "part1", "batch_02",
             "100APPLE", "101_PANA", "Camera 2", "fold3"]
)  # fmt: skip
def test_dates_and_parts_belong_to_the_class_above(name: str) -> None:
    assert looks_like_part(name)
    places = read(f"cat/{name}", "cat/2023", "dog", f"dog/{name}")
    assert {place.label for place in places.values()} == {"cat", "dog"}
    assert {place.collection for place in places.values()} == {""}


@pytest.mark.parametrize("name", ["terrier", "3d-print", "20", "cat", "1984 novel", "sunday", "partridge", "marchand"])
def test_other_names_are_no_dates(name: str) -> None:
    assert not looks_like_part(name)


def test_numbers_are_parts_below_a_date_and_beside_a_class_without_any() -> None:
    assert set(labels(read("cat/2024/05", "cat/2024/06", "dog/2024/05")).values()) == {"cat", "dog"}
    assert set(labels(read("cat/1", "cat/2", "dog")).values()) == {"cat", "dog"}


def test_collections_hold_the_same_classes() -> None:
    places = read("seed/cat", "seed/dog", "wild/far/cat", "wild/far/dog")
    assert places["seed/cat"] == Place("cat", "seed")
    assert places["wild/far/dog"] == Place("dog", "wild/far")


@pytest.mark.parametrize(
    "folders",
    [
        ("train/cat", "train/dog", "valid/cat", "valid/dog"),
        ("Train/cat", "Train/dog", "VAL/cat", "VAL/dog"),
        ("set/train/cat", "set/train/dog", "set/valid/cat", "set/valid/dog"),
        ("cat/train", "cat/valid", "dog/train", "dog/valid"),
        ("train/cat/2024", "train/dog", "valid/cat", "valid/dog/part 1"),
    ],
)
def test_train_and_valid_are_the_split(folders: tuple[str, ...]) -> None:
    for folder, place in read(*folders).items():
        assert place.side == ("train" if "train" in folder.lower() else "valid")
        assert place.label == ("cat" if "cat" in folder else "dog")
        assert place.collection == ""


def test_collections_may_each_have_the_split() -> None:
    places = read(
        *(f"{name}/{side}/{label}" for name in "ab" for side in ("train", "test") for label in ("cat", "dog"))
    )
    assert places["a/test/dog"] == Place("dog", "a", "test")


def test_classes_may_be_called_like_a_side() -> None:
    assert labels(read("train", "bus")) == {"train": "train", "bus": "bus"}
    assert labels(read("valid", "invalid")) == {"valid": "valid", "invalid": "invalid"}
    with pytest.raises(FoldersError, match="photos lie right in train and valid, which looks like a side of a split"):
        read("train", "valid")


@pytest.mark.parametrize(
    ("folders", "first", "last"),
    [
        (("pets/cat", "pets/dog", "cars/bus"), "cars, pets", "bus, cat, dog"),
        (("cat", "cat/close", "dog"), "cat, dog", "cat, close, dog"),
        (("a/0", "a/1", "b/0", "b/1"), "a, b", "0, 1"),
        (("seed/cat", "seed/dog", "wild/cat"), "seed, wild", "cat, dog"),
    ],
)
def test_two_readings_are_shown_and_an_option_decides(folders: tuple[str, ...], first: str, last: str) -> None:
    with pytest.raises(FoldersError) as refusal:
        read(*folders)
    assert f"is the class: {first} (--class-folder first)" in str(refusal.value)
    assert f"is the class: {last} (--class-folder last)" in str(refusal.value)
    for choice, names in (("first", first), ("last", last)):
        assert sorted(set(labels(read(*folders, class_folder=choice)).values())) == names.split(", ")


def test_photos_in_folders_with_two_readings_are_refused(tmp_path: Path) -> None:
    for folder in ("cat", "cat/close", "dog"):
        (tmp_path / folder).mkdir()
        draw_photo((1, 0.8, 0.6), 1).save(tmp_path / folder / "1.jpg")
    with pytest.raises(DataError, match="the folders have two readings"):
        load_photos(tmp_path, 42)


def test_labels_are_text_that_can_be_shown_and_written() -> None:
    assert clean_label(os.fsdecode(b"caf\xe9")) == "café"
    assert clean_label("cafe\u0301") == "café"
    assert clean_label("a\x1b[31mb\u202ec\nd") == "a [31mbc d"
    for name in ("a & b", "<b>", "猫", "مرحبا", "cat.", "{x}", "$a$ %s", "👩\u200d🚀", "_"):
        assert clean_label(name) == name


def draw(folder: Path, *names: str, each: int = 6) -> Path:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(each):
            draw_photo((1, 0.8, 0.6), seed=1000 * number + index).save(folder / name / f"{index}.jpg")
    return folder


def load(folder: Path, left_out: str | None = None) -> PhotoSet:
    return load_photos(folder, 42, left_out=left_out)


def count(photos: PhotoSet) -> dict[tuple[str, bool], int]:
    return dict(Counter((photo.label, photo.held_out) for photo in photos.photos))


def test_the_folders_split_holds_valid_out_and_leaves_test_alone(tmp_path: Path) -> None:
    draw(tmp_path, "train/cat", "train/dog", "valid/cat", "valid/dog", "test/cat", "test/dog", "test")
    shutil.copy(tmp_path / "valid" / "cat" / "0.jpg", tmp_path / "train" / "cat" / "again.jpg")
    photos = load(tmp_path)
    assert count(photos) == {("cat", False): 6, ("cat", True): 6, ("dog", False): 6, ("dog", True): 6}
    assert photos.split_by == "folders"
    assert [(skipped.path.name, skipped.why) for skipped in photos.skipped] == [
        ("again.jpg", "a near-duplicate of it is held out")
    ]
    assert any("18 photos in test/ are neither trained on nor held out" in note for note in photos.notes)
    shutil.rmtree(tmp_path / "valid")
    assert count(load(tmp_path))["cat", True] == 6  # without valid/, test/ is what is held out
    shutil.rmtree(tmp_path / "test" / "cat")
    with pytest.raises(DataError, match="the folder valid holds no photo of class cat"):
        load(tmp_path)
    shutil.rmtree(tmp_path / "test" / "dog")
    assert load(tmp_path).split_by == "groups"  # what is left in test/ is of no class


def test_a_collection_is_left_out(tmp_path: Path) -> None:
    draw(tmp_path, *(f"{collection}/{label}" for collection in ("near", "far") for label in ("cat", "dog")))
    for choice in ("far", "far/", str(tmp_path / "far")):
        photos = load(tmp_path, choice)
        assert {photo.collection for photo in photos.photos if photo.held_out} == {"far"}
        assert {photo.collection for photo in photos.photos if not photo.held_out} == {"near"}
    with pytest.raises(DataError, match=r"--leave-out there names no photos\. It takes a folder, such as far, near"):
        load(tmp_path, "there")
    with pytest.raises(DataError, match=r"groups\.csv cannot be read"):
        load(tmp_path, "camera=old")
    write_groups(tmp_path, lambda path: f"{path},{path.split('/')[1]},{path},{'old' if '0.jpg' in path else 'new'}")
    photos = load(tmp_path, "camera=old")
    assert {photo.path.name for photo in photos.photos if photo.held_out} == {"0.jpg"}
    with pytest.raises(DataError, match="needs the columns path, lens"):
        load(tmp_path, "lens=wide")


def write_groups(folder: Path, row: Callable[[str], str]) -> None:
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.jpg"))]
    (folder / "groups.csv").write_text("\n".join(["path,label,group,camera", *map(row, paths)]) + "\n")


def test_a_class_left_out_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--leave-out cat leaves no photo of cat to train on"):
        load(draw(tmp_path, "cat", "dog"), "cat")


def test_names_of_any_bytes_are_read_and_written_back(tmp_path: Path) -> None:
    photos_folder = draw(tmp_path / "photos", "cat", "dog", os.fsdecode(b"caf\xe9"))
    first = photos_folder / "cat" / "0.jpg"
    first.rename(first.with_name(os.fsdecode(b"caf\xe9 \x1b\n.jpg")))
    photos = load(photos_folder)
    assert photos.labels == ["café", "cat", "dog"]
    assert r"the folder caf\xe9 is class café" in photos.notes
    write_split(photos.photos, photos_folder, tmp_path / "split.csv")
    assert tuple(read_split(photos_folder, tmp_path / "split.csv")) == photos.photos


def test_what_a_person_should_know_is_told(tmp_path: Path) -> None:
    draw(tmp_path, "cat", each=66)
    draw(tmp_path, "dog", each=6)
    shutil.copy(tmp_path / "cat" / "9.jpg", tmp_path / "dog" / "stray.jpg")
    (tmp_path / "cat" / "Thumbs.db").touch()
    (tmp_path / "cat" / "clip.mp4").touch()
    shutil.rmtree(tmp_path / "dog")
    draw(tmp_path, "other", "dog")
    shutil.rmtree(tmp_path / "other")
    shutil.copy(tmp_path / "cat" / "9.jpg", tmp_path / "dog" / "stray.jpg")
    notes = " ".join(load(tmp_path).notes)
    assert "fewer than 20 photos in class dog (7)" in notes
    assert "2 photos look like one of another class, such as cat/9.jpg and dog/stray.jpg" in notes
    assert "other files, not read: .db (1), .mp4 (1)" in notes
    paths = [*tmp_path.glob("*/*.jpg")]
    rows = [f"{path.relative_to(tmp_path).as_posix()},{path.parent.name},{path.name}" for path in paths]
    (tmp_path / "groups.csv").write_text("\n".join(["path,label,group", *rows]))
    (tmp_path / "labels.csv").write_text("path,label\n")
    assert ".csv" not in " ".join(load_photos(tmp_path, 42, tmp_path / "labels.csv").notes)
    (tmp_path / "groups.csv").unlink()
    (tmp_path / "labels.csv").unlink()
    assert "more than 10 to 1" not in notes
    shutil.rmtree(tmp_path / "dog")
    draw(tmp_path, "other", "dog", each=6)
    shutil.rmtree(tmp_path / "other")
    assert "class cat has 66 photos and dog 6, more than 10 to 1" in " ".join(load(tmp_path).notes)


def test_classes_whose_names_look_the_same_are_told_of(tmp_path: Path) -> None:
    draw(tmp_path, "dog", "Dog", "DOG", "\ufb01sh", "fish", "Straße", "STRASSE", "cow")
    (tmp_path / "probe").mkdir()
    if (tmp_path / "PROBE").exists():
        pytest.skip("this file system takes both names for one")
    (tmp_path / "probe").rmdir()
    photos = load(tmp_path)
    assert len(photos.labels) == 8
    for names in ("DOG and Dog and dog are 3 classes", "fish and \ufb01sh are 2 classes", "STRASSE and Straße are 2"):
        assert sum(names in note for note in photos.notes) == 1
    assert not any("cow" in note for note in photos.notes if "capitals" in note)


def test_two_forms_of_a_letter_are_one_class_and_told_of(tmp_path: Path) -> None:
    photos = load(draw(tmp_path, "caf\u00e9", "cafe\u0301", "dog"))
    assert photos.labels == ["caf\u00e9", "dog"]
    assert any("cafe\u0301" in note or "e\\u0301" in note for note in photos.notes)


def test_a_class_called_like_the_outsiders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the class \(outsider\) has the name that is kept for pictures"):
        load(draw(tmp_path, "(outsider)", "cat"))


def test_a_class_without_photos_is_named_wherever_it_lies(tmp_path: Path) -> None:
    draw(tmp_path, "seed/cat", "seed/dog", "wild/cat", "wild/dog", "wild/dog/2024")
    (tmp_path / "wild" / "dog" / "2023").mkdir()
    load(tmp_path)
    (tmp_path / "wild" / "hen").mkdir()
    with pytest.raises(DataError, match="no photo can be read in class hen"):
        load(tmp_path)


def test_pipes_and_endless_files_are_skipped_at_once(tmp_path: Path) -> None:
    draw(tmp_path, "cat", "dog")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    with (tmp_path / "cat" / "huge.jpg").open("wb") as file:
        file.truncate(50_000_000_000)
    (tmp_path / "cat" / "broken.jpg").symlink_to("gone.jpg")
    (tmp_path / "cat" / "folder.jpg").mkdir()
    skipped = {photo.path.name: photo.why for photo in load(tmp_path).skipped}
    assert set(skipped) == {"pipe.jpg", "huge.jpg", "broken.jpg"}
