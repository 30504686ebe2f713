"""Neutral copies: same photos, sizes that say nothing."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.inference.decoding import read
from tests.support.datasets import CLASSES, draw_photo, draw_photos
from tests.support.paths import MASKS
from training.data.loading import load_photos
from training.data.photos import LabelledPhoto
from training.evaluation.size_shortcut import copy_at_size, copy_padded, draw_sizes, main, score_sizes


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
    assert main(["--data", str(telling), "--out", str(out)]) == 0
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


def test_every_photo_counts_alike_in_folds_of_unequal_size() -> None:
    random = np.random.default_rng(1)
    sizes, groups, coins = random.integers(90, 99, 103), random.integers(0, 12, 103), random.integers(0, 3, 103)
    photos = [
        LabelledPhoto(Path("1.jpg"), "cat" if size + coin > 95 else "dog", f"{group}", (int(size), 100))
        for size, group, coin in zip(sizes, groups, coins, strict=True)
    ]
    right = 103 * score_sizes(photos, 42)
    assert right == pytest.approx(round(right), abs=1e-9)
    assert 0 < right < 103


def test_the_seed_decides_the_sizes(telling: Path) -> None:
    photos = load_photos(telling, 42).photos
    assert draw_sizes(photos, 1) == draw_sizes(photos, 1) != draw_sizes(photos, 2)
    assert copy_at_size(photos[0], (50, 60)) == copy_at_size(photos[0], (50, 60))


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_a_padded_copy_is_the_photo_in_the_middle_of_its_blurred_self(telling: Path, factor: float) -> None:
    photo = load_photos(telling, 42).photos[0]
    image, copy = read(photo.path.read_bytes()), read(copy_padded(photo, factor))
    width, height = image.size
    assert copy.size == (round(width * factor), round(height * factor))
    left, top = (copy.width - width) // 2, (copy.height - height) // 2
    middle = copy.crop((left, top, left + width, top + height))
    assert np.abs(np.asarray(middle, int) - np.asarray(image, int)).mean() < 3  # compressed once more
    assert np.asarray(copy.crop((0, 0, left, copy.height))).std() < np.asarray(image).std()


def test_links_that_lead_to_each_other_are_told_of(
    telling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to Python 3.12 Path.resolve raises RuntimeError for them."""
    (tmp_path / "here").symlink_to(tmp_path / "there")
    (tmp_path / "there").symlink_to(tmp_path / "here")
    with pytest.raises(OSError, match=r"symbolic links"):  # whose line the command prints
        main(["--data", str(telling), "--out", str(tmp_path / "here" / "neutral")])


@pytest.mark.parametrize("place", ["neutral", "red/neutral", "../photos/neutral"])
def test_copies_beside_their_photos_are_refused(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They would be a class, or a collection, of the next training."""
    photos = draw_photos(tmp_path / "photos", classes=2, each=6, twins=0)
    before = sorted(photos.rglob("*"))
    assert main(["--data", str(photos), "--out", str(photos / place)]) == 2
    assert "the copies would be photos of it too. --out names another place." in capsys.readouterr().err
    assert sorted(photos.rglob("*")) == before


def test_a_folder_that_is_there_is_not_written_into(telling: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(telling), "--out", str(telling)]) == 2
    assert "is there already" in capsys.readouterr().err
    shutil.rmtree(telling)
    assert main(["--data", str(telling), "--out", str(telling)]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_is_not_whole_does_not_stay(
    telling: Path,
    tmp_path: Path,
    fault: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, copies = tmp_path / "copies", []

    def fail_late(photo: LabelledPhoto, size: tuple[int, int]) -> bytes:
        copies.append(photo)
        if len(copies) > 10:
            raise fault
        return copy_at_size(photo, size)

    with monkeypatch.context() as patched:
        patched.setattr("training.evaluation.size_shortcut.copy_at_size", fail_late)
        if isinstance(fault, OSError):
            with pytest.raises(OSError, match="No space"):  # whose line the command prints
                main(["--data", str(telling), "--out", str(out)])
        else:
            assert main(["--data", str(telling), "--out", str(out)]) == 130
            assert capsys.readouterr().err == f"neutral: stopped before the end. {out} is not there: start again.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    assert main(["--data", str(telling), "--out", str(out)]) == 0


def test_a_name_too_long_for_another_ending_gets_another_name(telling: Path, tmp_path: Path) -> None:
    photo = next(telling.rglob("*.png"))
    photo.rename(photo.with_name(f"{'n' * 251}.png"))
    assert main(["--data", str(telling), "--out", str(tmp_path / "copies")]) == 0
    assert len(list((tmp_path / "copies").rglob("*.jpg"))) == 60


def test_folders_with_two_readings_are_read_as_told(
    telling: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, label in enumerate(sorted(path.name for path in telling.iterdir())):
        (telling / label).rename(tmp_path / "moved")
        (telling / f"x{number}").mkdir()
        (tmp_path / "moved").rename(telling / f"x{number}" / label)
    assert main(["--data", str(telling), "--out", str(tmp_path / "copies")]) == 2
    assert "(--class-folder first)" in capsys.readouterr().err
    assert main(["--data", str(telling), "--out", str(tmp_path / "copies"), "--class-folder", "first"]) == 0
    rows = (tmp_path / "copies" / "groups.csv").read_text().splitlines()[1:]
    assert {row.split(",")[1] for row in rows} == {"x0", "x1"}


@pytest.mark.skipif(not MASKS.is_dir(), reason="the mask photos are not beside the repository")
def test_the_short_cut_of_the_mask_photos_is_measured() -> None:
    photos = load_photos(MASKS / "wild", 42).photos
    assert score_sizes(photos, 42) > 0.95
