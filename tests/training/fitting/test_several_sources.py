"""Photos of several sources: one is left out to decide which net is kept."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from tests.support.datasets import draw_photos
from tests.support.power_cut import cut_power_after
from tests.support.training_runs import SMALL
from tests.support.warm import Command
from training.data.loading import load_photos
from training.data.photos import LabelledPhoto
from training.data.split import assign_folds, leave_source_out
from training.fitting import choice, steps
from training.fitting.learner import train
from training.fitting.one_cycle.checkpoint import CHECKPOINT_FILE, TRIAL_FILE, Checkpoint
from training.recipe import Recipe

EACH = {"phone": 5, "scans": 4, "web": 6}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder a source, with a few photos of each of two classes."""
    for number, (source, each) in enumerate(EACH.items()):
        draw_photos(tmp_path / "photos" / source, classes=2, each=each, twins=0, seed=100 * number)
    return tmp_path / "photos"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    return replace(SMALL, weights=str(tmp_path / "weights.pth"), epochs=2)


def list_photos(*photos: tuple[str, str, str]) -> list[LabelledPhoto]:
    """A collection, a label and a group each."""
    return [
        LabelledPhoto(Path(f"{number}.jpg"), label, group, collection=collection)
        for number, (collection, label, group) in enumerate(photos)
    ]


def make_collection(name: str, count: int, *labels: str) -> list[tuple[str, str, str]]:
    return [(name, label, f"{name} {label} {number}") for label in labels for number in range(count)]


@pytest.mark.parametrize(
    ("collections", "source"),
    [
        ((("a", 60, "cat", "dog"), ("b", 70, "cat", "dog"), ("c", 80, "cat", "dog")), "a"),  # most are left to learn
        ((("a", 30, "cat", "dog"), ("b", 70, "cat", "dog"), ("c", 80, "cat", "dog")), "b"),  # 60 tell too little
        ((("a", 30, "cat", "dog"), ("b", 20, "cat", "dog")), "a"),
        ((("a", 60, "cat"), ("b", 70, "cat", "dog"), ("c", 80, "cat", "dog")), "b"),  # one with every class
        ((("a", 60, "cat", "dog"), ("b", 70, "cat")), None),  # nobody would have learned dogs
        ((("a", 60, "cat"), ("b", 70, "dog")), None),
        ((("", 60, "cat", "dog"),), None),
    ],
)
def test_the_smallest_that_tells_enough_is_left_out(
    collections: tuple[tuple[str, int, *tuple[str, ...]], ...], source: str | None
) -> None:
    photos = list_photos(*(photo for collection in collections for photo in make_collection(*collection)))
    parted = leave_source_out(photos)
    if source is None:
        assert parted is None
        return
    assert parted is not None
    name, part = parted
    assert name == source
    assert [photo.path for photo in part] == [photo.path for photo in photos]
    assert {photo.collection for photo in part if photo.held_out} == {source}


def test_near_duplicates_of_a_source_are_left_out_with_it() -> None:
    photos = list_photos(
        *make_collection("a", 60, "cat", "dog"), *make_collection("b", 70, "cat", "dog"), ("b", "cat", "a cat 0")
    )
    parted = leave_source_out(photos)
    assert parted is not None
    assert [photo.held_out for photo in parted[1]] == [True] * 120 + [False] * 140 + [True]


def test_a_source_whose_near_duplicates_leave_too_little_is_not_left_out() -> None:
    """`a` with all of its near-duplicates would leave no dog; without `b` both are learned."""
    photos = list_photos(
        *make_collection("a", 3, "cat", "dog"),
        *make_collection("b", 2, "cat"),
        *(("b", "dog", f"a dog {n}") for n in (0, 1)),
    )
    parted = leave_source_out(photos)
    assert parted is not None
    assert parted[0] == "b"
    assert {photo.label for photo in parted[1] if not photo.held_out} == {"cat", "dog"}
    twins = list_photos(("a", "cat", "1"), ("b", "cat", "1"))
    assert leave_source_out(twins) is None


def test_what_is_held_out_already_stays_so_and_is_not_what_decides() -> None:
    photos = list_photos(*make_collection("a", 60, "cat", "dog"), *make_collection("b", 70, "cat", "dog"))
    held_out = [replace(photo, held_out=photo.collection == "a") for photo in photos]
    assert leave_source_out(held_out) is None  # b alone is learned from


@pytest.mark.parametrize("few", [True, False])
def test_a_source_left_out_decides(
    few: bool, photos: Path, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = load_photos(photos, 42).photos
    *_, trained = train(labelled, recipe, tmp_path, folds=assign_folds(labelled, 42) if few else None)
    said = capsys.readouterr().out
    learned = {
        name: sum(photo.collection == name and (few or not photo.held_out) for photo in labelled) for name in EACH
    }
    source = max(learned, key=lambda name: learned[name])
    assert f"all layers without {source}, whose photos decide which net is kept" in said
    assert f"right on {learned[source]} photos of another source: linear " in said
    assert set(trained.strange) == {"linear", "mean", "tuned"}
    assert f"Kept: {trained.kept}." in said


@pytest.mark.parametrize(("learned", "varied"), [(9, True), (1000, False)])
def test_all_layers_stand_first_where_many_photos_of_several_sources_are_left_to_learn_from(
    learned: int, varied: bool, photos: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `web` 18 photos of two sources are left, and some of these are held out."""
    given = list[bool]()

    def note(_right: choice.Right, _least: int, _other_source: bool, is_varied: bool) -> str:
        given.append(is_varied)
        return "tuned"

    monkeypatch.setattr(choice, "MANY", learned)
    monkeypatch.setattr(steps, "choose", note)
    list(train(load_photos(photos, 42).photos, recipe, tmp_path))
    assert given == [varied]


@pytest.mark.parametrize("keep", ["linear", "mean", "tuned"])
def test_a_recipe_that_names_its_choice_is_not_asked(
    keep: str, photos: Path, recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trained,) = train(load_photos(photos, 42).photos, replace(recipe, keep=keep), tmp_path)
    assert trained.kept == keep
    assert trained.strange == {}
    assert "decide" not in capsys.readouterr().out


@pytest.mark.parametrize(("kept", "epochs"), [("linear", 1), ("tuned", 2), ("tuned", 3)])
def test_a_training_goes_on_after_any_epoch_of_either_part(
    kept: str, epochs: int, photos: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = load_photos(photos, 42).photos
    monkeypatch.setattr(steps, "choose", lambda *_: kept)  # whatever a net of random weights would be worth
    (whole,) = train(labelled, recipe, tmp_path)
    (tmp_path / CHECKPOINT_FILE).unlink(missing_ok=True)
    (tmp_path / TRIAL_FILE).unlink()
    with cut_power_after(epochs):
        list(train(labelled, recipe, tmp_path))
    (resumed,) = train(labelled, recipe, tmp_path, resume=True)
    assert resumed.kept == whole.kept == kept
    assert resumed.strange == whole.strange
    state = resumed.learner.model.state_dict()
    assert [
        name for name, value in whole.learner.model.state_dict().items() if not torch.equal(value, state[name])
    ] == []


def test_what_an_earlier_training_left_is_not_gone_on_with(
    photos: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = load_photos(photos, 42).photos
    monkeypatch.setattr(steps, "choose", lambda *_: "tuned")
    with cut_power_after(3):  # in its second part
        list(train(labelled, recipe, tmp_path))
    another = replace(recipe, epochs=1)
    with cut_power_after(1):  # in its first part
        list(train(labelled, another, tmp_path))
    (trained,) = train(labelled, another, tmp_path, resume=True)
    assert len(trained.history) == 1


def test_ctrl_c_while_it_is_decided_loses_nothing(photos: Path, recipe: Recipe, tmp_path: Path) -> None:
    options = (
        *("--data", str(photos), "--out", str(tmp_path / "out"), "--leave-out", "scans"),
        *("--weights", recipe.weights, "--epochs", "4", "--size", "64", "--batch-size", "4"),
    )
    done = Command("training", *options).interrupt_at("epoch 1 of 4")
    assert done.returncode == 130
    assert done.stderr == "training: stopped, no net is written. The same command with --resume goes on.\n"
    report = tmp_path / "out-report"
    assert (report / TRIAL_FILE).exists()
    assert not (tmp_path / "out.pkl").exists()
    again = Command("training", *options, "--resume").wait()
    assert again.returncode == 0, again.stderr
    assert "all layers without web, whose photos decide which net is kept" in again.stdout
    assert "right on 12 photos of another source: " in again.stdout
    assert (tmp_path / "out.pkl").exists()
    assert not (report / TRIAL_FILE).exists()


def test_ctrl_c_while_the_last_epoch_before_the_choice_is_saved_is_not_lost(
    photos: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = load_photos(photos, 42).photos
    after_epoch = Checkpoint.after_epoch

    def press(self: Checkpoint) -> None:
        if self.learn.epoch + 1 == recipe.epochs:
            signal.raise_signal(signal.SIGINT)
        after_epoch(self)

    monkeypatch.setattr(Checkpoint, "after_epoch", press)
    with pytest.raises(KeyboardInterrupt, match="no net is written"):
        list(train(labelled, recipe, tmp_path))
    monkeypatch.undo()
    (trained,) = train(labelled, recipe, tmp_path, resume=True)
    assert not trained.interrupted
