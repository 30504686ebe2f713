"""`python -m bot benchmark --against ...`, the real command, on the small training run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.warm import run

SHORT = ("bot", "benchmark", "--rounds", "2", "--photos", "2", "--threads", "1")


def test_every_engine_is_a_row_and_they_give_the_same_labels(trained: Path, float32: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    rivals = ("--against", "fastai,torch,openvino", "--learner", str(trained / "toy.pkl"))
    files = ("--images", str(trained / "photos"), "--json", str(out), "--html", str(tmp_path / "out.html"))
    done = run(*SHORT, "--model", str(float32), *rivals, *files)
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    rows = {row["engine"]: row for row in results["rows"]}
    assert list(rows) == ["onnxruntime", "fastai", "torch", "openvino"]
    assert [row["model"] for row in results["rows"]] == ["float32.onnx", "toy.pkl", "toy.pkl", "float32.onnx"]
    # The same net four times, and fastai opens photos as the bot does; note.jpg is no photo.
    answers = [row["accuracy"] for row in rows.values()]
    assert answers == [answers[0]] * 4
    assert (answers[0]["photos"], answers[0]["unreadable"]) == (75, 1)
    for engine, row in rows.items():
        (workload,) = row["workloads"].values()
        assert list(workload["seconds"])[-1] == "total"
        assert (len(workload["seconds"]), "forward" in workload["ratio"]) == (
            (1, False) if engine == "fastai" else (4, True)
        )
        assert (row["forward_per_second"] is None) == (engine == "fastai")
    assert all(results["machine"]["versions"][package] for package in ("fastai", "torch", "openvino"))
    assert "fastai, toy.pkl, 1 thread" in done.stdout
    assert "fastai, toy.pkl" in (tmp_path / "out.html").read_text()


def test_what_is_missing_is_named(float32: Path, tmp_path: Path) -> None:
    (tmp_path / "openvino.py").write_text("raise ModuleNotFoundError('hidden', name='openvino')")
    (tmp_path / "text.pkl").write_text("no pickle")
    cases = {
        "needs the package openvino": ("openvino",),
        "text.pkl is not a learner": ("torch", "--learner", str(tmp_path / "text.pkl")),
        "gone.pkl is not a learner": ("fastai", "--learner", str(tmp_path / "gone.pkl")),
    }
    for message, options in cases.items():
        done = run(*SHORT, "--model", str(float32), "--against", *options, PYTHONPATH=str(tmp_path))
        assert done.returncode == 2, message
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
