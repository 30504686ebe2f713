"""Which files of a folder are photos, and what reading one does that may be no photo at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.inference.decoding import PhotoError, Reason
from bot.inference.names import show_path
from bot.inference.photo_files import MAX_FILE_BYTES, find_photos, read_photo
from tests.support.photos import draw, encode


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(draw(size=(32, 32))))


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_photos(folder)]


def test_every_usual_ending_is_read_in_sorted_order(tmp_path: Path) -> None:
    write(tmp_path, "b/UPPER.JPG", "b/a.jfif", "a.jpe", "c.webp", "note.txt", "no-ending", "b/.jpg")
    assert names(tmp_path) == ["a.jpe", "b/UPPER.JPG", "b/a.jfif", "c.webp"]


def test_what_computers_put_beside_photos_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "cat/1.jpg", "cat/._1.jpg", "cat/.ipynb_checkpoints/1.jpg", "__MACOSX/cat/1.jpg")
    write(tmp_path, "cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_S.jpg", "#recycle/cat/1.jpg", "$Recycle.Bin/1.jpg")
    assert names(tmp_path) == ["cat/1.jpg"]


def test_a_folder_below_a_hidden_one_is_read_where_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / ".cache" / "photos", "1.jpg")
    assert names(tmp_path / ".cache" / "photos") == ["1.jpg"]


def test_linked_folders_are_followed_and_no_photo_is_found_twice(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write(photos, "cat/1.jpg", "cat/deep/2.jpg", "dog/3.jpg")
    write(tmp_path / "elsewhere", "hen/4.jpg", "hen/eggs/5.jpg")
    outside = tmp_path / "elsewhere" / "hen"
    links = {
        "cat/up": Path(".."),
        "cat/self": Path(),
        "cat/deep/far-up": Path("../../.."),
        "a-cat": Path("cat"),
        "hen": outside,
        "hens": outside,
        "eggs": outside / "eggs",
        "to-each-other": Path("each-other"),
        "each-other": Path("to-each-other"),
    }
    for name, target in links.items():
        (photos / name).symlink_to(target)
    (outside / "back").symlink_to(photos)
    assert sorted(name.rpartition("/")[2] for name in names(photos)) == [f"{number}.jpg" for number in range(1, 6)]
    assert {"cat/1.jpg", "cat/deep/2.jpg", "dog/3.jpg"} <= set(names(photos))
    (tmp_path / "link").symlink_to(photos)
    assert len(names(tmp_path / "link")) == 5


def test_folders_deeper_than_python_recurses(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg")
    before = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(sys.getrecursionlimit() + 100):  # step by step: no path may be so long at once on every system
            Path("d").mkdir()
            os.chdir("d")
        os.chdir(before)
        assert names(tmp_path) == ["1.jpg"]
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # pytest's own way recurses


def test_a_path_longer_than_the_system_takes_is_found_and_links_in_a_circle_are_no_folder(tmp_path: Path) -> None:
    write(tmp_path, "photo.webp")
    name, before = "step" * 50, Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(25):  # 5,000 characters; PATH_MAX is 4,096
            Path(name).mkdir()
            os.chdir(name)
    finally:
        os.chdir(before)
    photo, endless = find_photos(tmp_path)
    assert (photo.name, endless.name) == ("photo.webp", name)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OSError, match="symbolic links"):
        find_photos(tmp_path / "circle")


def test_what_never_ends_is_refused_and_not_read(tmp_path: Path) -> None:
    pipe, huge, empty = tmp_path / "pipe.jpg", tmp_path / "huge.jpg", tmp_path / "empty.jpg"
    os.mkfifo(pipe)
    with pytest.raises(PhotoError, match="not a regular file") as refusal:
        read_photo(pipe)
    assert refusal.value.reason is Reason.UNREADABLE
    with pytest.raises(PhotoError, match="not a regular file"):
        read_photo(Path("/dev/zero"))
    with huge.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(PhotoError, match="more than 200 MB") as refusal:
        read_photo(huge)
    assert refusal.value.reason is Reason.TOO_MANY_BYTES
    empty.touch()
    assert read_photo(empty) == b""
    with pytest.raises(OSError, match="No such file"):
        read_photo(tmp_path / "gone.jpg")


def test_names_that_could_garble_a_terminal_are_escaped() -> None:
    assert show_path(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
    assert show_path("a\x1b[31mb\nc\u202ed\x85e\u2028f") == r"a\x1b[31mb\nc\u202ed\x85e\u2028f"
    assert show_path(Path("with space/猫 é 🐱.jpg")) == "with space/猫 é 🐱.jpg"
