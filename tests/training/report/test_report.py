"""The report of a training run, made again by its own command, and its page."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.support.warm import run
from training.evaluation.subgroups import wilson
from training.recipe import write_command
from training.report.__main__ import main
from training.report.page import Suspect, make_page

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
    old = {key: value for key, value in metrics.items() if key not in ("calibration", "groups", "worst_group")}
    (folder / "toy-report" / "metrics.json").write_text(json.dumps(old | {"seconds": 1234.5, "accuracy": 0}))
    with (trained / "toy-report" / "split.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    swapped = next(row for row in rows if row["label"] == "green" and row["split"] == "train")
    for number, row in enumerate(rows):
        before = trained / "photos" / row["path"]
        row["path"] = f"{'near' if number % 3 else 'far'}/{row['path']}"
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
    done = run("training", "report", str(folder / "toy.pkl"), *("--data", str(folder / "photos"), "--by", "light"))
    assert done.returncode == 0, done.stderr
    (folder / "swapped").write_text(swapped["path"])
    return folder


def test_what_cannot_be_measured_again_is_kept(again: Path, trained: Path) -> None:
    before, after = (json.loads((folder / "toy-report" / "metrics.json").read_text()) for folder in (trained, again))
    for key in ("photos", "skipped", "split", "recipe", "interrupted", "history", "versions", "accuracy", "neutral"):
        assert after[key] == before[key] or key == "neutral", key
    assert after["seconds"] == 1234.5
    assert after["data"] == (again / "photos").as_posix()


def test_figures_have_intervals_and_break_down(again: Path) -> None:
    metrics = json.loads((again / "toy-report" / "metrics.json").read_text())
    held_out = sum(metrics["photos"]["valid"].values())
    for scored in (metrics, metrics["neutral"]):
        assert scored["interval"] == list(wilson(round(scored["accuracy"] * held_out), held_out))
    for trait in ("photo size", "brightness", "folder", "light"):
        groups = [group for group in metrics["groups"] if group["trait"] == trait]
        assert sum(group["photos"] for group in groups) == held_out
        right = sum(group["accuracy"] * group["photos"] for group in groups)
        assert right / held_out == pytest.approx(metrics["accuracy"])
    assert {group["value"] for group in metrics["groups"] if group["trait"] == "light"} == {"day", "unknown"}
    assert set(metrics["by_folder"]) == {"far", "near"}
    assert sum(one["photos"] for one in metrics["by_folder"].values()) == held_out
    assert metrics["worst_group"] is None  # of 50 photos there is none
    assert sum(one["photos"] for one in metrics["calibration"]["bins"]) == held_out
    assert not any("skin" in group["trait"] for group in metrics["groups"])


def test_a_wrong_label_is_a_suspect(again: Path) -> None:
    with (again / "toy-report" / "suspects.csv").open(newline="") as handle:
        suspects = {row["path"]: row for row in csv.DictReader(handle)}
    swapped = suspects[(again / "swapped").read_text()]
    assert (swapped["label"], swapped["predicted"], swapped["split"]) == ("red", "green", "train")
    assert 0.5 <= float(swapped["probability"]) <= 1
    assert swapped["path"] in Page((again / "toy-report" / "report.html").read_text()).text


def test_the_page_of_a_run_holds_all_its_pictures(again: Path) -> None:
    names = ["confusion-matrix", "explanations", "losses", "reliability", "worst-mistakes"]
    for name in names:
        with Image.open(again / "toy-report" / f"{name}.png") as picture:
            assert min(picture.size) > 300
    page = check_self_contained((again / "toy-report" / "report.html").read_text())
    assert len(page.sources) >= len(names) + 1  # and the suspect
    assert "training-photos.png is not there." in page.text  # it was not copied, and a loaded learner cannot draw it


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


def test_a_run_without_its_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.pkl").write_bytes(b"")
    assert main([str(tmp_path / "toy.pkl")]) == 2
    assert capsys.readouterr().err.startswith(f"report: {tmp_path / 'toy-report' / 'metrics.json'} is not there.")


def test_what_users_named_is_text_on_the_page(again: Path) -> None:
    text = (again / "toy-report" / "metrics.json").read_text()
    hostile = json.dumps(HOSTILE)[1:-1]
    metrics = json.loads(text.replace('"red"', f'"{hostile}"').replace('"day"', f'"{hostile}"'))
    metrics["groups"][0]["trait"] = metrics["recipe"]["arch"] = HOSTILE
    metrics["worst_group"] = metrics["groups"][-1] | {"gap": 1.0}
    metrics["rejection"] = {
        "methods": {HOSTILE: {"auroc": 0.9, "rejected": 0.8}},
        "kinds": {HOSTILE: {"pictures": 10, "rejected": 0.8}},
        "share_of_photos": 0.02,
        "chosen": HOSTILE,
    }
    picture = (again / "toy-report" / "losses.png").read_bytes()
    suspect = Suspect(f"{HOSTILE}/1.jpg", HOSTILE, HOSTILE, 0.9, "train", picture)
    page = check_self_contained(make_page(HOSTILE, metrics, {"losses.png": picture}, [suspect]))
    plain = make_page("toy", json.loads(text), {}, [])
    assert page.tags.count("b") == Page(plain).tags.count("b")  # the marks of the bars, and none from a name
    assert page.text.count(HOSTILE) >= 12


def test_the_command_holds_what_differs_from_the_defaults() -> None:
    recipe = {"arch": "resnet18", "epochs": 9, "unseen": ["text", "food"], "teacher": None, "ema": 0.99}
    command = write_command("my pets", recipe, "my photos")
    options = ["--epochs", "9", "--unseen", "text,food", "--ema", "0.99"]
    paths = ["--data", "my photos", "--out", "artifacts/my pets"]
    assert shlex.split(command) == ["python", "-m", "training", *paths, *options]
