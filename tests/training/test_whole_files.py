"""Files that are written whole or not at all: a full disk, and two files that differ in their endings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.data.photos import LabelledPhoto, Skipped
from training.data.split import read_split, write_skipped, write_split
from training.evaluation.left_out.runs import LeftOutRun, PhotoLogits, write_run
from training.whole_files import replace_together, replace_whole

RUN = LeftOutRun("web", ["cat", "dog"], {}, [PhotoLogits("web/cat/1.jpg", "cat", [1.0, 0.0])], {})
PHOTOS = [LabelledPhoto(Path("photos/web/cat/1.jpg"), "cat", "g1", (120, 90), held_out=True, collection="web")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("split.csv", lambda folder: write_split(PHOTOS, Path("photos"), folder / "split.csv")),
        ("skipped.csv", lambda folder: write_skipped([Skipped(Path("a"), "b")], Path(), folder / "skipped.csv")),
        ("left-out/web.json", lambda folder: write_run(RUN, folder)),
    ],
)
def test_a_full_disk_leaves_the_earlier_file_and_names_it(
    name: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("the earlier one")
    file.with_name(f"{file.name}.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as refusal:
        write(tmp_path)
    assert refusal.value.filename == str(file)
    assert [path.read_text() for path in file.parent.iterdir()] == ["the earlier one"]
    write(tmp_path)
    assert file.read_text() != "the earlier one"


def test_files_that_differ_in_their_endings_alone_are_written_at_once(tmp_path: Path) -> None:
    """The net's pickle, and its ONNX file: one command may end while the other writes."""
    with replace_whole(tmp_path / "pets.pkl") as pickle, replace_whole(tmp_path / "pets.onnx") as onnx:
        pickle.write_text("pickle")
        onnx.write_text("onnx")
    assert (tmp_path / "pets.pkl").read_text() == "pickle"
    assert (tmp_path / "pets.onnx").read_text() == "onnx"


def test_a_folder_with_the_name_of_one_file_leaves_all_as_they_were(tmp_path: Path) -> None:
    places = {tmp_path / f"{name}.part": tmp_path / name for name in ("toy.onnx", "toy.md")}
    for part, file in places.items():
        part.write_text("new")
        file.write_text("earlier")
    (tmp_path / "toy.md").unlink()
    (tmp_path / "toy.md").mkdir()
    with pytest.raises(IsADirectoryError, match=r"a folder has this name. Rename or remove it") as refusal:
        replace_together(places)
    assert refusal.value.filename == str(tmp_path / "toy.md")
    assert (tmp_path / "toy.onnx").read_text() == "earlier"


def test_a_split_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_split(PHOTOS, Path("photos"), tmp_path / "split.csv")
    assert read_split(Path("photos"), tmp_path / "split.csv") == PHOTOS
