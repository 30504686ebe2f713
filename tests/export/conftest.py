"""The small training run's learner as a float32 and an int8 file, by the real command, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.warm import run


def export_toy(trained: Path, name: str, *options: str) -> Path:
    """The file that the real command wrote, and beside it `.txt`, what it printed."""
    out = trained / f"{name}.onnx"
    done = run("export", str(trained / "toy.pkl"), "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    out.with_suffix(".txt").write_text(done.stdout)
    return out


@pytest.fixture(scope="session")
def float32(trained: Path) -> Path:
    return export_toy(trained, "float32")


@pytest.fixture(scope="session")
def int8(trained: Path) -> Path:
    return export_toy(trained, "int8", "--int8")
