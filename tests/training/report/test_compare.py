"""`python -m training compare`, on reports written by hand."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bot.inference.contract import Unsure
from training.evaluation.calibration import Calibration
from training.evaluation.evaluate import FOLDS, HELD_OUT, CollectionScores, Evaluation, Scores
from training.evaluation.intervals import Share, make_share
from training.fitting.one_cycle.callbacks import Epoch
from training.report.compare import main
from training.runs import Metrics, RunFacts, SplitFacts, write_metrics

BASE = {"arch": "resnet18", "ema": 0.0, "seed": 42, "unseen": []}


def count(share: float) -> Share:
    return make_share(round(100 * share), 100)


def write_report(
    folder: Path,
    accuracy: float,
    recipe: dict[str, object] | None = None,
    held_out: str = "a",
    judged_by: str = HELD_OUT,
    interrupted: bool = False,
    collections: dict[str, float] | None = None,
) -> Path:
    folder.mkdir()

    def score(right: float) -> Scores:
        return Scores(count(right), {}, {}, count(0), count(0))

    metrics = Metrics(
        run=RunFacts(
            photos={"train": {"x": 2}, "valid": {"x": 1}},
            skipped=0,
            split=SplitFacts("perceptual hash", 0, 0, 1),
            recipe=BASE | (recipe or {}),
            interrupted=interrupted,
            history=[Epoch(224, 1.0, loss, accuracy) for loss in (0.9, 0.25)],
            seconds=90.0,
            versions={},
            data="photos",
        ),
        evaluation=Evaluation(
            judged_by=judged_by,
            scores=score(accuracy),
            neutral=score(accuracy - 0.01),
            padded={},
            size_only_accuracy=0.5,
            calibration=Calibration(1.0, 0.0, None, []),
            rejection=None,
            groups=[],
            worst_group=None,
            collections={name: CollectionScores(score(share), 0.0) for name, share in (collections or {}).items()},
        ),
        rule=Unsure(0.5),
        scores=None,
    )
    write_metrics(metrics, folder)
    rows = [f"x/{name}.jpg,x,,1,1,{'valid' if name == held_out else 'train'}" for name in "abc"]
    (folder / "split.csv").write_text("\n".join(["path,label,group,width,height,split", *rows]) + "\n")
    return folder


def read_table(text: str) -> list[dict[str, str]]:
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_a_row_per_recipe_with_mean_and_range_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = [
        write_report(tmp_path / "plain-report", 0.9),
        write_report(tmp_path / "plain-2-report", 0.92, {"seed": 43}),
        write_report(tmp_path / "averaged-report", 0.95, {"ema": 0.99}, collections={"wild": 0.5}),
    ]
    out = tmp_path / "table.md"
    assert main([*map(str, reports), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert out.read_text() == printed
    plain, averaged = read_table(printed)
    assert plain["run"] == "plain, plain-2"
    assert plain["seeds"] == "2"
    assert plain["accuracy"] == "91.00% (90.00% to 92.00%)"
    assert plain["neutral copies"] == "90.00% (89.00% to 91.00%)"
    assert plain["wild/"] == "-"
    assert averaged == {
        "run": "averaged",
        "seeds": "1",
        "ema": "0.99",  # the one field that differs
        "accuracy": "95.00%",
        "neutral copies": "94.00%",
        "wild/": "50.00%",
        "validation loss": "0.2500",
        "minutes": "1.5",
    }


def test_a_run_whose_name_is_no_utf_8_is_written_too(tmp_path: Path) -> None:
    report = write_report(tmp_path / os.fsdecode(b"caf\xe9-report"), 0.9)
    assert main([str(report), "--out", str(tmp_path / "table.md")]) == 0
    assert read_table((tmp_path / "table.md").read_text())[0]["run"] == r"caf\udce9"


def test_a_stopped_run_and_a_field_of_another_version_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_report(tmp_path / "one-report", 0.9, interrupted=True)
    two = write_report(tmp_path / "two-report", 0.9, {"augment": "strong"})
    assert main([str(one), str(two)]) == 0
    first, second = read_table(capsys.readouterr().out)
    assert first["run"] == "one (stopped)"
    assert (first["augment"], second["augment"]) == ("-", "strong")


def test_reports_on_different_photos_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (write_report(tmp_path / f"{name}-report", 0.9, held_out=name) for name in "ab")
    assert main([str(one), str(two)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("compare: a and b are not judged by the same photos: 2 judge one of them alone")
    assert "x/a.jpg" in error


def test_reports_on_different_photos_that_were_all_learned_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (write_report(tmp_path / f"{name}-report", 0.9, judged_by=FOLDS) for name in "ab")
    assert main([str(one), str(two)]) == 0
    (two / "split.csv").write_text((two / "split.csv").read_text().replace("x/c.jpg", "x/d.jpg"))
    capsys.readouterr()
    assert main([str(one), str(two)]) == 2
    assert "a and b are not judged by the same photos: 2 judge one of them alone" in capsys.readouterr().err


def test_a_link_that_is_written_to_stays_one(tmp_path: Path) -> None:
    """So does /dev/null, in whose place root would find a file."""
    link = tmp_path / "link.md"
    link.symlink_to(tmp_path / "table.md")
    assert main([str(write_report(tmp_path / "plain-report", 0.9)), "--out", str(link)]) == 0
    assert link.is_symlink()
    assert read_table((tmp_path / "table.md").read_text())[0]["run"] == "plain"


def test_a_full_disk_leaves_an_earlier_table_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, table = write_report(tmp_path / "plain-report", 0.9), tmp_path / "table.md"
    table.write_text("an earlier table")

    def fill(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(OSError, match="No space left"):  # whose line the command prints
        main([str(report), "--out", str(table)])
    assert table.read_text() == "an earlier table"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain-report", "table.md"]


def test_mended_labels_are_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (write_report(tmp_path / f"{name}-report", 0.9) for name in ("one", "two"))
    (two / "split.csv").write_text((two / "split.csv").read_text().replace("x/a.jpg,x", "x/a.jpg,y"))
    assert main([str(one), str(two)]) == 0
    assert "1 of the judged photos have another label in two than in one." in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "hello", "[]", "{}"])
def test_a_folder_that_is_no_report_is_named(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_report(tmp_path / "good-report", 0.9)
    bad = tmp_path / "bad-report"
    bad.mkdir()
    if content:
        (bad / "metrics.json").write_text(content)
        (bad / "split.csv").write_text((good / "split.csv").read_text())
    assert main([str(good), str(bad)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"compare: {bad} is no report")
    assert len(error.splitlines()) == 1
