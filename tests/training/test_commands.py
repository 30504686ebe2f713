"""`python -m training COMMAND`: one door to all of them, and what it says where it cannot open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON
from tests.support.paths import ROOT
from tests.support.warm import run as run_warm


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.parametrize("command", [["--help"], ["fetch", "--help"], ["collect"], ["compare", "x"]])
def test_without_its_packages_it_says_what_to_install(command: list[str]) -> None:
    done = run(BOT_PYTHON, "training", *command)
    assert done.returncode == 2
    assert done.stderr.endswith("is not installed. Run: pip install -r requirements-train.txt\n")
    assert len(done.stderr.splitlines()) == 1


def test_a_command_that_there_is_none_of_is_named_with_those_there_are() -> None:
    done = run(sys.executable, "training", "fetsh")
    assert done.returncode == 2
    assert done.stderr.startswith("training: there is no command 'fetsh'. There are fetch, collect, neutral,")


@pytest.mark.parametrize("name", ["fetch", "collect", "neutral", "compare"])
def test_an_old_name_says_the_new_one(name: str) -> None:
    done = run(sys.executable, f"training.{name}", "--out", "somewhere")
    assert done.returncode == 1
    assert done.stderr == f"python -m training.{name} is now: python -m training {name}\n"


@pytest.mark.parametrize(
    "command",
    [
        ("training", "--nope"),
        ("training", "fetch", "--nope"),
        ("training", "collect", "--nope"),
        ("training", "neutral"),
        ("training", "report"),
        ("training", "compare"),
        ("training", "across"),
        ("export",),
        ("export", "verify"),
        ("export", "remeasure"),
        ("export", "photo-sizes"),
    ],
)
def test_wrong_options_are_one_line(command: tuple[str, ...]) -> None:
    done = run_warm(*command)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert ": error: " in done.stderr
    assert done.stderr.endswith(" (see --help)\n")


@pytest.mark.parametrize(
    "command",
    [
        ("training", "--data", "", "--out", "toy"),
        ("training", "neutral", "--data", "", "--out", "toy"),
        ("training", "across", "--data", "", "--out", "toy"),
        ("training", "report", ""),
        ("training", "collect", "--out", ""),
        ("export", "", "--out", "toy.onnx"),
        ("export", "verify", "toy.onnx", "--data", ""),
        ("export", "remeasure", "toy.onnx", "--data", "photos", "--report", ""),
    ],
)
def test_an_empty_name_is_not_the_current_folder(command: tuple[str, ...]) -> None:
    """As of a variable that is not set: make train DATA=$PETS."""
    done = run_warm(*command)
    assert done.returncode == 2
    assert done.stderr.endswith(": the name of the file or folder is empty (see --help)\n")


def test_a_wrong_option_for_the_trainings_of_across_is_told_as_its_own() -> None:
    done = run_warm("training", "across", "--data", "photos", "--out", "toy", "--epochs", "many")
    assert done.returncode == 2
    assert done.stderr.startswith("python -m training across: error: argument --epochs: ")
    done = run_warm("training", "across", "--data", "photos", "--out", "toy", "--recipe", "nope.toml")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("across: nope.toml cannot be read.")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("training", "--help"), 0),
        (("training", "--data", "photos"), 2),
        *(
            (("training", command, "--help"), 0)
            for command in ("fetch", "collect", "neutral", "report", "compare", "across")
        ),
        (("training", "report", "toy.pkl", "--nope"), 2),
        (("training", "across", "--data", "photos", "--out", "toy", "--nope"), 2),
        (("training", "across", "--data", "photos", "--out", "toy", "--leave-out", "web"), 2),
        (("export", "--help"), 0),
        *((("export", command, "--help"), 0) for command in ("verify", "remeasure", "photo-sizes")),
        (("export", "verify", "toy.onnx", "--data", "photos", "--nope"), 2),
        (("export", "pets.pkl", "--out", "pets"), 2),
    ],
)
def test_help_and_wrong_options_wait_for_no_pytorch(command: tuple[str, ...], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == status
    assert "argparse" in imported
    assert not imported & {"torch", "sklearn", "skimage", "requests", "onnx"}


@pytest.mark.parametrize(
    "command",
    [
        ("training", "--data", "photos", "--out", "toy"),
        ("training", "neutral", "--data", "photos", "--out", "toy"),
        ("training", "compare", "toy-report"),
        ("export", "toy.pkl", "--out", "toy.onnx"),
        ("export", "verify", "toy.onnx", "--data", "photos"),
        ("export", "remeasure", "toy.onnx", "--data", "photos"),
    ],
)
def test_ctrl_c_while_fastai_is_imported_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    for package in ("fastai", "sklearn", "imagehash"):  # one that stops as it is imported, in the place of each
        (tmp_path / f"{package}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.endswith(": stopped.\n")
    assert done.stderr.count("\n") == 1
