"""`--soup`: nets from one start, of whose weights the mean is kept."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from tests.support.datasets import draw_photos
from tests.support.power_cut import cut_power_after
from tests.support.training_runs import SMALL, start_training
from training.command import main
from training.data.loading import load_photos
from training.data.photos import LabelledPhoto
from training.fitting.choice import average
from training.fitting.learner import train
from training.fitting.one_cycle.checkpoint import Checkpoint, delete_checkpoints, find_checkpoints
from training.fitting.one_cycle.fit import fit_layers
from training.fitting.steps import Trained
from training.recipe import Recipe

EPOCHS = 2


@pytest.fixture
def photos(tmp_path: Path) -> tuple[LabelledPhoto, ...]:
    return load_photos(draw_photos(tmp_path / "photos", classes=2, each=10, twins=0), 42).photos


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    return replace(SMALL, weights=str(tmp_path / "weights.pth"), epochs=EPOCHS, soup=2, ema=0.6, keep="tuned")


def get_state(trained: Trained) -> dict[str, Tensor]:
    state: dict[str, Tensor] = trained.learner.model.state_dict()
    return state


def test_what_is_kept_is_the_mean_of_nets_that_each_seed_gives_from_the_same_start(
    photos: tuple[LabelledPhoto, ...], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, soup = train(photos, recipe, tmp_path)
    nets = []
    for number in range(2):

        def fit_by_seed(learner, photos, one, *rest, number=number):  # type: ignore[no-untyped-def]
            return fit_layers(learner, photos, replace(one, seed=one.seed + number), *rest)

        monkeypatch.setattr("training.fitting.steps.fit_layers", fit_by_seed)
        *_, net = train(photos, replace(recipe, soup=1), tmp_path)
        nets.append(get_state(net))
    assert not torch.equal(nets[0]["0.0.weight"], nets[1]["0.0.weight"])
    for name, value in average(nets).items():
        torch.testing.assert_close(get_state(soup)[name], value)
    assert len(soup.history) == 2 * EPOCHS


@pytest.mark.parametrize("epochs", range(1, 2 * EPOCHS))
def test_it_goes_on_after_any_epoch_of_any_net(
    epochs: int, photos: tuple[LabelledPhoto, ...], recipe: Recipe, tmp_path: Path
) -> None:
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
    *_, whole = train(photos, recipe, tmp_path / "whole")
    with cut_power_after(epochs):
        list(train(photos, recipe, tmp_path / "cut"))
    *_, resumed = train(photos, recipe, tmp_path / "cut", resume=True)
    assert [name for name, value in get_state(whole).items() if not torch.equal(value, get_state(resumed)[name])] == []
    assert [epoch.valid_loss for epoch in resumed.history] == [epoch.valid_loss for epoch in whole.history]


def test_one_that_starts_again_forgets_the_nets_of_the_one_before(
    photos: tuple[LabelledPhoto, ...], recipe: Recipe, tmp_path: Path
) -> None:
    with cut_power_after(EPOCHS + 1):
        list(train(photos, replace(recipe, lr=0.1), tmp_path))
    with cut_power_after(EPOCHS):
        list(train(photos, recipe, tmp_path))
    *_, resumed = train(photos, recipe, tmp_path, resume=True)
    assert not resumed.interrupted
    assert len(resumed.history) == 2 * EPOCHS


def test_ctrl_c_keeps_the_nets_that_are_done_and_no_half_one(tmp_path: Path) -> None:
    folder = draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)
    options = ("--epochs", "3", "--size", "64", "--lr", "1e-3", "--batch-size", "4", "--soup", "2")
    process = start_training(folder, tmp_path / "out", *options)
    second = process.read_until("net 2 of 2")
    done = process.interrupt_at("epoch 1 of 3", after=second)
    assert done.returncode == 0, done.stderr
    assert "keeping the best so far. The same command with --resume goes on instead." in done.stdout
    assert [file.name for file in find_checkpoints(tmp_path / "out-report")] == ["checkpoint.pth", "checkpoint-2.pth"]
    done = start_training(folder, tmp_path / "out", *options, "--resume").wait()
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "out-report").glob("checkpoint*"))


def test_ctrl_c_while_the_last_epoch_of_a_net_is_saved_is_not_lost(
    photos: tuple[LabelledPhoto, ...], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_epoch, epochs = Checkpoint.after_epoch, 0

    def press(self: Checkpoint) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == EPOCHS:
            signal.raise_signal(signal.SIGINT)
        after_epoch(self)

    monkeypatch.setattr(Checkpoint, "after_epoch", press)
    *_, stopped = train(photos, recipe, tmp_path)
    assert stopped.interrupted
    assert len(stopped.history) == EPOCHS
    monkeypatch.undo()
    *_, resumed = train(photos, recipe, tmp_path, resume=True)
    assert not resumed.interrupted
    assert len(resumed.history) == 2 * EPOCHS


@pytest.mark.usefixtures("photos")
def test_a_second_ctrl_c_within_a_batch_ends_the_program_and_keeps_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press_twice(self: Checkpoint) -> None:
        if self.learn.epoch == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    places = ("--data", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--outsiders", "none")
    command = (*places, "--weights", "none", "--epochs", "2", "--size", "64", "--lr", "1e-3", "--batch-size", "4")
    monkeypatch.setattr(Checkpoint, "before_batch", press_twice, raising=False)
    assert main([*command]) == 130
    assert "stopped at once" in capsys.readouterr().err
    assert not (tmp_path / "out.pkl").exists()
    monkeypatch.undo()
    assert main([*command, "--resume"]) == 0
    assert (tmp_path / "out.pkl").exists()


def test_a_kill_while_the_checkpoints_are_deleted_leaves_what_can_go_on(
    photos: tuple[LabelledPhoto, ...], recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, whole = train(photos, recipe, tmp_path)
    unlink = Path.unlink

    def unlink_and_die(self: Path, missing_ok: bool = False) -> None:
        unlink(self, missing_ok)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", unlink_and_die)
    with pytest.raises(KeyboardInterrupt):
        delete_checkpoints(tmp_path)
    monkeypatch.undo()
    assert [file.name for file in find_checkpoints(tmp_path)] == ["checkpoint.pth"]
    *_, resumed = train(photos, recipe, tmp_path, resume=True)
    for name, value in get_state(whole).items():
        assert torch.equal(get_state(resumed)[name], value), name


@pytest.mark.parametrize(
    ("folded", "options"), [(600, ()), (0, ("--epochs", "0")), (0, ("--keep", "linear"))], ids=["folds", "0", "linear"]
)
def test_one_that_has_nothing_to_go_on_with_does_not_delete_what_another_left(
    folded: int,
    options: tuple[str, ...],
    photos: tuple[LabelledPhoto, ...],
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "out-report"
    report.mkdir()
    with cut_power_after(1):
        list(train(photos, recipe, report))
    monkeypatch.setattr("training.command.FOLDED", folded)
    places = ("--data", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--weights", recipe.weights)
    assert main([*places, "--outsiders", "none", *options, "--resume"]) == 2
    assert "is of another training, which would be lost." in capsys.readouterr().err
    assert [file.name for file in find_checkpoints(report)] == ["checkpoint.pth"]
