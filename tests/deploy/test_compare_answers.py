"""scripts/compare_answers.py: two runs of `bot classify --json`, side by side."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def answer(path: str = "caf\udce9.jpg", label: str = "cat", cat: float = 0.9) -> str:
    return json.dumps({"path": path, "label": label, "probabilities": {"cat": cat, "dog": 1 - cat}})


def compare(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/compare_answers.py", *map(str, files)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("other", "status", "message"),
    [
        (answer(cat=0.8), 0, "1 of 1 photos have the same label, probabilities within 1.0e-01"),
        (answer(label="dog"), 1, "another label: 'caf\\udce9.jpg'"),
        (answer("other.jpg"), 2, "the two files are not of the same photos"),
        ("", 2, "the two files are not of the same photos"),
        (answer().replace("dog", "fox"), 2, "the two files are of models with other classes"),
        ('{"path": "a.jpg", "error": "not a photo"}', 2, "'a.jpg' could not be read: not a photo"),
        ("hello", 2, "compare_answers: Expecting value"),
        ("[1]", 2, "is not what `bot classify --json` prints"),
    ],
)
def test_answers_are_compared_and_other_files_refused(other: str, status: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(answer())
    (tmp_path / "other.json").write_text(other)
    done = compare(tmp_path / "one.json", tmp_path / "other.json")
    assert done.returncode == status
    assert message in (done.stderr if status == 2 else done.stdout)
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    assert compare(tmp_path).stderr == "usage: compare_answers.py ONE.json OTHER.json\n"
    gone = compare(tmp_path / "one.json", tmp_path / "other.json")
    assert gone.returncode == 2
    assert "No such file or directory" in gone.stderr
