"""Finding, grouping and splitting photos."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from string import ascii_letters

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.support.datasets import CLASSES, draw_photo, draw_photos
from tests.support.paths import MASKS
from tests.support.warm import run
from training.data.groups import compare_hashes, hash_photo
from training.data.loading import load_photos
from training.data.photos import DataError, LabelledPhoto, PhotoSet
from training.data.split import assign_folds, read_split, write_split
from training.evaluation.subgroups import UNKNOWN, read_columns


def load(folder: Path, seed: int = 42) -> PhotoSet:
    return load_photos(folder, seed)


def sides(photos: PhotoSet) -> dict[str, set[bool]]:
    """On which sides of the split the photos of each group are."""
    groups: dict[str, set[bool]] = {}
    for photo in photos.photos:
        groups.setdefault(photo.group, set()).add(photo.held_out)
    return groups


def write_groups(folder: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    with (folder / "groups.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("path", "label", "group"), *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos")


def test_near_duplicates_are_found_and_never_parted(folder: Path) -> None:
    photos = load(folder)
    assert photos.grouped_by == "perceptual hash"
    assert photos.near_duplicates == 2 * 5 * 3
    groups = {photo.path.relative_to(folder).as_posix(): photo.group for photo in photos.photos}
    for label in CLASSES:
        for index in range(5):
            assert groups[f"{label}/{index:02}.jpg"] == groups[f"{label}/{index:02}-twin.png"]
    assert all(len(side) == 1 for side in sides(photos).values())


def test_a_fifth_of_every_class_is_held_out_and_the_seed_decides_which(folder: Path) -> None:
    photos = load(folder)
    assert photos.labels == sorted(CLASSES)
    for label in CLASSES:
        held_out, trained_on = photos.count(True)[label], photos.count(False)[label]
        assert held_out + trained_on == 25
        assert 3 <= held_out <= 7
    assert load(folder) == photos
    assert load(folder, seed=1).photos != photos.photos


def test_what_a_naive_split_would_have_leaked_is_counted(folder: Path) -> None:
    """With every photo in the set twice, nearly every held-out photo has its twin in training."""
    for label in CLASSES:
        for file in list((folder / label).glob("*.jpg")):
            shutil.copy(file, file.with_name(f"copy-of-{file.name}"))
    photos = load(folder)
    assert photos.naive_held_out == len(photos.photos) // 5
    assert 0.6 < photos.naive_twins / photos.naive_held_out <= 1


def test_groups_csv_decides_where_there_is_one(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
    write_groups(folder, ((name, name.split("/")[0], name.split("/")[1][1]) for name in names))
    photos = load(folder)
    assert photos.grouped_by == "groups.csv"
    assert {photo.group for photo in photos.photos} == set("0123456789")


def test_tables_written_on_windows_are_read(folder: Path, tmp_path: Path) -> None:
    """Their paths have backslashes. A name with a backslash of its own keeps it."""
    (folder / "red" / "00.jpg").rename(folder / "red" / "0\\0.jpg")
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.*"))]
    rows = [
        (name if "\\" in name else name.replace("/", "\\"), name.split("/")[0], name.split("/")[1][1]) for name in names
    ]
    write_groups(folder, rows)
    photos = load(folder)
    assert photos.grouped_by == "groups.csv"
    assert read_columns(photos.photos, folder, ["group"])["group"] == [photo.group for photo in photos.photos]
    assert UNKNOWN not in read_columns(photos.photos, folder, ["group"])["group"]
    left = load_photos(folder, 42, left_out="group=3")
    assert {photo.group for photo in left.photos if photo.held_out} == {"3"}
    (tmp_path / "labels.csv").write_text("path,label\nblue\\01.jpg,green\n")
    corrected = load_photos(folder, 42, tmp_path / "labels.csv")
    assert [photo.label for photo in corrected.photos if photo.path == folder / "blue" / "01.jpg"] == ["green"]


def test_corrected_labels_leave_classes_that_can_be_trained_on(folder: Path, tmp_path: Path) -> None:
    reds = [f"red/{path.name}" for path in sorted((folder / "red").iterdir())]
    table = tmp_path / "labels.csv"

    def correct(*rows: str) -> PhotoSet:
        table.write_text("\n".join(["path,label", *rows]))
        return load_photos(folder, 42, table)

    assert correct(*(f"{path},blue" for path in reds)).labels == ["blue", "green"]
    with pytest.raises(DataError, match=r"fewer than 5 photos in class red \(1\)"):
        correct(*(f"{path},blue" for path in reds[1:]))
    greens = [f"green/{path.name}" for path in sorted((folder / "green").iterdir())]
    with pytest.raises(DataError, match="holds only the class blue; a classifier needs two classes"):
        correct(*(f"{path},blue" for path in [*reds, *greens]))
    with pytest.raises(DataError, match=f"has two lines for {reds[0]}, with the labels blue and green. Remove one"):
        correct(f"{reds[0]},blue", f"{reds[0]},green")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_table_in_another_encoding_is_refused_with_the_one_it_needs(folder: Path, encoding: str) -> None:
    (folder / "groups.csv").write_text("path,label,group\nred/00.jpg,red,1\n", encoding=encoding)
    with pytest.raises(DataError, match="needs the columns path, label, group, separated by commas, in UTF-8"):
        load(folder)


def test_a_groups_csv_that_does_not_fit_is_named(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.*"))]
    rows = [(name, name.split("/")[0], name) for name in names]
    write_groups(folder, rows[1:])
    with pytest.raises(DataError, match=f"no group for {names[0]}"):
        load(folder)
    write_groups(folder, [(names[0], "green", "1"), *rows[1:]])
    with pytest.raises(DataError, match="green, its folder says blue"):
        load(folder)
    (folder / "groups.csv").write_text("file,group\n")
    with pytest.raises(DataError, match="columns path, label, group, separated by commas"):
        load(folder)


def test_unreadable_and_loose_photos_are_listed_and_skipped(folder: Path) -> None:
    (folder / "red" / "note.jpg").write_text("hello")
    (folder / "red" / "half.jpg").write_bytes((folder / "red" / "00.jpg").read_bytes()[:500])
    (folder / ".thumbnails").mkdir()
    draw_photo((1, 1, 1), 1).save(folder / ".thumbnails" / "a.jpg")
    draw_photo((1, 1, 1), 1).save(folder / "loose.jpg")
    photos = load(folder)
    assert {skipped.path.name for skipped in photos.skipped} == {"note.jpg", "half.jpg", "loose.jpg"}
    assert len(photos.photos) == 3 * 25


def test_a_label_may_lie_in_several_folders(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos" / "first")
    draw_photos(tmp_path / "photos" / "second")
    assert load(tmp_path / "photos").labels == sorted(CLASSES)


def test_data_that_cannot_be_trained_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="holds no class folder with photos; a classifier needs two"):
        load(tmp_path / "nothing")
    with pytest.raises(DataError, match="holds only the class red; a classifier needs two"):
        load(draw_photos(tmp_path / "one", classes=1))
    empty = draw_photos(tmp_path / "empty")
    (empty / "yellow").mkdir()
    with pytest.raises(DataError, match="no photo can be read in class yellow"):
        load(empty)
    (empty / "yellow" / "text.jpg").write_text("hello")
    with pytest.raises(DataError, match="no photo can be read in class yellow"):
        load(empty)
    with pytest.raises(DataError, match=r"fewer than 5 photos in class blue \(4\), green \(4\), red \(4\)"):
        load(draw_photos(tmp_path / "few", each=4, twins=0))


def test_a_class_of_one_photo_over_and_over_cannot_be_split(folder: Path) -> None:
    shutil.rmtree(folder / "red")
    (folder / "red").mkdir()
    for index in range(20):
        draw_photo(CLASSES["red"], 1).save(folder / "red" / f"{index}.jpg")
    with pytest.raises(DataError, match="class red cannot be split"):
        load(folder)


def test_photos_are_grouped_through_a_chain() -> None:
    hashes = np.zeros((4, 5), np.uint64)
    hashes[:, 1:] = 2**64 - 1
    hashes[:, 0] = 0, 0xFF, 0xFFFF, 2**63 | 0xFFFFFFFF  # 8 bits from each to the next, then 17
    first, second, third, fourth = compare_hashes(hashes, ["cat"] * 4).groups
    assert first == second == third != fourth


def test_what_looks_alike_is_grouped_within_a_label_and_told_of_across() -> None:
    likeness = compare_hashes(np.zeros((4, 5), np.uint64), ["cat", "dog", "cat", "hen"])
    first, second, third, fourth = likeness.groups
    assert first == third
    assert len({first, second, fourth}) == 3
    assert [number for number, _ in likeness.across] == [0, 1, 2, 3]


def test_drawings_on_a_plain_ground_are_not_all_near_duplicates() -> None:
    """They set few bits of a difference hash: few bits differ, but most of those that are set."""
    font, hashes = ImageFont.load_default(60), []
    for letter in ascii_letters:
        picture = Image.new("RGB", (128, 128), "white")
        ImageDraw.Draw(picture).text((64, 64), letter, "black", font, anchor="mm")
        hashes.append(hash_photo(picture))
    coarse = np.array(hashes)
    coarse[:, 1:] = 0
    assert len(set(compare_hashes(coarse, [""] * len(coarse)).groups)) < 20  # the coarse hash alone is fooled
    assert len(set(compare_hashes(np.array(hashes), [""] * len(hashes)).groups)) > 35


def test_a_smaller_copy_of_a_photo_looks_like_it() -> None:
    photo = draw_photo((1, 0.5, 0.2), seed=4, size=(640, 480))
    smaller = photo.resize((90, 60))
    groups = compare_hashes(np.array([hash_photo(photo), hash_photo(smaller)]), ["cat", "cat"]).groups
    assert groups[0] == groups[1]


def test_folds_are_as_many_as_the_smallest_class_has_groups() -> None:
    """Each label is trained on in every fold, and near-duplicates are in one fold."""
    groups = {"cat": 9, "dog": 3, "hen": 2}
    for fewest in ("cat", "dog", "hen"):
        labels = [label for label, count in groups.items() if count >= groups[fewest]]
        photos = [
            LabelledPhoto(Path(f"{label}/{number}-{twin}.jpg"), label, f"{label}{number}")
            for label in labels
            for number in range(groups[label])
            for twin in range(2)
        ]
        folds = assign_folds(photos, seed=1)
        assert set(folds) == set(range(min(5, groups[fewest])))
        for group in {photo.group for photo in photos}:
            assert len({fold for fold, photo in zip(folds, photos, strict=True) if photo.group == group}) == 1
        for label in labels:
            assert len({fold for fold, photo in zip(folds, photos, strict=True) if photo.label == label}) > 1


def test_a_photo_knows_its_collection_and_the_split_file_remembers_it(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("first", "second"):
        draw_photos(folder / name)
    photos = load(folder)
    assert photos.collections == ["first", "second"]
    for photo in photos.photos:
        assert photo.collection == photo.path.relative_to(folder).parts[0]
    write_split(photos.photos, folder, tmp_path / "split.csv")
    assert tuple(read_split(folder, tmp_path / "split.csv")) == photos.photos
    assert load(folder / "first").collections == [""]


def test_a_split_is_read_back_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    photos = load(folder)
    write_split(photos.photos, folder, tmp_path / "split.csv")
    assert tuple(read_split(folder, tmp_path / "split.csv")) == photos.photos


@pytest.mark.parametrize(
    "arguments",
    [["--epochs", "0"], ["--start-epochs", "-1"], ["--lr", "-1"], ["--batch-size", "x"], ["--arch", "resnet1"]],
)
def test_wrong_usage_ends_with_status_2_before_any_training(arguments: list[str], folder: Path, tmp_path: Path) -> None:
    done = run("training", "--data", str(folder), "--out", str(tmp_path / "out"), "--weights", "none", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.pkl").exists()


def test_wrong_data_ends_the_command_with_one_line(tmp_path: Path) -> None:
    done = run("training", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"training: there is no folder {tmp_path / 'nowhere'}.")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not MASKS.is_dir(), reason="the mask photos are not beside the repository")
def test_the_hash_finds_the_mask_photos_known_near_duplicates() -> None:
    with (MASKS / "groups.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["path"].startswith("seed/")]
    known = {row["path"]: row["label"] + row["group"] for row in rows}
    photos = load(MASKS / "seed")
    found = {f"seed/{photo.path.relative_to(MASKS / 'seed').as_posix()}": photo.group for photo in photos.photos}
    pairs = [(a, b) for a in known for b in known if a < b and known[a] == known[b]]
    assert sum(found[a] == found[b] for a, b in pairs) / len(pairs) > 0.95


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a" * 101, "has 101 characters, at most 100"),
        ("a\\b", "has a slash or a backslash, which parts folders"),
        ("\u200b", "the name is empty"),
    ],
)
def test_a_name_that_the_exported_file_could_not_hold_is_refused_before_training(
    name: str, message: str, folder: Path
) -> None:
    (folder / "red").rename(folder / name)
    with pytest.raises(DataError, match=f"{re.escape(name)} cannot name a class: .*{message}.* Rename the folder"):
        load(folder)


def test_two_groups_of_one_photo_are_named(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.*"))]
    rows = [(name, name.split("/")[0], name) for name in names]
    write_groups(folder, [*rows, rows[0]])
    assert load(folder).grouped_by == "groups.csv"
    write_groups(folder, [*rows, (names[0], "blue", "other")])
    with pytest.raises(DataError, match=f"two lines for {names[0]}, with the groups {names[0]} and other"):
        load(folder)
