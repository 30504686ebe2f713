"""The report of a training run, made again by its own command, and its page."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.benchmark.statistics import wilson
from export.training_run import load as load_for_export
from training.data.photos import DataError
from training.data.split import read_split
from training.draft import keep_others_out
from training.evaluation.left_out.runs import LeftOutRun, PhotoLogits, make_run, read_runs, write_run
from training.options import parse, read_recipe
from training.recipe import Recipe, read_fields, write_command
from training.records import from_json
from training.report.command import main
from training.report.figures import find_left_out
from training.report.page import Suspect, make_page
from training.report.write import Written, write_page
from training.runs import Metrics, read_facts, read_metrics

HOSTILE = "<b>$a & \"b\" 'c'"


class Page(HTMLParser):
    """What of a page is an element, what is text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster")]

    def handle_data(self, data: str) -> None:
        self.text += data


def check_self_contained(html: str) -> Page:
    page = Page(html)
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    for outside in ("http://", "https://", "url(", "@import"):
        assert outside not in html
    return page


@pytest.fixture(scope="module")
def again(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report made again elsewhere: photos in two folders above the classes, and one label that is wrong."""
    folder = tmp_path_factory.mktemp("again")
    (folder / "toy-report").mkdir()
    shutil.copy(trained / "toy.pkl", folder)
    metrics = json.loads((trained / "toy-report" / "metrics.json").read_text())
    (folder / "toy-report" / "metrics.json").write_text(json.dumps({"run": metrics["run"] | {"seconds": 1234.5}}))
    with (trained / "toy-report" / "split.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    swapped = next(row for row in rows if row["label"] == "green" and row["split"] == "train")
    for number, row in enumerate(rows):
        before = trained / "photos" / row["path"]
        row["collection"] = "near" if number % 3 else "far"
        row["path"] = f"{row['collection']}/{row['path']}"
        (folder / "photos" / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(before, folder / "photos" / row["path"])
    swapped["label"] = "red"
    with (folder / "toy-report" / "split.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with (folder / "photos" / "groups.csv").open("w", newline="") as handle:
        lines = [
            (row["path"], row["label"], row["group"], "day" if number % 2 else "") for number, row in enumerate(rows)
        ]
        csv.writer(handle).writerows([("path", "label", "group", "light"), *lines])
    assert main([str(folder / "toy.pkl"), "--data", str(folder / "photos"), "--by", "light"]) == 0
    return folder


def test_what_cannot_be_measured_again_is_kept(again: Path, trained: Path) -> None:
    before, after = (json.loads((folder / "toy-report" / "metrics.json").read_text()) for folder in (trained, again))
    for key in ("photos", "skipped", "split", "recipe", "interrupted", "history", "versions"):
        assert after["run"][key] == before["run"][key], key
    assert after["run"]["seconds"] == 1234.5
    assert after["run"]["data"] == (again / "photos").as_posix()
    assert after["evaluation"]["scores"] == before["evaluation"]["scores"]


def test_figures_have_intervals_and_break_down(again: Path) -> None:
    metrics = read_metrics(again / "toy-report")
    evaluation = metrics.evaluation
    held_out = sum(metrics.run.photos["valid"].values())
    for scores in (evaluation.scores, evaluation.neutral, *(one.scores for one in evaluation.padded.values())):
        assert scores.right.interval == wilson(round(scores.right.share * held_out), held_out)
    for trait in ("photo size", "brightness", "collection", "light"):
        groups = [group for group in evaluation.groups if group.trait == trait]
        assert sum(group.right.photos for group in groups) == held_out
        right = sum(group.right.share * group.right.photos for group in groups)
        assert right / held_out == pytest.approx(evaluation.scores.right.share)
    assert {group.value for group in evaluation.groups if group.trait == "light"} == {"day", "unknown"}
    assert set(evaluation.collections) == {"far", "near"}
    assert sum(one.scores.right.photos for one in evaluation.collections.values()) == held_out
    assert evaluation.worst_group is None  # of 50 photos there is none
    assert sum(one.photos for one in evaluation.calibration.bins) == held_out
    assert set(evaluation.padded) == {"1.5", "2", "3"}
    assert not any("skin" in group.trait for group in evaluation.groups)


def test_suspects_are_few_and_of_photos_that_the_net_did_not_learn_from(again: Path) -> None:
    with (again / "toy-report" / "suspects.csv").open(newline="") as handle:
        suspects = list(csv.DictReader(handle))
    assert len(suspects) <= 1  # of some fifteen held-out photos
    for suspect in suspects:
        assert suspect["split"] == "valid"
        assert suspect["label"] != suspect["predicted"]
        assert suspect["path"] in Page((again / "toy-report" / "report.html").read_text()).text


def test_the_page_of_a_run_holds_all_its_pictures(again: Path) -> None:
    names = ["confusion-matrix", "explanations", "losses", "reliability", "worst-mistakes"]
    for name in names:
        with Image.open(again / "toy-report" / f"{name}.png") as picture:
            assert min(picture.size) > 300
    page = check_self_contained((again / "toy-report" / "report.html").read_text())
    assert len(page.sources) >= len(names)
    assert "training-photos.png is not there." in page.text  # it was not copied, and a loaded learner cannot draw it


def test_a_report_that_another_process_writes_is_left_to_it(again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with keep_others_out(again / "toy-report"):
        assert main([str(again / "toy.pkl")]) == 2
    assert capsys.readouterr().err.startswith("report: another training or report is writing ")


def test_a_column_that_is_not_there_ends_it_with_one_line(again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (again / "toy-report" / "report.html").read_bytes()
    assert main([str(again / "toy.pkl"), "--by", "night"]) == 2
    message = "report: groups.csv has no column night. --by takes one of label, group, light.\n"
    assert capsys.readouterr().err == message
    assert (again / "toy-report" / "report.html").read_bytes() == before


def test_photos_that_are_gone_end_it_with_one_line(
    again: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(again / "toy.pkl"), "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("report: 75 photos of the training run are not there, the first is ")
    assert len(error.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("name", ["losses.png", "report.html"])
def test_a_full_disk_leaves_what_the_net_is_exported_with(
    name: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = shutil.copytree(trained / "toy-report", tmp_path / "toy-report")
    (tmp_path / "toy.pkl").symlink_to(trained / "toy.pkl")
    before = {file: (report / file).read_bytes() for file in (name, "metrics.json", "split.csv")}
    (report / f"{name}.part").symlink_to("/dev/full")
    assert main([str(tmp_path / "toy.pkl")]) == 2
    assert capsys.readouterr().err == f"report: {report / name}: No space left on device\n"
    assert {file: (report / file).read_bytes() for file in before} == before
    assert not list(report.glob("*.part"))
    load_for_export(tmp_path / "toy.pkl", None)


def test_a_run_without_its_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.pkl").write_bytes(b"")
    assert main([str(tmp_path / "toy.pkl")]) == 2
    assert capsys.readouterr().err.startswith(f"report: {tmp_path / 'toy-report' / 'metrics.json'} is not there.")


def test_what_users_named_is_text_on_the_page(again: Path) -> None:
    text = (again / "toy-report" / "metrics.json").read_text()
    hostile = json.dumps(HOSTILE)[1:-1]
    metrics = json.loads(text.replace('"red"', f'"{hostile}"').replace('"day"', f'"{hostile}"'))
    evaluation, share = metrics["evaluation"], {"photos": 10, "share": 0.8, "interval": [0.49, 0.9433]}
    evaluation["groups"][0]["trait"] = metrics["run"]["recipe"]["arch"] = HOSTILE
    evaluation["worst_group"] = evaluation["groups"][-1]
    evaluation["rejection"] = {"pictures": share, "kinds": {HOSTILE: share}}
    metrics["scores"] = {
        "scores": {HOSTILE: {"auroc": 0.9, "rejected": 0.8}},
        "chosen": HOSTILE,
        "share_of_photos": 0.02,
    }
    picture = (again / "toy-report" / "losses.png").read_bytes()
    suspect = Suspect(f"{HOSTILE}/1.jpg", HOSTILE, HOSTILE, 0.9, "train", picture)
    page = check_self_contained(make_page(HOSTILE, from_json(Metrics, metrics), {"losses.png": picture}, [suspect]))
    plain = make_page("toy", read_metrics(again / "toy-report"), {}, [])
    assert page.tags.count("b") == Page(plain).tags.count("b")  # the marks of the bars, and none from a name
    assert page.text.count(HOSTILE) >= 12


def test_names_that_are_no_utf8_stop_no_report(trained: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    metrics = read_metrics(trained / "toy-report")
    facts = replace(metrics.run, data=f"/photos/{name}")
    suspect = Suspect(f"cat/{name}.jpg", "cat", "dog", 0.9, "train")
    write_page(Written(metrics, [suspect], None), facts, tmp_path)
    assert read_metrics(tmp_path).run == read_facts(tmp_path) == facts
    assert r"cat/caf\udce9.jpg" in (tmp_path / "report.html").read_text()
    run = LeftOutRun(name, ["cat", "dog"], {}, [PhotoLogits(f"cat/{name}.jpg", "cat", [1.0, 0.0])], {})
    write_run(run, tmp_path)
    assert read_runs(tmp_path) == [run]


def test_a_left_out_collection_leads(again: Path) -> None:
    """Two nets' logits for a collection that each never saw: the worse one is what the page says first."""
    report, labels = again / "toy-report", ["blue", "green", "red"]
    photos = read_split(again / "photos", report / "split.csv")
    for name, wrong in (("near", 0), ("far", 4)):
        mine = [photo for photo in photos if photo.collection == name]
        rows = {photo.path: [4.0 * (photo.label == label) for label in labels] + [-4.0] for photo in mine}
        for photo in mine[:wrong]:
            rows[photo.path] = rows[photo.path][1:3] + rows[photo.path][:1] + [-4.0]

        run = make_run(name, mine, np.array([rows[photo.path] for photo in mine], np.float32), again / "photos", labels)
        write_run(replace(run, pictures={"noise": [[0, 0, 0, 4.0]] * 3}), report)
    left_out = find_left_out(report, photos, again / "photos", labels)
    assert left_out
    assert left_out.worst == "far"
    far = left_out.collections["far"]
    assert far.scores.right.share == 1 - 4 / far.scores.right.photos
    assert far.rejection
    assert far.rejection.pictures.share == 1
    assert left_out.collections["near"].scores.right.share == 1
    page = Page(make_page("toy", read_metrics(report), {}, [], left_out))
    assert page.text.index("On a collection left out") < page.text.index("On neutral copies")
    assert "the worst, far" in page.text


def test_a_left_out_net_of_other_classes_is_refused_and_not_taken_over(
    again: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, pickle = tmp_path / "other-report", again / "toy.pkl"
    write_run(LeftOutRun("wild", ["cat", "dog"], {}, [PhotoLogits("cat/1.jpg", "cat", [1.0, 0.0])], {}), other)
    before = list_files(again / "toy-report")
    assert main([str(pickle), "--data", str(again / "photos"), "--left-out", str(other)]) == 2
    message = f"{other / 'left-out' / 'wild.json'} is of a net with other classes: it lacks blue, green, red; it adds"
    assert capsys.readouterr().err.startswith(f"report: {message} cat, dog. Remove the file, or")
    assert list_files(again / "toy-report") == before
    shutil.copytree(again / "toy-report", tmp_path / "toy-report")
    shutil.copytree(other / "left-out", tmp_path / "toy-report" / "left-out", dirs_exist_ok=True)
    (tmp_path / "toy.pkl").symlink_to(pickle)
    assert main([str(tmp_path / "toy.pkl"), "--data", str(again / "photos")]) == 2
    assert "wild.json is of a net with other classes" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"wild.json is of a net with other classes"):
        load_for_export(tmp_path / "toy.pkl", again / "photos")


def list_files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "recipe",
    [
        {"arch": "resnet18", "epochs": 9, "unseen": ["text", "food"], "teacher": None, "ema": 0.99},  # an old one
        asdict(Recipe(size=224)),  # the default of a computer with a GPU
        asdict(Recipe(lr=0.002, soup=2, keep="mean", outsiders="my things", weights="a file.pth")),
    ],
)
def test_the_command_makes_the_recipe_again(recipe: dict[str, Any]) -> None:
    command = write_command(
        "my pets", recipe, "my photos", leave_out="a b", relabel="labels of mine.csv", class_folder="first"
    )
    assert command.startswith("python -m training ")
    options = parse(shlex.split(command)[3:])
    assert read_recipe(options) == read_fields(recipe)
    assert (options.data, options.out, options.relabel) == tuple(
        map(Path, ("my photos", "artifacts/my pets", "labels of mine.csv"))
    )
    assert (options.leave_out, options.class_folder) == ("a b", "first")
