"""Several processes under `accelerate launch`: here two on the CPU, elsewhere one per GPU."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from tests.support.datasets import draw_photos
from tests.support.paths import ROOT

# The real command, and what each process holds in the end.
SPY = """
import os, sys, torch
import training.command as command
from training.fitting.distributed import alone

train = command.train

def spy(*arguments):
    *_, trained = train(*arguments)
    learner, rank = trained.learner, os.environ["RANK"]
    with alone():
        steps = learner.opt.state_dict()["state"][0]["step"]
        facts = {"steps": steps, "history": trained.history.__repr__(), "net": type(learner.model).__name__,
                 "weights": dict(learner.model.named_parameters())}
    torch.save(facts, os.path.join(os.environ["FACTS"], f"{rank}.pth"))
    return [trained]

command.train = spy
sys.exit(command.main(sys.argv[1:]))
"""
TRAIN = ("--weights", "none", "--epochs", "2", "--size", "64")
OPTIONS = (*TRAIN, "--ema", "0.5", "--batch-size", "2", "--outsiders", "none")


def launch(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    usual = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    usual += ["--dynamo_backend", "no", "--main_process_port", str(port)]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "accelerate.commands.launch", *usual, *command],
        cwd=ROOT,
        # `accelerate launch --cpu` starts several processes under MPI only; so the environment tells of the CPU.
        env=os.environ
        | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)


def test_two_processes_train_one_net_each_on_its_half(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "spy.py").write_text(SPY)
    done = launch(
        str(tmp_path / "spy.py"), "--data", str(photos), "--out", str(tmp_path / "out"), *OPTIONS, FACTS=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pth", weights_only=False) for rank in (0, 1))
    # 16 photos in batches of two make 16 steps in two epochs of one process. The two draw other crops of other photos:
    # without averaged gradients they would not end with the same weights.
    assert first["steps"] == second["steps"] == 8
    assert [name for name in first["weights"] if not torch.equal(first["weights"][name], second["weights"][name])] == []
    assert first["history"] == second["history"]
    assert first["net"] == second["net"] == "Sequential"

    assert done.stdout.count("reading the photos in") == 1
    assert done.stdout.count("on copies of them whose size says nothing") == 1
    assert done.stdout.count(f"wrote {tmp_path / 'out'}.pkl") == 1
    metrics = json.loads((tmp_path / "out-report" / "metrics.json").read_text())["run"]
    assert [epoch["size"] for epoch in metrics["history"]] == [64, 64]
    assert (tmp_path / "out.pkl").exists()
    assert not list((tmp_path / "out-report").glob("checkpoint*"))


def test_several_processes_say_that_they_choose_nothing(photos: Path, tmp_path: Path) -> None:
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    options = ("--weights", str(tmp_path / "weights.pth"), "--epochs", "1", "--size", "64", "--outsiders", "none")
    done = launch("-m", "training", "--data", str(photos), "--out", str(tmp_path / "out"), *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("all layers are kept without asking: only a training in one process chooses") == 1
    assert json.loads((tmp_path / "out-report" / "metrics.json").read_text())["run"]["kept"] == "tuned"


def test_wrong_data_is_told_once(tmp_path: Path) -> None:
    done = launch("-m", "training", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out"))
    assert done.returncode == 1  # of the launcher; each process ended with 2
    assert done.stderr.count("training: there is no folder") == 1
    assert "exitcode  : 2" in done.stderr
