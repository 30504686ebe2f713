"""What the names of folders say of the photos in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.inference.class_folders import FoldersError, Place, looks_like_part, place_files, read_folders
from bot.inference.names import clean_label


def read(*folders: str, class_folder: str = "auto") -> dict[str, Place]:
    places = read_folders([tuple(folder.split("/")) for folder in folders], class_folder)
    return {"/".join(parts): place for parts, place in places.items()}


def labels(places: dict[str, Place]) -> dict[str, str]:
    return {folder: place.label for folder, place in places.items()}


def test_a_folder_that_cannot_be_listed_is_in_no_class(tmp_path: Path) -> None:
    assert place_files(tmp_path, [tmp_path]) == {}  # as `find_photos` names it


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


def test_labels_are_text_that_can_be_shown_and_written() -> None:
    assert clean_label(os.fsdecode(b"caf\xe9")) == "café"
    assert clean_label("cafe\u0301") == "café"
    assert clean_label("a\x1b[31mb\u202ec\nd") == "a [31mbc d"
    for name in ("a & b", "<b>", "猫", "مرحبا", "cat.", "{x}", "$a$ %s", "👩\u200d🚀", "_"):
        assert clean_label(name) == name
