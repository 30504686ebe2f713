"""`python -m bot benchmark`, the real command. What it measures is checked for sense, never for speed."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot import whole_files
from bot.benchmark.engines import PixelClassifier, Tensor
from bot.benchmark.machine import read_processor
from bot.benchmark.measure import measure_throughput
from bot.benchmark.statistics import quantiles, ratio, student, wilson
from bot.whole_files import write_whole
from tests.support.bot_process import BOT_PYTHON, RunBot, environment
from tests.support.models import write_color_model
from tests.support.paths import ROOT
from tests.support.photos import draw, encode

SHIPPED = ROOT / "artifacts" / "mask.onnx"
SHORT = ("benchmark", "--rounds", "2", "--photos", "3")
STAGES = ["decode", "preprocess", "forward", "total"]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short run on the shipped model left: `out.json`, `out.html`, `out.txt`."""
    folder = tmp_path_factory.mktemp("benchmark")
    files = ("--json", str(folder / "out.json"), "--html", str(folder / "out.html"))
    done = subprocess.run(
        [BOT_PYTHON, "-m", "bot", *SHORT, "--model", str(SHIPPED), "--threads", "1,2", *files],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "out.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def results(shipped: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shipped / "out.json").read_text())
    return found


def test_each_number_of_threads_is_a_row_with_every_figure(results: dict[str, Any]) -> None:
    assert [(row["engine"], row["model"], row["threads"]) for row in results["rows"]] == [
        ("onnxruntime", "mask.onnx", 1),
        ("onnxruntime", "mask.onnx", 2),
    ]
    for row in results["rows"]:
        assert row["file_bytes"] == SHIPPED.stat().st_size
        assert 0 < row["load_seconds"] < row["start_seconds"]
        assert row["file_bytes"] < row["ready_bytes"] <= row["peak_bytes"]
        assert row["first_photo_seconds"] > 0
        assert row["forward_per_second"] > 0
        assert row["accuracy"] is None
        assert len(row["samples"]) == 2
        for workload in row["workloads"].values():
            assert list(workload["seconds"]) == STAGES
            for found in workload["seconds"].values():
                assert 0 < found["p50"] <= found["p95"] <= found["p99"]
            assert workload["cpu_seconds"] > 0
            assert workload["photos_per_second"] > 0


def test_the_stages_of_each_photo_add_up_to_its_total(results: dict[str, Any]) -> None:
    for sample in (sample for row in results["rows"] for sample in row["samples"]):
        for stages in sample["seconds"].values():
            assert [len(laps) for laps in stages.values()] == [3] * 4
            for *parts, total in zip(*(stages[stage] for stage in STAGES), strict=True):
                assert sum(parts) == pytest.approx(total)
                assert min(parts) > 0


def test_the_first_row_is_what_others_are_compared_to(results: dict[str, Any]) -> None:
    first, second = results["rows"]
    for workload in first["workloads"].values():
        for stage in ("forward", "total"):
            assert workload["ratio"][stage] == {"value": 1, "low": 1, "high": 1}
    for workload in second["workloads"].values():
        for found in workload["ratio"].values():
            assert found["low"] < found["value"] < found["high"]


def test_without_photos_a_phones_picture_and_its_variant_are_drawn(results: dict[str, Any]) -> None:
    assert [workload["name"] for workload in results["workloads"]] == ["phone 1280x960", "variant 320x240"]
    assert [set(row["workloads"]) for row in results["rows"]] == [{"phone 1280x960", "variant 320x240"}] * 2


def test_it_says_where_it_ran(results: dict[str, Any]) -> None:
    where = results["machine"]
    assert where["cpu"]
    assert 0 < where["cores"]["usable"] <= where["cores"]["machine"]
    assert list(where["versions"]) == ["python", "onnxruntime", "pillow", "numpy"]
    assert all(where["versions"].values())


def test_the_tables_columns_are_aligned(shipped: Path, results: dict[str, Any]) -> None:
    blocks = (shipped / "out.txt").read_text().split("\n\n")
    assert results["machine"]["cpu"] in blocks[0]
    assert len(blocks) == 4
    for block, cells in zip(blocks[1:], (9, 9, 7), strict=True):
        head, *rows = block.splitlines()[-3:]
        assert [row.partition(",")[0] for row in rows] == ["mask.onnx"] * 2
        assert len({len(line) for line in (head, *rows)}) == 1
        assert all(len(row.split("  ")) > cells for row in rows)


def test_the_page_holds_all_it_shows(shipped: Path, results: dict[str, Any]) -> None:
    page = (shipped / "out.html").read_text()
    assert page.count("<svg") == 2 + 2 + 3  # times and ratios of both workloads, throughput, memory, start
    assert "prefers-color-scheme: dark" in page
    assert not any(word in page for word in ("<script", "http:", "https:", "src=", "nan", "inf,"))
    assert f"{1000 * results['rows'][1]['workloads']['phone 1280x960']['seconds']['total']['p50']:.1f}" in page


def test_class_folders_give_each_model_an_accuracy_with_its_interval(tmp_path: Path, run_bot: RunBot) -> None:
    for label, color in (("red", "red"), ("green", "green"), ("blue", "red"), ("pink", "red")):  # one is mislabelled
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "a.png").write_bytes(encode(draw(color), "PNG"))
    (tmp_path / "photos" / "red" / "broken.jpg").write_text("no photo")
    colors = write_color_model(tmp_path / "<b>.onnx")
    others = write_color_model(tmp_path / "others.onnx", ("cat", "dog"))
    out = tmp_path / "out.json"
    options = ("--model", str(colors), "--model", str(others), "--images", str(tmp_path / "photos"), "--threads", "1")
    done = run_bot(*SHORT, "--photos", "5", *options, "--json", str(out), "--html", str(tmp_path / "out.html"))
    assert done.returncode == 0, done.stderr
    assert "broken.jpg: not a photo" in done.stderr
    first, second = json.loads(out.read_text())["rows"]
    assert {key: first["accuracy"][key] for key in ("photos", "right", "unreadable")} == {
        "photos": 3,
        "right": 2,
        "unreadable": 1,
    }
    assert first["accuracy"]["interval"] == pytest.approx([0.2077, 0.9385], abs=1e-4)
    assert second["accuracy"] is None
    assert "66.67% (20.8% - 93.9%) of 3" in done.stdout
    page = (tmp_path / "out.html").read_text()
    assert "<h2>Accuracy</h2>" in page
    assert "&lt;b&gt;.onnx" in page
    assert "<b>.onnx" not in page


@pytest.mark.parametrize(
    ("folders", "photos"),
    [
        (("train/red", "train/green", "valid/red", "valid/green"), 4),
        (("mine/red", "mine/green", "yours/red", "yours/green"), 4),
        (("red/scarlet", "red/2024", "green"), 3),  # two readings: the first folder
        (("train", "valid"), None),  # no class at all
    ],
    ids=["split", "collections", "two readings", "no class"],
)
def test_an_accuracy_is_of_the_classes_that_training_finds(
    tmp_path: Path, run_bot: RunBot, color_model: Path, folders: tuple[str, ...], photos: int | None
) -> None:
    for folder in folders:
        (tmp_path / "photos" / folder).mkdir(parents=True)
        (tmp_path / "photos" / folder / "1.png").write_bytes(
            encode(draw("green" if "green" in folder else "red"), "PNG")
        )
    out = tmp_path / "out.json"
    options = ("--images", str(tmp_path / "photos"), "--threads", "1", "--json", str(out))
    done = run_bot(*SHORT, "--photos", "1", *options, MODEL_PATH=str(color_model))
    assert done.returncode == 0, done.stderr
    accuracy = json.loads(out.read_text())["rows"][0]["accuracy"]
    assert (accuracy and (accuracy["photos"], accuracy["right"])) == (photos and (photos, photos))


def test_a_class_folder_means_what_it_means_in_training_and_a_readable_photo_is_found(
    tmp_path: Path, run_bot: RunBot, color_model: Path
) -> None:
    labels = ("re\u200bd", "\u202egreen")  # characters without width, and such that turn the text
    for label, color in zip(labels, ("red", "green"), strict=True):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "z.png").write_bytes(encode(draw(color), "PNG"))
    for number in range(12):
        (tmp_path / "photos" / f"{number:02}.jpg").write_text("no photo")
    out = tmp_path / "out.json"
    options = ("--images", str(tmp_path / "photos"), "--threads", "1", "--json", str(out))
    done = run_bot(*SHORT, "--photos", "1", *options, MODEL_PATH=str(color_model))
    assert done.returncode == 0, done.stderr
    accuracy = json.loads(out.read_text())["rows"][0]["accuracy"]
    assert (accuracy["photos"], accuracy["right"]) == (2, 2)


def test_what_cannot_be_measured_is_told(tmp_path: Path, run_bot: RunBot, color_model: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_text("no photo")
    wrong = write_color_model(tmp_path / "wrong.onnx", metadata={"contract": "9"})
    cases: dict[str, tuple[str, ...]] = {
        "no photo that can be read": ("--images", str(tmp_path / "empty")),
        "no photo that can be read in": ("--images", str(tmp_path / "broken")),
        "nowhere: No such file or directory": ("--images", str(tmp_path / "nowhere")),
        "gone.onnx: No such file": ("--model", str(tmp_path / "gone.onnx")),
        "contract '9'": ("--model", str(wrong)),
        "'0' is not a list of whole numbers from 1 to 1000000": ("--threads", "0"),
        "'1,x' is not a list of whole numbers from 1": ("--threads", "1,x"),
        f"'{'9' * 40}' is not a list of whole numbers": ("--batch", "9" * 5000),
        "colors.onnx: a batch of its input takes 3,011 MB": ("--batch", "20000"),
        "'1,99' has more than 32 threads": ("--threads", "1,99"),
        "'1' is not a whole number from 2 to 1000000": ("--rounds", "1"),
        "'0' is not a whole number from 1 to 1000000": ("--photos", "0"),
        "out.json is not a file in a folder": ("--json", str(tmp_path / "nowhere" / "out.json")),
        f"{'long' * 80}.csv is not a file in a folder": ("--csv", f"{'long' * 80}/{'long' * 80}.csv"),
        "'caffe' is not a list of fastai, torch, openvino": ("--against", "caffe"),
        "fastai needs --learner": ("--against", "fastai"),
    }
    for message, options in cases.items():
        done = run_bot(*SHORT, *options, MODEL_PATH=str(color_model))
        assert done.returncode == 2, message
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_ctrl_c_ends_it_and_its_children(color_model: Path) -> None:
    command = [BOT_PYTHON, "-m", "bot", "benchmark", "--rounds", "99", "--model", str(color_model)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 60
        while not (found := children.read_text().split()):
            assert time.monotonic() < deadline, "no worker was started"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
    while any(Path(f"/proc/{child}").exists() for child in found):  # one that was just being started ends by itself
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.02)


def test_a_worker_whose_starter_was_killed_ends_too(color_model: Path, tmp_path: Path) -> None:
    command = [BOT_PYTHON, "-m", "bot", "benchmark", "--seconds", "600", "--threads", "1", "--model", str(color_model)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(TMPDIR=str(tmp_path)), stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 60
        while not (found := children.read_text().split()):
            assert time.monotonic() < deadline, "no worker was started"
            time.sleep(0.02)
        time.sleep(1)
        process.kill()
    while (stat := Path(f"/proc/{found[0]}/stat")).exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.1)


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mounted by itself can only be written in its place."""
    file, write = tmp_path / "old.json", Path.write_bytes
    file.write_text("of an earlier run")
    file.chmod(0o600)

    def fill(self: Path, data: bytes) -> int:
        if self == file and data != b"of an earlier run":
            write(self, data[:5])
            raise OSError(errno.ENOSPC, "full")
        return write(self, data)

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(errno.EBUSY, "busy")

    with monkeypatch.context() as patches:
        patches.setattr(Path, "write_bytes", fill)
        patches.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="full"):
            write_whole(file, b"of this run")
    assert file.read_text() == "of an earlier run"
    write_whole(file, b"of this run")
    assert file.read_text() == "of this run"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_a_pipe_is_written_to_through_its_link() -> None:
    """As /dev/stdout is one: what it leads to has no name."""
    reading, writing = os.pipe()
    write_whole(Path(f"/dev/fd/{writing}"), b"{}")
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123  # a number
        assert pipe.read() == b"{}"


def test_nothing_goes_that_lies_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is one that somebody has named, such as that of the downloads."""
    names = sorted([f".{'0' * 16}.part", f"backup.{'0' * 16}.part", "film.mkv.part"])
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    monkeypatch.setattr(whole_files, "STALE", -1)
    write_whole(tmp_path / "new.json", b"{}")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*names, "new.json"])


def test_sigterm_leaves_no_drawn_photos(color_model: Path, tmp_path: Path) -> None:
    command = [BOT_PYTHON, "-m", "bot", "benchmark", "--seconds", "600", "--model", str(color_model)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(TMPDIR=str(tmp_path)), stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("tmp*/*.jpg")):
            assert time.monotonic() < deadline, "nothing was drawn"
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not list(tmp_path.glob("tmp*"))


@pytest.mark.parametrize("fails", [1, 2, 5])
def test_a_thread_that_fails_keeps_no_other_waiting(fails: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(draw("red"), "PNG"))
    calls = itertools.count(1)

    def name(rows: Tensor) -> list[int]:
        if next(calls) == fails:
            raise RuntimeError("no more")
        return [0] * len(rows)

    classifier = PixelClassifier(("red",), np.asarray, name, "none")
    raised: list[str] = []

    def measure() -> None:
        with pytest.raises(RuntimeError) as error:
            measure_throughput(classifier, "total", [str(tmp_path / "a.png")], 0.2, 3)
        raised.append(str(error.value))

    threading.Thread(target=measure, daemon=True).start()
    end = time.monotonic() + 20
    while not raised:
        assert time.monotonic() < end, "the other threads wait"
        time.sleep(0.05)
    assert raised == ["no more"]


def test_neither_end_imports_aiogram(color_model: Path) -> None:
    code = (
        "import sys; from bot.__main__ import main\n"
        f"assert main({[*SHORT, '--threads', '1', '--model', str(color_model)]}) == 0\n"
        "import bot.benchmark.worker\n"
        "print([name for name in sys.modules if name in ('aiogram', 'aiohttp')])"
    )
    command = [BOT_PYTHON, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["[]"], "")


def test_ratios_pair_the_rounds() -> None:
    """A machine that gets slower from round to round slows both alike, and leaves the ratio sure."""
    found = ratio([2.0, 4.4, 8.0], [1.0, 2.0, 4.0])
    assert found.value == pytest.approx((2 * 2.2 * 2) ** (1 / 3))
    # log 2.2/2 = 0.0953; mean 0.0318 above log 2, s / sqrt(3) = 0.0318, t(0.975, 2) = 4.303
    assert (found.low, found.high) == pytest.approx((2.0646 * 0.8722, 2.0646 * 1.1466), rel=1e-3)


def test_figures_are_those_of_the_tables() -> None:
    assert [student(freedom) for freedom in (1, 10, 11, 30)] == pytest.approx([12.706, 2.228, 2.201, 2.042], abs=2e-3)
    assert wilson(614, 617) == pytest.approx((0.985803, 0.998345), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert quantiles(range(101)) == {"p50": 50, "p95": 95, "p99": 99}


def test_a_processor_is_read_by_either_architectures_names(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512_vnni\n")
    assert read_processor(file) == ("Some CPU", {"fpu", "avx2", "avx512_vnni"})
    file.write_text("processor\t: 0\nFeatures\t: asimd asimddp\n")
    assert read_processor(file) == (None, {"asimd", "asimddp"})
    assert read_processor(tmp_path / "gone") == (None, set())


def test_a_worker_answers_line_by_line(color_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(draw("red"), "PNG"))
    files = [str(tmp_path / "a.png")]
    requests: list[dict[str, Any]] = [
        {"do": "time", "files": files, "count": 2, "warm": 1},
        {"do": "name", "files": [*files, str(tmp_path / "gone.jpg")]},
        {"do": "throughput", "stage": "forward", "files": files, "seconds": 0.05, "threads": 3},
    ]
    done = subprocess.run(
        [BOT_PYTHON, "-m", "bot.benchmark.worker", str(color_model), "--threads", "1"],
        cwd=ROOT,
        env=environment(),
        input="".join(f"{json.dumps(request)}\n" for request in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    ready, timed, named, rushed = map(json.loads, done.stdout.splitlines())
    assert ready["labels"] == ["red", "green", "blue"]
    assert {stage: len(laps) for stage, laps in timed["seconds"].items()} == dict.fromkeys(STAGES, 2)
    assert named["labels"] == ["red", None]
    assert rushed["per_second"] > 0
