"""A net and its report take the places of earlier ones together, or not at all."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.power_cut import PowerCutError
from training.data.photos import DataError
from training.draft import Draft, keep_others_out, write_draft
from training.runs import load_run

NAMES = ("metrics.json", "split.csv", "losses.png")


@pytest.fixture
def pickle(tmp_path: Path) -> Path:
    """An earlier net and its report, with a collection left out."""
    (tmp_path / "out-report" / "left-out").mkdir(parents=True)
    for name in (*NAMES, "left-out/web.json"):
        (tmp_path / "out-report" / name).write_text("earlier")
    (tmp_path / "out.pkl").write_text("earlier")
    return tmp_path / "out.pkl"


def fill(draft: Draft) -> None:
    draft.net.write_text("new")
    for name in ("metrics.json", "split.csv", "left-out/phone.json"):
        (draft.report / name).write_text("new")


def replace_run(pickle: Path, fill: Callable[[Draft], object] = fill) -> None:
    with write_draft(pickle) as draft:
        fill(draft)
        draft.take_places()


def read(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_the_new_files_come_together_and_no_picture_of_the_earlier_net_stays(pickle: Path) -> None:
    with write_draft(pickle) as draft:
        before = read(pickle.parent)
        fill(draft)
        assert {name: text for name, text in read(pickle.parent).items() if name in before} == before
        draft.take_places()
    assert read(pickle.parent) == {
        **dict.fromkeys(("out.pkl", *(f"out-report/{name}" for name in NAMES[:2])), "new"),
        "out-report/left-out/web.json": "earlier",
        "out-report/left-out/phone.json": "new",
    }


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_draft_that_is_not_finished_leaves_the_earlier_files(
    failure: type[BaseException] | OSError, pickle: Path
) -> None:
    def fail(draft: Draft) -> None:
        fill(draft)
        raise failure

    before = read(pickle.parent)
    with pytest.raises((KeyboardInterrupt, OSError)):
        replace_run(pickle, fail)
    assert read(pickle.parent) == before
    assert not list(pickle.parent.rglob("*.part"))


def test_what_a_killed_process_left_is_no_part_of_the_next_draft(pickle: Path) -> None:
    killed = Draft(pickle)
    killed.report.mkdir()
    (killed.report / "worst-mistakes.png").touch()
    with write_draft(pickle) as draft:
        assert list(read(draft.report)) == ["left-out/web.json"]


def test_ctrl_c_waits_until_all_are_in_place(pickle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def interrupt(self: Path, target: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_run(pickle)
    assert pickle.read_text() == (pickle.parent / "out-report" / "split.csv").read_text() == "new"


@pytest.mark.parametrize("moved", [1, 2])
def test_what_a_kill_leaves_between_two_files_is_refused(
    moved: int, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier report is of a version that named no net."""
    pickle, report, left = tmp_path / "toy.pkl", tmp_path / "toy-report", moved
    shutil.copytree(trained / "toy-report", report)
    shutil.copy(trained / "toy.pkl", pickle)
    figures = (report / "metrics.json").read_text()
    (report / "metrics.json").write_text(figures.replace('"net": "', '"of": "'))
    load_run(pickle, trained / "photos")

    def fill_with_another(draft: Draft) -> None:
        draft.net.write_bytes(pickle.read_bytes() + b"another")
        net = hashlib.sha256(draft.net.read_bytes()).hexdigest()
        (draft.report / "metrics.json").write_text(re.sub('"net": "[^"]+"', f'"net": "{net}"', figures))
        shutil.copy(report / "split.csv", draft.report)

    def replace_some(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise PowerCutError
        return replace(self, target)

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", replace_some)
    with pytest.raises(PowerCutError):
        replace_run(pickle, fill_with_another)
    with pytest.raises(DataError, match="belongs to another net"):
        load_run(pickle, trained / "photos")
    left = 3
    replace_run(pickle, fill_with_another)
    assert load_run(pickle, trained / "photos").facts.net


def test_one_process_at_a_time_writes_a_report(pickle: Path) -> None:
    report = pickle.parent / "out-report"
    before = read(pickle.parent)
    with keep_others_out(report):
        with (
            pytest.raises(DataError, match=r"another training or report is writing .*out-report. Wait for its end"),
            keep_others_out(report),
        ):
            pass
        with keep_others_out(report / "left-out"):
            pass
    with keep_others_out(report):
        assert read(pickle.parent) == before


def test_a_disk_without_locks_keeps_nobody_out(pickle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("training.draft.fcntl.flock", refuse)
    with keep_others_out(pickle.parent), keep_others_out(pickle.parent):
        pass
