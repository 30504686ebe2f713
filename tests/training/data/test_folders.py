"""What folders as people have them say of the photos in them."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.datasets import draw_photo
from training.data.groups import join_copies
from training.data.loading import load_photos
from training.data.photos import DataError, PhotoSet, Skipped
from training.data.split import read_split, write_split


def test_photos_in_folders_with_two_readings_are_refused(tmp_path: Path) -> None:
    for folder in ("cat", "cat/close", "dog"):
        (tmp_path / folder).mkdir()
        draw_photo((1, 0.8, 0.6), 1).save(tmp_path / folder / "1.jpg")
    with pytest.raises(DataError, match="the folders have two readings"):
        load_photos(tmp_path, 42)


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


def test_collections_are_of_the_same_classes_only_where_that_is_so(tmp_path: Path) -> None:
    draw(tmp_path, "web/cat", "web/dog", "phone/cat", "phone/dog")
    assert "the photos come from 2 collections of the same classes: phone, web" in load(tmp_path).notes
    draw(tmp_path, "phone/cow")
    assert "the photos come from 2 collections: phone, web" in load_photos(tmp_path, 42, class_folder="last").notes


def test_a_collection_is_left_out(tmp_path: Path) -> None:
    draw(tmp_path, *(f"{collection}/{label}" for collection in ("near", "far") for label in ("cat", "dog")))
    for choice in ("far", "far/", str(tmp_path / "far")):
        photos = load(tmp_path, choice)
        assert {photo.collection for photo in photos.photos if photo.held_out} == {"far"}
        assert {photo.collection for photo in photos.photos if not photo.held_out} == {"near"}
    with pytest.raises(DataError, match=r"--leave-out there names no photos\. It takes a folder, such as far, near"):
        load(tmp_path, "there")
    for choice in ("camera=old", "=old"):
        with pytest.raises(DataError, match=rf"--leave-out {choice} names no photos\. .* COLUMN=VALUE of groups\.csv"):
            load(tmp_path, choice)
    write_groups(tmp_path, lambda path: f"{path},{path.split('/')[1]},{path},{'old' if '0.jpg' in path else 'new'}")
    photos = load(tmp_path, "camera=old")
    assert {photo.path.name for photo in photos.photos if photo.held_out} == {"0.jpg"}
    with pytest.raises(DataError, match="needs the columns path, lens"):
        load(tmp_path, "lens=wide")
    with pytest.raises(DataError, match="--leave-out =old names no photos"):
        load(tmp_path, "=old")


def test_one_photo_in_two_classes_is_on_one_side_alone(tmp_path: Path) -> None:
    """A held-out copy of it would be judged by a net that learned it as the other class."""
    draw(tmp_path, *(f"{side}/{label}" for side in ("train", "valid") for label in ("cat", "dog")))
    shutil.copy(tmp_path / "train" / "cat" / "3.jpg", tmp_path / "valid" / "dog" / "same.jpg")
    photos = load(tmp_path)
    gone = tmp_path / "train" / "cat" / "3.jpg"
    assert Skipped(gone, "a near-duplicate of it is held out") in photos.skipped
    assert gone not in {photo.path for photo in photos.photos}
    assert tmp_path / "valid" / "dog" / "same.jpg" in {photo.path for photo in photos.photos if photo.held_out}


def test_copies_join_the_groups_that_they_are_in() -> None:
    assert join_copies(["a", "b", "c", "a", "d"], [b"1", b"2", b"1", b"3", b"2"]) == ["a", "b", "a", "a", "b"]
    assert join_copies(["a", "b", "c", "d"], [b"1", b"2", b"1", b"2"]) == ["a", "b", "a", "b"]
    assert set(join_copies(["a", "b", "b", "c", "c"], [b"1", b"1", b"2", b"2", b"3"])) == {"a"}


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
    assert "2 photos look like one of another class, such as cat/9.jpg and dog/stray.jpg. Is" in notes  # told once
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


def test_a_groups_csv_that_is_no_file_is_told_of(tmp_path: Path) -> None:
    draw(tmp_path, "cat", "dog")
    table = tmp_path / "groups.csv"
    os.mkfifo(table)
    for _ in range(2):
        with pytest.raises(DataError, match=r"groups.csv is no file: it is a pipe, a folder or a link to nowhere"):
            load(tmp_path)
        table.unlink()
        table.symlink_to("groups.csv")
    table.unlink()
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
