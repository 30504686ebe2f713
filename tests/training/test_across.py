"""`python -m training across`: one training without each collection, the real command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.datasets import CLASSES, draw_photo, draw_photos
from tests.support.warm import Command, run
from training.across import is_done, main
from training.command import main as train
from training.evaluation.left_out.runs import LeftOutRun, PhotoLogits, name_file, write_run
from training.options import parse

SHORT = ("--arch", "efficientnet_lite0", "--outsiders", "none", "--epochs", "1", "--size", "48", "--batch-size", "8")


def draw_collections(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        draw_photos(folder / "photos" / name, classes=2, each=6, twins=0, seed=100 * seed)
    return folder / "photos"


def test_each_collection_is_judged_by_a_net_that_never_saw_it(tmp_path: Path) -> None:
    photos = draw_collections(tmp_path, "near", "far")
    done = run("training", "across", "--data", str(photos), "--out", str(tmp_path / "toy"), *SHORT)
    assert done.returncode == 0, done.stderr
    for collection in ("near", "far"):
        figures = json.loads((tmp_path / "toy-report" / "left-out" / f"{collection}.json").read_text())
        assert {photo["path"].partition("/")[0] for photo in figures["photos"]} == {collection}
        assert (tmp_path / f"toy-without-{collection}.pkl").is_file()
    assert "training 2 of 2, without near" in done.stdout
    assert "far                       12" in done.stdout

    (tmp_path / "toy-report" / "left-out" / "near.json").unlink()  # as if it had been stopped before
    trained = (tmp_path / "toy-without-far.pkl").stat().st_mtime_ns
    relabel = tmp_path / "labels.csv"
    relabel.write_text("path,label\nfar/red/00.jpg,green\n")
    training = ["--data", str(photos), "--out", str(tmp_path / "toy-without-far"), *SHORT, "--leave-out", "far"]
    assert is_done(tmp_path / "toy-report", "far", training)
    assert not is_done(tmp_path / "toy-report", "far", [*training, "--relabel", str(relabel)])
    for collection in ("near", "far"):  # on neither side is there a photo more
        new = photos / collection / "red" / "new.jpg"
        draw_photo(CLASSES["red"], 777).save(new)
        assert not is_done(tmp_path / "toy-report", "far", training)
        new.unlink()
    again = run("training", "across", "--data", str(photos), "--out", str(tmp_path / "toy"), *SHORT, "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("it was trained before by this recipe") == 1
    assert (tmp_path / "toy-without-far.pkl").stat().st_mtime_ns == trained
    assert (tmp_path / "toy-report" / "left-out" / "near.json").is_file()


def test_ctrl_c_stops_all_of_it_and_resume_goes_on(tmp_path: Path) -> None:
    photos = draw_collections(tmp_path, "phone photos", "été")
    options = (*SHORT, "--epochs", "500")
    process = Command("training", "across", "--data", str(photos), "--out", str(tmp_path / "v1.2"), *options)
    done = process.interrupt_at("epoch 1 of 500")
    assert done.returncode == 130
    assert "across: stopped. The same command with --resume goes on." in done.stderr
    assert "training 2 of 2" not in done.stdout
    assert (tmp_path / "v1.2-without-phone photos.pkl").is_file()
    process = Command(
        "training", "across", "--data", str(photos), "--out", str(tmp_path / "v1.2"), *options, "--resume"
    )
    process.read_until("training all layers, 500 epochs")
    at = process.read_until("epoch ")
    process.read_until(" of 500", after=at)
    process.kill()
    assert "epoch 1 of 500" not in process.wait().stdout


def test_every_collection_has_a_file_of_its_own() -> None:
    names = ["a/b", "a-b", "a%2Fb", "a%b", "é è", "v1.2", 200 * "a", 300 * "a", 301 * "a", 150 * "é", 151 * "é"]
    files = {name_file(name) for name in names}
    assert len(files) == len(names)
    assert not any("/" in file for file in files)
    assert all(len(file.encode()) <= 200 for file in files)
    assert name_file(200 * "a") == 200 * "a"


def test_a_collection_named_like_an_option_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one in a folder of data that is named so."""
    photos = draw_collections(tmp_path, "-phone", "--resume").rename(tmp_path / "-photos")
    left_out = []

    def note(arguments: list[str]) -> int:
        options = parse(arguments)
        left_out.append((options.data, options.leave_out, options.resume))
        return 7

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.command.main", note)
    assert main(["--data=-photos", "--out", "toy", *SHORT]) == 7
    assert left_out == [(Path(photos.name), "--resume", False)]


def test_figures_of_a_collection_that_is_gone_are_told_of_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_collections(tmp_path, "near", "far")
    report = tmp_path / "toy-report"
    for name in ("red/00.jpg", "old/red/00.jpg"):
        left_out = "light=day" if name.startswith("red") else "old"
        path = f"near/{name}" if left_out != "old" else name
        write_run(LeftOutRun(left_out, ["green", "red"], {}, [PhotoLogits(path, "red", [1.0, 0.0])], {}), report)
    assert main(["--data", str(photos), "--out", str(tmp_path / "toy"), *SHORT]) == 2
    output = capsys.readouterr()
    assert output.err == (
        f"across: {report}/left-out/old.json has figures of old, which is not in {photos} any more. Remove that file.\n"
    )
    assert "training 1 of" not in output.out


@pytest.mark.parametrize(
    ("folders", "options", "message"),
    [
        (("web/cat", "web/dog", "cat", "dog"), (), "cat, dog lie in .*, beside collections. Move these class folders"),
        (
            ("web/cat", "web/dog", "phone/cat", "phone/dog", "phone/fox"),
            ("--class-folder", "last"),
            "phone alone holds photos of fox. Without it they cannot be learned",
        ),
        (("web/cat", "web/dog", "phone/cat", "phone/dog", "phone/fox"), (), "the folders have two readings"),
    ],
)
def test_folders_of_which_one_cannot_be_left_out_are_told_of_before_any_training(
    folders: tuple[str, ...],
    options: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for folder in folders:
        (tmp_path / "photos" / folder).mkdir(parents=True)
        (tmp_path / "photos" / folder / "1.jpg").touch()
    assert main(["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "toy"), *options]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "toy-report").exists()


def test_figures_of_other_classes_are_told_of_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_collections(tmp_path, "near", "far")
    run = LeftOutRun("wild", ["cat", "dog"], {}, [PhotoLogits("cat/1.jpg", "cat", [1.0, 0.0])], {})
    write_run(run, tmp_path / "toy-report")
    for command, name in ((main, "across"), (train, "training")):
        assert command(["--data", str(photos), "--out", str(tmp_path / "toy"), *SHORT]) == 2
        output = capsys.readouterr()
        assert output.err.splitlines()[-1].startswith(f"{name}: {tmp_path}/toy-report/left-out/wild.json is of a net")
        assert "training 1 of" not in output.out
    assert not list(tmp_path.glob("*.pkl"))


def test_what_is_left_out_is_no_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path), "--out", "toy", "--leave-out", "web"])
    assert "each collection is left out in turn" in capsys.readouterr().err


def test_a_collection_whose_photos_are_all_in_the_others_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for collection in ("near", "far"):
        draw_photos(tmp_path / "photos" / collection, classes=2, each=6, twins=0)
    assert main(["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "toy")]) == 2
    assert "has no photos to train on: all are near-duplicates of held-out ones" in capsys.readouterr().err


def test_nets_are_not_put_among_the_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_collections(tmp_path, "near", "far")
    assert main(["--data", str(photos), "--out", str(photos / "near" / "toy")]) == 2
    assert capsys.readouterr().err.startswith(f"across: --out {photos}/near/toy lies in --data {photos}: the next")


def test_one_collection_is_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_photos(tmp_path / "photos", classes=2, each=6, twins=0)
    assert main(["--data", str(photos), "--out", str(tmp_path / "toy")]) == 2
    assert "holds one collection. Two folders with the same classes in each are needed" in capsys.readouterr().err


def test_a_reading_of_folders_that_there_is_none_of_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path), "--out", "toy", "--class-folder", "middle"])
    assert "invalid choice: 'middle'" in capsys.readouterr().err
