"""A training that was stopped goes on with `--resume`, and ends as if it had never been stopped."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torchvision
from fastai.learner import load_learner
from torch import Tensor

from tests.support.datasets import draw_photos
from tests.support.power_cut import cut_power_after
from tests.support.training_runs import SMALL, start_training
from tests.support.warm import run
from training.data.loading import load_photos
from training.fitting.learner import train
from training.fitting.one_cycle.checkpoint import CHECKPOINT_FILE, ResumeError
from training.recipe import Recipe

RECIPE = replace(SMALL, epochs=4, batch_size=4, ema=0.6, outsiders="generated")
OPTIONS = ("--epochs", "4", "--size", "64", "--lr", "1e-3", "--ema", "0.6")
BATCHES = ("--batch-size", "4")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)


def load_weights(file: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = load_learner(file).model.state_dict()
    return state


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_killed_training_ends_as_one_that_was_never_stopped(photos: Path, tmp_path: Path) -> None:
    """Bit for bit: killed before the average of the weights begins, and again in the midst of the last epoch."""
    (tmp_path / "whole").mkdir()
    *_, whole = train(load_photos(photos, 42).photos, RECIPE, tmp_path / "whole")
    for epoch, resume in (("epoch 1 of 4", ()), ("epoch 3 of 4", ("--resume",))):
        process = start_training(photos, tmp_path / "out", *OPTIONS, *BATCHES, *resume)
        process.read_until(epoch)
        process.kill()
        assert process.wait().returncode == -signal.SIGKILL
        assert (tmp_path / "out-report" / CHECKPOINT_FILE).exists()
        assert not (tmp_path / "out.pkl").exists()
    done = start_training(photos, tmp_path / "out", *OPTIONS, *BATCHES, "--resume").wait()
    assert done.returncode == 0, done.stderr
    assert_equal(load_weights(tmp_path / "out.pkl"), whole.learner.model.state_dict())
    metrics = json.loads((tmp_path / "out-report" / "metrics.json").read_text())["run"]
    assert [epoch["valid_loss"] for epoch in metrics["history"]] == [epoch.valid_loss for epoch in whole.history]
    assert not list((tmp_path / "out-report").glob("checkpoint*"))


def test_ctrl_c_keeps_the_best_epoch_so_far_and_the_training_can_go_on(photos: Path, tmp_path: Path) -> None:
    options = ("--epochs", "6", "--size", "64", "--lr", "1e-3", "--ema", "0", *BATCHES)
    process = start_training(photos, tmp_path / "out", *options)
    done = process.interrupt_at("epoch 2 of 6")
    assert done.returncode == 0, done.stderr
    assert "keeping the best so far. The same command with --resume goes on instead." in done.stdout
    metrics = json.loads((tmp_path / "out-report" / "metrics.json").read_text())["run"]
    assert metrics["interrupted"]
    assert 2 <= len(metrics["history"]) < 6
    assert (tmp_path / "out.pkl").exists()

    recipe = replace(RECIPE, epochs=6, ema=0.0)
    *_, resumed = train(load_photos(photos, 42).photos, recipe, tmp_path / "out-report", resume=True)
    assert not resumed.interrupted
    assert len(resumed.history) == 6
    assert [asdict(epoch) for epoch in resumed.history[:2]] == metrics["history"][:2]
    assert resumed.seconds > metrics["seconds"] / 2  # with those before


@pytest.mark.parametrize("epochs", [1, 2])
def test_fine_tuning_goes_on_after_any_epoch(epochs: int, photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    recipe = replace(SMALL, weights=str(tmp_path / "weights.pth"), epochs=3, outsiders="generated", augment="strong")
    labelled = load_photos(photos, 42).photos
    *_, whole = train(labelled, recipe, tmp_path)
    (tmp_path / CHECKPOINT_FILE).unlink()

    with cut_power_after(epochs):
        list(train(labelled, recipe, tmp_path))
    *_, resumed = train(labelled, recipe, tmp_path, resume=True)
    assert_equal(resumed.learner.model.state_dict(), whole.learner.model.state_dict())
    assert [epoch.valid_loss for epoch in resumed.history] == [epoch.valid_loss for epoch in whole.history]


def test_what_cannot_be_resumed_is_told_in_a_line(photos: Path, tmp_path: Path) -> None:
    done = run("training", "--data", str(photos), "--out", str(tmp_path / "out"), "--weights", "none", "--resume")
    assert done.returncode == 2
    report = tmp_path / "out-report"
    assert done.stderr == f"training: there is no training to resume: {report} is not there. Start without --resume.\n"
    assert "reading the photos" not in done.stdout
    report.mkdir()
    (report / "metrics.json").write_text("{}")
    done = run("training", "--data", str(photos), "--out", str(tmp_path / "out"), "--weights", "none", "--resume")
    assert done.returncode == 2
    message = f"training: there is no training to resume: that of {report} is complete. Start without --resume.\n"
    assert done.stderr == message
    assert "On this computer it will take" not in done.stdout


def test_a_training_that_was_killed_before_its_first_epoch_begins_again(photos: Path, tmp_path: Path) -> None:
    options = ("--epochs", "1", *OPTIONS[2:], *BATCHES)
    process = start_training(photos, tmp_path / "out", *options)
    process.read_until("training all layers, 1 epochs")
    process.kill()
    process.wait()
    done = start_training(photos, tmp_path / "out", *options, "--resume").wait()
    assert done.returncode == 0, done.stderr
    assert "starting from the beginning: the training was stopped before its first epoch was saved" in done.stdout
    assert (tmp_path / "out.pkl").exists()


def test_another_recipe_other_photos_and_a_damaged_checkpoint_are_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = load_photos(photos, 42).photos
    list(train(labelled, SMALL, tmp_path))
    capsys.readouterr()
    others: list[tuple[Recipe, int, str]] = [
        (replace(SMALL, dropout=0.1, seed=3), 42, "another --dropout, --seed. Give the same options."),
        (SMALL, 43, r"another --data \(its photos, labels or split\)"),
    ]
    for recipe, split_seed, message in others:
        with pytest.raises(ResumeError, match=message):
            list(train(load_photos(photos, split_seed).photos, recipe, tmp_path, resume=True))
        assert "On this computer it will take" not in capsys.readouterr().out  # it is told at once
    file = tmp_path / CHECKPOINT_FILE
    data = file.read_bytes()
    torch.save({"model": {}}, tmp_path / "other.pth")
    for damaged in (data[: len(data) // 2], b"", b"hello", (tmp_path / "other.pth").read_bytes()):
        file.write_bytes(damaged)
        with pytest.raises(ResumeError, match=r"checkpoint.pth is damaged, .* Start without --resume"):
            list(train(labelled, SMALL, tmp_path, resume=True))
