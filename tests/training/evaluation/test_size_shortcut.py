"""Neutral copies: same photos, sizes that say nothing."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.support.datasets import CLASSES, draw_photo
from tests.support.paths import MASKS
from tests.support.warm import run
from training.data.loading import load_photos
from training.evaluation.size_shortcut import copy_held_out, draw_sizes, score_sizes


@pytest.fixture
def telling(tmp_path: Path) -> Path:
    """Two classes that width and height tell apart."""
    for number, (label, color) in enumerate(list(CLASSES.items())[:2]):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for index in range(30):
            size = (100 + index, 200) if number else (200, 100 + index)
            draw_photo(color, seed=100 * number + index, size=size).save(tmp_path / "photos" / label / f"{index}.png")
    return tmp_path / "photos"


def test_the_copies_are_all_photos_in_sizes_that_tell_nothing(telling: Path, tmp_path: Path) -> None:
    out = tmp_path / "copies"
    done = run("training", "neutral", "--data", str(telling), "--out", str(out))
    assert done.returncode == 0, done.stderr
    before, after = (load_photos(folder, 42).photos for folder in (telling, out))
    assert [photo.path.relative_to(telling).as_posix() + ".jpg" for photo in before] == [
        photo.path.relative_to(out).as_posix() for photo in after
    ]
    assert sorted(photo.size for photo in before) == sorted(photo.size for photo in after)
    assert score_sizes(before, 42) > 0.95
    assert score_sizes(after, 42) < 0.75
    with (out / "groups.csv").open(newline="") as handle:
        assert [row["group"] for row in csv.DictReader(handle)] == [photo.group for photo in before]
    for photo in after:
        with Image.open(photo.path) as copy:
            assert copy.format == "JPEG"


def test_the_seed_decides_the_sizes(telling: Path) -> None:
    photos = load_photos(telling, 42).photos
    assert draw_sizes(photos, 1) == draw_sizes(photos, 1) != draw_sizes(photos, 2)
    copies = copy_held_out(photos, 1)
    assert len(copies) == sum(photo.held_out for photo in photos)
    assert copies == copy_held_out(photos, 1)


def test_a_folder_that_is_there_is_not_written_into(telling: Path) -> None:
    done = run("training", "neutral", "--data", str(telling), "--out", str(telling))
    assert done.returncode == 2
    assert "is there already" in done.stderr
    shutil.rmtree(telling)
    done = run("training", "neutral", "--data", str(telling), "--out", str(telling))
    assert done.returncode == 2
    assert "there is no folder" in done.stderr


@pytest.mark.skipif(not MASKS.is_dir(), reason="the mask photos are not beside the repository")
def test_the_short_cut_of_the_mask_photos_is_measured() -> None:
    photos = load_photos(MASKS / "wild", 42).photos
    assert score_sizes(photos, 42) > 0.95
