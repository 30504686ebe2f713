"""Traits of photos, and figures broken down by them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.benchmark.statistics import wilson
from training.data.photos import DataError, LabelledPhoto
from training.evaluation.subgroups import (
    BRIGHTNESS,
    COLLECTION,
    FACE_SCALE,
    SIZE,
    SKIN_TONE,
    UNKNOWN,
    Breakdown,
    Group,
    break_down,
    find_traits,
    find_worst,
    name_skin_tone,
    read_columns,
)
from training.records import from_json, to_json

Color = tuple[int, int, int]
BLUE: Color = (40, 60, 200)


def paint(color: Color, ground: Color = BLUE, share: float = 1.0) -> Image.Image:
    """A square of one colour in the middle of 200 x 200 pixels, of a share of their width and height."""
    image, side = Image.new("RGB", (200, 200), ground), round(200 * share)
    image.paste(color, ((200 - side) // 2, (200 - side) // 2, (200 + side) // 2, (200 + side) // 2))
    return image


def save(folder: Path, name: str, image: Image.Image) -> LabelledPhoto:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return LabelledPhoto(
        path, path.parent.name, size=image.size, collection=name.split("/")[-3] if name.count("/") > 1 else ""
    )


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_newcombe_1998(right: int, of: int, low: float, high: float) -> None:
    """Table I of "Two-sided confidence intervals for the single proportion", method 3."""
    assert wilson(right, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("color", "tone"),
    [
        ((244, 208, 177), "very light"),  # L* 85.8, b* 20.1: 60.7 degrees
        ((230, 188, 150), "light"),  # L* 79.0, b* 24.9: 49.4
        ((205, 155, 120), "intermediate"),
        ((180, 125, 85), "tan"),  # L* 57.1, b* 30.3: 13.2
        ((141, 85, 54), "brown"),  # L* 41.9, b* 27.7: -16.3
        ((60, 40, 30), "dark"),  # L* 18.2, b* 10.3: -72.0
    ],
)
def test_skin_of_a_known_colour_gets_its_tone(color: Color, tone: str) -> None:
    assert name_skin_tone(np.asarray(paint(color))) == tone
    assert name_skin_tone(np.asarray(paint(color, share=0.2))) == tone  # a sixth of the centre


def test_no_skin_in_the_middle_is_no_tone() -> None:
    assert name_skin_tone(np.asarray(paint(BLUE))) == UNKNOWN
    assert name_skin_tone(np.asarray(paint(BLUE, ground=(180, 125, 85), share=0.6))) == UNKNOWN
    assert name_skin_tone(np.asarray(paint((180, 125, 85), share=0.05))) == UNKNOWN


def test_traits_are_read_off_the_photos(tmp_path: Path) -> None:
    skin = (205, 155, 120)
    photos = [
        save(tmp_path, "far/cat/1.png", paint(skin, ground=(0, 0, 30), share=0.4)),
        save(tmp_path, "near/dog/2.png", paint((250, 250, 250)).resize((600, 700))),
        save(tmp_path, "near/dog/3.png", paint(skin).resize((127, 300))),
    ]
    traits = find_traits(photos, tmp_path)
    assert traits == {
        SIZE: ["128 to 255 px", "512 px and more", "under 128 px"],
        BRIGHTNESS: ["dark", "bright", "medium"],
        COLLECTION: ["far", "near", "near"],
    }
    faces = find_traits(photos, tmp_path, Breakdown(faces=True))
    assert faces[SKIN_TONE] == ["intermediate", UNKNOWN, "intermediate"]
    assert faces[FACE_SCALE] == ["medium: 10 to 30 % skin", UNKNOWN, "large: 30 % skin and more"]


def test_class_folders_side_by_side_are_no_trait(tmp_path: Path) -> None:
    photos = [save(tmp_path, f"{label}/1.png", paint(BLUE)) for label in ("cat", "dog")]
    assert COLLECTION not in find_traits(photos, tmp_path)


def test_columns_are_read_by_path_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    photos = [LabelledPhoto(tmp_path / name, "cat") for name in ("cat/1.jpg", "cat/2.jpg", "cat/3.jpg")]
    with pytest.raises(DataError, match=r"there is no .*groups\.csv with the column light"):
        read_columns(photos, tmp_path, ["light"])
    with (tmp_path / "groups.csv").open("w", newline="") as handle:
        rows = [("path", "label", "group", "light"), ("cat/2.jpg", "cat", "a", "day"), ("cat/1.jpg", "cat", "b", "")]
        csv.writer(handle).writerows(rows)
    assert read_columns(photos, tmp_path, ["light", "group"]) == {
        "light": [UNKNOWN, "day", UNKNOWN],
        "group": ["b", "a", UNKNOWN],
    }
    for known_photos in (photos, []):
        with pytest.raises(DataError, match=r"no column night\. --by takes one of label, group, light"):
            read_columns(known_photos, tmp_path, ["night"])


def test_figures_are_those_of_each_group() -> None:
    right = np.array([True, True, False, True, False, False])
    targets = np.array([0, 1, 0, 0, 1, 1])
    values = ["dark", "dark", "dark", "bright", "bright", "bright"]
    dark, bright = break_down(right, targets, ["cat", "dog"], {BRIGHTNESS: values})
    assert (dark.value, dark.right.photos) == ("dark", 3)
    assert dark.right.share == pytest.approx(2 / 3)
    assert dark.right.interval == wilson(2, 3)
    assert {label: (found.photos, found.share) for label, found in dark.recall.items()} == {
        "cat": (2, 0.5),
        "dog": (1, 1.0),
    }
    assert (bright.recall["dog"].photos, bright.recall["dog"].share) == (2, 0.0)
    assert from_json(Group, json.loads(json.dumps(to_json(bright)))) == bright


def test_faces_of_groups_csv_are_broken_down_unasked(tmp_path: Path) -> None:
    photos = [save(tmp_path, f"cat/{number}.png", paint(BLUE)) for number in range(4)]
    with (tmp_path / "groups.csv").open("w", newline="") as handle:
        faces = zip(("1", "2", "7", ""), ("0.1", "0.15", "0.5", ""), strict=True)
        rows = [(f"cat/{number}.png", "cat", "a", *both) for number, both in enumerate(faces)]
        csv.writer(handle).writerows([("path", "label", "group", "faces", "face_height"), *rows])
    traits = find_traits(photos, tmp_path)
    assert traits["faces"] == ["1", "2", "3 and more", UNKNOWN]
    assert traits["face_height"] == ["under 0.15", "0.15 to 0.3", "0.5 and more", UNKNOWN]


def test_bins_keep_their_order_and_columns_are_sorted() -> None:
    traits = {SIZE: ["512 px and more", "under 128 px", "256 to 511 px"], "light": ["night", "day", "dusk"]}
    groups = break_down(np.ones(3, bool), np.zeros(3, np.int64), ["cat"], traits)
    sizes = ["under 128 px", "256 to 511 px", "512 px and more"]
    assert [group.value for group in groups] == [*sizes, "day", "dusk", "night"]


def test_a_group_too_small_is_never_the_worst() -> None:
    values = ["few"] * 49 + ["many"] * 60 + ["most"] * 91
    right = np.array([False] * 49 + [True] * 54 + [False] * 6 + [True] * 91)
    groups = break_down(right, np.zeros(200, np.int64), ["cat"], {"light": values})
    worst = find_worst(groups)
    assert worst
    assert (worst.value, worst.right.photos, worst.right.share) == ("many", 60, 0.9)
    assert find_worst(groups[:1]) is None


def test_a_groups_csv_in_latin_1_is_read(tmp_path: Path) -> None:
    photos = [save(tmp_path, "cat/1.png", paint(BLUE))]
    (tmp_path / "groups.csv").write_bytes("path,faces,größe\ncat/1.png,2,groß\n".encode("latin-1"))
    assert find_traits(photos, tmp_path)["faces"] == ["2"]
    assert read_columns(photos, tmp_path, ["größe"]) == {"größe": ["groß"]}
    with pytest.raises(DataError, match="no column night"):
        read_columns([], tmp_path, ["night"])
