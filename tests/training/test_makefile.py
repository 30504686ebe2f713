"""`make train NAME="my pets"`: what a person names is one word of the command, whatever it is made of."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from tests.support.paths import ROOT

DONE = ("-o", ".venv/train/done", "-o", ".venv/bot/done", "-o", ".venv/test/done", "-o", "data/outsiders")
NAME, DATA = "it's my mask", 'my "best" photos & more'


def words(*arguments: str) -> list[str]:
    """The command that make would run."""
    make = ["make", "--dry-run", "--no-print-directory", *DONE, *arguments]
    return shlex.split(subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("train", ["-m", "training", "--data", DATA, "--out", f"artifacts/{NAME}", "--weights", "my weights.pth"]),
        ("export", ["-m", "export", f"artifacts/{NAME}.pkl", "--out", f"artifacts/{NAME}.onnx", "--int8"]),
        ("slug", ["--model", f"artifacts/{NAME}.onnx"]),
        ("new", ["--", f"artifacts/{NAME};"]),
        ("new", ["--data", f"{DATA};"]),
        ("bench", ["--learner", f"artifacts/{NAME}.pkl;"]),
    ],
)
def test_names_are_one_word(target: str, expected: list[str]) -> None:
    given = words(target, f"NAME={NAME}", f"DATA={DATA}", "WEIGHTS=my weights.pth")
    assert any(given[start : start + len(expected)] == expected for start in range(len(given)))
    assert "--recipe" not in given  # it is not the shipped model


def test_the_shipped_model_has_its_recipe() -> None:
    assert words("train")[-3:] == ["--recipe", "mask", "--faces"]
    assert words("export")[-2:] == ["--about", "docs/mask-photos.md"]
