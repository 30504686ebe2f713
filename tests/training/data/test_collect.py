"""Gathering outsiders from installed packages, with packages made up here."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.inference.photo_files import find_photos
from tests.support.datasets import draw_photo
from training.data import collect
from training.data.generated import GENERATORS
from training.data.outsiders import find_kinds

GROUNDS = [Image.new("RGB", (64, 64), (0, 0, 255))]


def save(file: Path, target: Path) -> Image.Image | None:
    saved = collect.save(file, target, GROUNDS, random.Random(1))
    assert saved == target.exists()
    return Image.open(target).convert("RGB") if saved else None


def test_pictures_are_made_smaller_and_the_smallest_left_out(tmp_path: Path) -> None:
    draw_photo((1, 1, 1), 1, (1600, 800)).save(tmp_path / "large.png")
    draw_photo((1, 1, 1), 1, (300, 95)).save(tmp_path / "small.png")
    (tmp_path / "no.png").write_text("hello")
    large = save(tmp_path / "large.png", tmp_path / "out" / "kind" / "1.jpg")
    assert large
    assert large.size == (640, 320)
    assert save(tmp_path / "small.png", tmp_path / "2.jpg") is None
    assert save(tmp_path / "no.png", tmp_path / "3.jpg") is None


def test_what_is_cut_out_is_put_on_a_ground(tmp_path: Path) -> None:
    stamp = np.zeros((128, 128, 4), np.uint8)
    stamp[32:96, 32:96] = 255, 0, 0, 255
    Image.fromarray(stamp).save(tmp_path / "stamp.png")
    picture = save(tmp_path / "stamp.png", tmp_path / "1.jpg")
    assert picture
    pixels = np.asarray(picture).astype(int)
    assert np.abs(pixels[64, 64] - (255, 0, 0)).max() < 12
    assert np.abs(pixels[4, 4] - (0, 0, 255)).max() < 12


def test_a_folder_per_kind_is_gathered_that_training_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/textures/one.jpg", "a/textures/two.jpg", "b/cups/cup.png", "c/faces/face.png", "c/moon.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        draw_photo((1, 1, 1), len(name), (120, 100)).save(tmp_path / name)
    sources = {"textures": (("a",), "/textures/"), "cups": (("b",), "/cups/")}
    monkeypatch.setattr(collect, "SOURCES", sources)
    monkeypatch.setattr(collect, "list_files", lambda package: find_photos(tmp_path / package))
    monkeypatch.setattr(collect, "SCIKIT_IMAGE", tmp_path / "c")
    monkeypatch.setattr(collect, "WITH_FACES", {"face"})
    out = tmp_path / "out"
    assert collect.main(["--out", str(out)]) == 0
    assert "textures: 2 pictures" in capsys.readouterr().out
    kinds = find_kinds(str(out))[len(GENERATORS) :]
    assert {kind.name: len(kind.files) for kind in kinds} == {"textures": 2, "cups": 1, "scikit-image": 1}

    assert collect.main(["--out", str(out)]) == 2
    assert capsys.readouterr().err == f"collect: {out} is there already. --out names a new folder.\n"


def test_a_run_that_is_stopped_leaves_no_folder_that_could_be_taken_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("p/rocks/1.png", "p/rocks/2.png", "p/rocks/3.png", "s/coin.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        draw_photo((1, 1, 1), len(name), (100, 110)).save(tmp_path / name)
    monkeypatch.setattr(collect, "SOURCES", {"textures": (("p",), "/rocks/")})
    monkeypatch.setattr(collect, "list_files", lambda package: find_photos(tmp_path / package))
    monkeypatch.setattr(collect, "SCIKIT_IMAGE", tmp_path / "s")
    out, write = tmp_path / "outsiders", collect.save
    written: list[Path] = []

    def press_ctrl_c_at_the_third(*arguments: Any) -> bool:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments[1])
        return write(*arguments)

    with monkeypatch.context() as stopped:
        stopped.setattr(collect, "save", press_ctrl_c_at_the_third)
        assert collect.main(["--out", str(out)]) == 130
    assert "start again" in capsys.readouterr().err
    assert len(written) == 2
    assert not out.exists()
    (written[0].parent / "of-a-kind-before.jpg").write_bytes(b"")
    assert collect.main(["--out", str(out)]) == 0
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.jpg"))
    assert names == ["scikit-image/000.jpg", "textures/000.jpg", "textures/001.jpg", "textures/002.jpg"]
    assert {path.name for path in tmp_path.iterdir()} == {"p", "s", "outsiders"}


def test_without_dpkg_it_says_what_else_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert collect.main(["--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("collect: dpkg is not installed")
    assert line.endswith("--outsiders DIR.")
    assert not (tmp_path / "out").exists()


def test_stamps_do_not_take_the_names_of_kinds_of_photos() -> None:
    stamps = {kind for kind, (_, pattern) in collect.SOURCES.items() if pattern.startswith(collect.STAMPS)}
    assert stamps >= {"stamps_food", "stamps_vehicles"}
    assert not stamps & {"food", "vehicles"}
    assert collect.SOURCES["stamps_vehicles"][1].endswith("/stamps/vehicles/")


def test_packages_that_are_not_installed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collect, "list_files", lambda package: [])
    assert collect.main(["--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("collect: install these packages first: gimp-help-en, gnome-backgrounds,")
    assert not (tmp_path / "out").exists()


def test_the_folder_of_example_pictures_is_there() -> None:
    names = {file.stem for file in find_photos(collect.SCIKIT_IMAGE)}
    assert names >= collect.WITH_FACES
    assert len(names - collect.WITH_FACES) > 5


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
def test_a_package_that_is_not_installed_has_no_files() -> None:
    assert collect.list_files("no-such-package-anywhere") == []
