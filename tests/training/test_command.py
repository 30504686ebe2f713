"""`python -m training`, the real command on small data: what it leaves, and how it stops."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from fastai.learner import Learner
from numpy.typing import NDArray
from PIL import Image

from bot.inference.contract import Preprocess
from bot.inference.decoding import decode
from tests.support.datasets import draw_photo, draw_photos
from tests.support.training_runs import LONG, SMALL, start_training
from tests.support.warm import run
from training import command
from training.data.loading import load_photos
from training.data.photos import DataError, LabelledPhoto
from training.data.split import assign_folds
from training.draft import keep_others_out
from training.evaluation.calibration import Limits, set_limits
from training.fitting import steps
from training.fitting.batches.dataloaders import decode_pictures, make_dataloaders, make_training_loaders
from training.fitting.learner import build_learner, train
from training.fitting.one_cycle import fit
from training.fitting.one_cycle.callbacks import DivergedError, ExponentialMovingAverage
from training.fitting.one_cycle.fit import Fit, fit_layers
from training.recipe import Recipe
from training.report import command as report
from training.report import write
from training.report.write import Written
from training.runs import RunFacts, load_run, read_metrics

PICTURES = ("training-photos.png", "confusion-matrix.png", "worst-mistakes.png", "losses.png")


def test_it_leaves_a_learner_and_a_report(trained: Path) -> None:
    report = trained / "toy-report"
    assert (trained / "toy.pkl").stat().st_size > 40_000_000
    for name in PICTURES:
        with Image.open(report / name) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
    names = {file.name for file in report.iterdir()}
    assert {*PICTURES, "metrics.json", "split.csv"} <= names
    assert not {name for name in names if name.startswith("checkpoint")}  # the training is complete


def test_the_metrics_add_up(trained: Path) -> None:
    metrics = json.loads((trained / "toy-report" / "metrics.json").read_text())
    facts, evaluation = metrics["run"], metrics["evaluation"]
    photos, right = facts["photos"], evaluation["scores"]["right"]
    assert sum(photos["train"].values()) + sum(photos["valid"].values()) == 75
    assert facts["skipped"] == 2
    assert 0 <= evaluation["size_only_accuracy"] <= 1
    weighted = sum(evaluation["scores"]["recall"][label]["share"] * count for label, count in photos["valid"].items())
    assert weighted / right["photos"] == pytest.approx(right["share"])
    assert right["photos"] == evaluation["neutral"]["right"]["photos"] == sum(photos["valid"].values())
    assert [epoch["size"] for epoch in facts["history"]] == [96] * 7
    assert facts["recipe"]["seed"] == 42
    assert facts["seconds"] > 0
    assert {"fastai", "torch", "python"} <= set(facts["versions"])


def test_it_says_what_it_skips_and_what_a_naive_split_would_have_leaked(trained: Path) -> None:
    output = (trained / "output").read_text()
    assert "note.jpg: not a photo" in output
    assert "loose.jpg: it lies in no class folder" in output
    assert "30 photos share a group with others, by perceptual hash; this split parts no group." in output
    assert "A naive random split would have tested on" in output


def test_a_log_has_a_line_for_each_epoch_and_no_bars(trained: Path) -> None:
    output = (trained / "output").read_text()
    assert not set(output) & set("\r█|")
    epochs = [line for line in output.splitlines() if line.startswith("epoch ")]
    assert [line.partition(":")[0] for line in epochs] == [f"epoch {number} of 7" for number in range(1, 8)]
    assert "of held-out photos " in epochs[0]


@pytest.mark.parametrize(
    ("out", "message"), [(".", "ends in no name"), ("/", "ends in no name"), ("file/out", "Not a directory")]
)
def test_a_place_that_cannot_hold_the_net_is_one_clear_line(tmp_path: Path, out: str, message: str) -> None:
    photos = draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)
    (tmp_path / "file").touch()
    place = str(tmp_path / out) if out.startswith("file") else out
    done = run("training", "--data", str(photos), "--out", place, "--weights", "none")
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--data", "--outsiders"])
def test_a_net_is_not_put_among_the_pictures_that_the_next_training_reads(
    two_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (tmp_path / "others" / "cats").mkdir(parents=True)
    read = two_classes if option == "--data" else tmp_path / "others"
    (tmp_path / "link").symlink_to(read)
    places = ["--data", str(two_classes), "--outsiders", str(tmp_path / "others")]
    before = sorted(read.rglob("*"))
    for out in (read / "net", read / "artifacts" / "net", tmp_path / "link" / "net"):
        assert command.main([*places, "--weights", "none", "--out", str(out)]) == 2
        assert capsys.readouterr().err.startswith(f"training: --out {out} lies in {option} {read}: the next training")
    assert sorted(read.rglob("*")) == before


def test_imagenet_weights_that_cannot_be_had_name_the_other_choices(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)
    nowhere = "http://127.0.0.1:9"
    done = run(
        *("training", "--data", str(photos), "--out", str(tmp_path / "out")),
        **{"https_proxy": nowhere, "HTTPS_PROXY": nowhere, "TORCH_HOME": str(tmp_path / "cache")},
    )
    assert done.returncode == 2
    message = done.stderr.splitlines()[-1]
    assert message.startswith("training: the ImageNet weights of resnet18 cannot be downloaded")
    assert "--weights none" in message
    assert "--weights PATH" in message
    assert not (tmp_path / "out.pkl").exists()


@pytest.fixture
def two_classes(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)


def test_weights_from_a_file_are_what_the_body_starts_with(two_classes: Path, tmp_path: Path) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    photos = load_photos(two_classes, 42).photos
    learner = build_learner(photos, Recipe(weights=str(tmp_path / "weights.pth")), tmp_path, ["green", "red"])
    assert torch.equal(learner.model[0][0].weight.cpu(), state["conv1.weight"])


@pytest.mark.parametrize("options", [("--epochs", "0"), ("--keep", "linear"), ("--keep", "mean")])
def test_a_last_layer_is_not_fitted_to_a_net_that_knows_nothing(
    options: tuple[str, ...], two_classes: Path, tmp_path: Path
) -> None:
    done = run("training", "--data", str(two_classes), "--out", str(tmp_path / "out"), "--weights", "none", *options)
    assert done.returncode == 2
    assert "knows nothing that a last layer could be fitted to" in done.stderr
    assert not (tmp_path / "out.pkl").exists()


@pytest.mark.parametrize("keep", ["auto", "linear", "mean", "tuned"])
def test_few_photos_are_judged_in_folds_and_all_of_them_are_learned_from(
    keep: str, two_classes: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    photos = load_photos(two_classes, 42).photos
    recipe = replace(SMALL, weights=str(tmp_path / "weights.pth"), keep=keep)
    folds = assign_folds(photos, 42)
    *_, trained = train(photos, recipe, tmp_path, folds=folds)
    assert keep in {trained.kept, "auto"}
    assert set(trained.strange) == ({"linear", "mean", "tuned"} if keep == "auto" else set())
    assert trained.folds is not None
    files = [photo.path.read_bytes() for photo in photos]
    logits = trained.folds(files, photos)
    assert logits.shape == (len(photos), 2)
    others = trained.folds(files)  # as if they were no photos of the training: the first fold's net answers
    same = np.abs(logits - others).max(axis=1) < 1e-5
    assert same[folds == 0].all()
    assert not same[folds != 0].all()
    assert not list(tmp_path.glob("checkpoint*"))  # a fold is never resumed
    if trained.kept == "linear":  # its logits come from features, half of them rounded otherwise in bfloat16
        assert trained.unseen is not None
        assert np.corrcoef(trained.unseen.ravel(), logits.ravel())[0, 1] > 0.99


def test_a_handful_that_is_held_out_does_not_say_how_sure_answers_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos in train/ and valid/ are judged as they are parted; the limits come from all, each by its fold's net."""
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    for side, each in (("train", 8), ("valid", 3)):
        draw_photos(tmp_path / "photos" / side, classes=2, each=each, twins=0)
    told: list[int] = []

    def note(logits: NDArray[np.float32], targets: NDArray[np.int64], classes: int) -> Limits:
        told.append(len(targets))
        return set_limits(logits, targets, classes)

    monkeypatch.setattr(write, "set_limits", note)
    options = ["--weights", str(tmp_path / "weights.pth"), "--epochs", "0", "--outsiders", "none"]
    assert command.main(["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "pets"), *options]) == 0
    metrics = read_metrics(tmp_path / "pets-report")
    photos = sum(sum(side.values()) for side in metrics.run.photos.values())
    assert told == [photos]
    assert metrics.evaluation.scores.right.photos == sum(metrics.run.photos["valid"].values()) < photos
    assert report.main([str(tmp_path / "pets.pkl")]) == 0
    assert read_metrics(tmp_path / "pets-report").limits == metrics.limits, "a report that is made again keeps them"


def test_labels_are_judged_by_nets_of_all_layers_where_that_is_asked_for(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = []

    def follow(learner: Learner, photos: Sequence[LabelledPhoto], *others: Any) -> Fit:
        learned.append({photo.path for photo in photos if not photo.held_out})
        return fit_layers(learner, photos, *others)

    monkeypatch.setattr(steps, "fit_layers", follow)
    photos = load_photos(two_classes, 42).photos
    (trained,) = train(photos, SMALL, tmp_path, check_labels=True)
    _, first, second = learned
    assert first | second == {photo.path for photo in photos}
    assert not first & second
    folds = assign_folds(photos, 42, most=2)
    assert [photo.path in second for photo in photos] == (folds == 0).tolist()
    assert trained.unseen is not None
    assert np.abs(trained.unseen).max(axis=1).all()  # each photo has its answer

    (without,) = train(photos, SMALL, tmp_path)
    assert without.unseen is None
    state = trained.learner.model.state_dict()
    assert [
        name for name, value in without.learner.model.state_dict().items() if not torch.equal(value, state[name])
    ] == []


def test_a_wrong_label_is_contradicted_by_a_layer_that_did_not_learn_it(two_classes: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    photos = list(load_photos(two_classes, 42).photos)
    right = [photo.label == "red" for photo in photos]
    wrong = next(number for number, photo in enumerate(photos) if photo.label == "red" and not photo.held_out)
    photos[wrong] = replace(photos[wrong], label="green")
    recipe = replace(SMALL, weights=str(tmp_path / "weights.pth"))
    (trained,) = train(photos, recipe, tmp_path)
    assert trained.unseen is not None
    assert (trained.unseen.argmax(1) == right).all()


@pytest.mark.parametrize("keep", ["mean", "tuned"])
def test_the_last_layer_alone_is_trained_whatever_a_recipe_would_keep(
    keep: str, two_classes: Path, tmp_path: Path
) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    recipe = replace(SMALL, weights=str(tmp_path / "weights.pth"), epochs=0, keep=keep)
    (trained,) = train(load_photos(two_classes, 42).photos, recipe, tmp_path)
    assert trained.kept == "linear"


def test_all_layers_learn_from_a_photo_whose_name_is_no_utf8(two_classes: Path, tmp_path: Path) -> None:
    photo = next((two_classes / "red").iterdir())
    photo.rename(photo.with_name(os.fsdecode(b"caf\xe9.jpg")))
    (trained,) = train(load_photos(two_classes, 42).photos, SMALL, tmp_path)
    assert len(trained.history) == 1


def test_a_class_of_one_group_costs_its_labels_judgement_and_not_the_net(
    two_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [
        replace(photo, group="one") if photo.label == "red" else photo for photo in load_photos(two_classes, 42).photos
    ]
    photos = [replace(photo, held_out=photo.held_out and photo.label == "green") for photo in photos]
    (trained,) = train(photos, SMALL, tmp_path, check_labels=True)
    assert trained.unseen is None
    assert "labels are not judged: class red cannot be split" in capsys.readouterr().out


def stop(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("earlier", [False, True])
def test_ctrl_c_in_the_first_report_leaves_what_was_there_and_says_so(
    earlier: bool,
    two_classes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "_report", stop)
    files = {tmp_path / "out.pkl": "an earlier net", tmp_path / "out-report" / "metrics.json": "its figures"}
    if earlier:
        (tmp_path / "out-report").mkdir()
        for file, text in files.items():
            file.write_text(text)
    options = ("--weights", "none", "--epochs", "1", "--size", "64", "--outsiders", "none")
    assert command.main(["--data", str(two_classes), "--out", str(tmp_path / "out"), *options]) == 130
    stays = f": {tmp_path / 'out.pkl'} and its report are as they were" if earlier else ", nothing is written"
    told = f"training: stopped{stays}. The same command with --resume goes on.\n"  # its one epoch is saved
    assert capsys.readouterr().err == told
    (tmp_path / "out-report" / "checkpoint.pth").unlink()
    found = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".jpg"}
    assert found == (files if earlier else {})


def test_a_folder_in_the_place_of_the_net_is_told_before_any_photo_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.pkl").mkdir()
    words = ["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--weights", "none"]
    assert command.main(words) == 2
    message = f"training: {tmp_path / 'out.pkl'}: a folder has this name. Rename or remove it\n"
    assert capsys.readouterr() == ("", message)


def test_a_second_training_to_one_place_is_refused_and_the_first_loses_nothing(
    two_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each deleted what the other had begun, and one ended after hours without a net."""
    folder = tmp_path / "out-report"
    (folder / "out-report.part").mkdir(parents=True)
    (folder / "checkpoint.pth").write_text("the first one's")
    options = ("--weights", "none", "--epochs", "1", "--size", "64", "--outsiders", "none")
    with keep_others_out(folder):
        assert command.main(["--data", str(two_classes), "--out", str(tmp_path / "out"), *options]) == 2
    message = f"training: another training or report is writing {folder}. Wait for its end, or give another --out.\n"
    assert capsys.readouterr().err == message
    assert {path.name for path in folder.iterdir()} == {"out-report.part", "checkpoint.pth"}


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (KeyboardInterrupt(), 0, "stopped: keeping the net that was written, and its report"),
        (MemoryError(), 2, "the net that was written stays, and its report"),
    ],
)
def test_what_ends_the_second_report_leaves_the_net_of_the_first(
    error: BaseException,
    status: int,
    told: str,
    two_classes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    original, kept = write.write_report, []

    def stop_at_the_second(learner: Learner, photos: Sequence[LabelledPhoto], facts: RunFacts, *others: Any) -> Written:
        kept.append(facts.kept)
        written = original(learner, photos, facts, *others)
        if len(kept) == 2:
            raise error
        return written

    monkeypatch.setattr(command, "write_report", stop_at_the_second)
    options = ("--weights", str(tmp_path / "weights.pth"), "--size", "64", "--outsiders", "none", "--keep", "tuned")
    words = ["--data", str(two_classes), "--out", str(tmp_path / "out"), "--epochs", "1", *options]
    assert command.main(words) == status
    assert kept == ["linear", "tuned"]
    assert told in capsys.readouterr().out
    assert load_run(tmp_path / "out.pkl", None).facts.kept == "linear"
    assert not list(tmp_path.rglob("*.part"))


def test_ctrl_c_leaves_nothing_of_a_training_in_the_learner(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "_fit", stop)
    photos = load_photos(two_classes, 42).photos
    learner = build_learner(photos, SMALL, tmp_path, ["green", "red"])
    before = [type(callback) for callback in learner.cbs]
    with pytest.raises(KeyboardInterrupt):
        fit_layers(learner, photos, SMALL, None, False, None)
    assert [type(callback) for callback in learner.cbs] == before


@pytest.mark.parametrize("held_out", [True, False])
def test_a_loss_that_is_no_number_ends_the_training_with_a_line(
    held_out: bool, two_classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [replace(photo, held_out=photo.held_out and held_out) for photo in load_photos(two_classes, 42).photos]
    recipe = replace(SMALL, lr=1e30, epochs=2)
    learner = build_learner(photos, recipe, tmp_path, ["green", "red"])
    learner.dls = make_training_loaders(decode_pictures(photos, recipe, [], tmp_path), photos, recipe)
    with pytest.raises(DivergedError, match=r"no number any more. Give a lower --lr"):
        fit_layers(learner, photos, recipe, tmp_path / "checkpoint.pth", False, None)
    assert not (tmp_path / "checkpoint.pth").exists()
    if held_out:
        options = ("--weights", "none", "--outsiders", "none", "--size", "64", "--lr", "1e30", "--epochs", "2")
        assert command.main(["--data", str(two_classes), "--out", str(tmp_path / "out"), *options]) == 2
        assert "training: the training failed in epoch 1: its loss is no number" in capsys.readouterr().err
        assert not (tmp_path / "out.pkl").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4611686018427387904 bytes."),
        MemoryError(),
    ],
)
def test_a_memory_that_is_full_is_told_with_what_takes_less(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "load_photos", fill)
    assert command.main(["--data", str(tmp_path), "--out", str(tmp_path.parent / "out"), "--weights", "none"]) == 2
    assert capsys.readouterr().err.startswith("training: the memory is full. Give a smaller --batch-size")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--batch-size", "1"), "resnet18 cannot learn from batches of 1 at 32 pixels"),
        (("--arch", "alexnet"), "alexnet cannot learn from batches of 64 at 32 pixels"),
        (("--arch", "resnet1"), "there is no net called resnet1"),
        (("--weights", "nothere.pth"), "nothere.pth holds no weights of resnet18"),
        (("--outsiders", "nowhere"), "there is no folder nowhere. --outsiders takes none, generated, or a folder"),
    ],
)
def test_what_keeps_a_net_from_learning_is_told_before_any_photo_is_read(
    options: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    words = ["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--size", "32", "--weights", "none"]
    assert command.main([*words, *options]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"training: {why}")


@pytest.mark.parametrize("content", [b"hello", None, {"fc.weight": torch.zeros(1)}])
def test_weights_that_do_not_fit_are_refused(content: object, two_classes: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        torch.save(content, file)
    done = run("training", "--data", str(two_classes), "--out", str(tmp_path / "out"), "--weights", str(file))
    assert done.returncode == 2
    assert f"{file} holds no weights of resnet18" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_before_the_first_epochs_end_writes_nothing(two_classes: Path, tmp_path: Path) -> None:
    process = start_training(two_classes, tmp_path / "out")
    done = process.interrupt_at("training all layers, 500 epochs")
    assert done.returncode == 130
    assert "stopped before the first epoch was over, nothing is written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.pkl").exists()


def test_ctrl_c_while_all_layers_are_tried_keeps_the_net_of_the_last_layer(two_classes: Path, tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    process = start_training(
        two_classes, tmp_path / "out", "--weights", str(tmp_path / "weights.pth"), "--outsiders", "none", *LONG
    )
    done = process.interrupt_at("training all layers, 500 epochs")
    assert done.returncode == 0, done.stderr
    assert "stopped: keeping the net whose last layer alone was trained" in done.stdout
    assert read_metrics(tmp_path / "out-report").run.kept == "linear"
    assert load_run(tmp_path / "out.pkl", None).facts.photos["train"] == {"green": 10, "red": 10}


@pytest.mark.parametrize("size", [(120, 90), (640, 480), (147, 133), (256, 256), (31, 500), (1, 1), (1280, 960)])
def test_the_net_is_validated_on_the_very_pixels_that_the_bot_makes(size: tuple[int, int], two_classes: Path) -> None:
    """In training, from photos decoded once, and by the learner that is kept, from their files."""
    for file in two_classes.rglob("*.jpg"):
        draw_photo((0.9, 0.7, 0.5), seed=int(file.stem), size=size).save(file, quality=95)
    files = sorted(two_classes.rglob("*.jpg"))
    photos = [LabelledPhoto(file, file.parent.name, held_out=number % 3 == 0) for number, file in enumerate(files)]
    recipe = replace(SMALL, augment="strong")
    pixels = [decode(photo.path.read_bytes(), Preprocess(size=224, resize=256)) for photo in photos if photo.held_out]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's
    expected = (np.array(pixels) / 255 - mean) / deviation
    for loaders in (
        make_training_loaders(decode_pictures(photos, recipe, [], two_classes.parent), photos, recipe),
        make_dataloaders(photos, ["green", "red"], 8),
    ):
        batch, targets = next(iter(loaders.valid))
        assert np.allclose(batch.cpu().numpy().transpose(0, 2, 3, 1), expected, atol=1e-5)
        assert targets.tolist() == [int(photo.label == "red") for photo in photos if photo.held_out]


def weights_of(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def test_the_average_of_the_weights_is_what_the_learner_ends_with(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against an average worked out by hand from the weights after every step."""
    steps: list[torch.Tensor] = []
    before = ExponentialMovingAverage.after_step

    def after_step(self: ExponentialMovingAverage) -> None:
        steps.append(weights_of(self.learn.model))
        before(self)

    monkeypatch.setattr(ExponentialMovingAverage, "after_step", after_step)
    *_, trained = train(load_photos(two_classes, 42).photos, replace(SMALL, epochs=6, ema=0.3), tmp_path)
    late = steps[len(steps) * 3 // 10 + 1 :]  # the first of them is past AVERAGE_FROM
    expected = late[0]
    for number, step in enumerate(late[1:], 1):
        decay = min(0.3, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * step
    assert len(late) > 4
    assert torch.allclose(weights_of(trained.learner.model).cpu(), expected.cpu(), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights_of(trained.learner.model).cpu(), steps[-1].cpu(), rtol=1e-4, atol=1e-6)


def write_labels(file: Path, *rows: str) -> Path:
    file.write_text("\n".join(["path,label", *rows]) + "\n")
    return file


def test_labels_are_mended_where_the_folder_cannot_be_written(tmp_path: Path) -> None:
    """With a groups.csv that still says what the folders say, and with one that says what is right."""
    two_classes = draw_photos(tmp_path / "photos", classes=2, each=12, twins=0)
    mended = {"green/01.jpg": "red", "green/02.jpg": "red"}
    file = write_labels(tmp_path / "mended.csv", *(f"{path},{label}" for path, label in mended.items()))
    paths = [path.relative_to(two_classes).as_posix() for path in sorted(two_classes.rglob("*.jpg"))]
    for known in ({}, mended):
        rows = [f"{path},{known.get(path, path.split('/')[0])},{number}" for number, path in enumerate(paths)]
        (two_classes / "groups.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
        photos = {photo.path.relative_to(two_classes).as_posix(): photo for photo in load(two_classes, file)}
        for path, photo in photos.items():
            assert photo.label == mended.get(path, path.split("/")[0])
    with pytest.raises(DataError, match=r"groups.csv calls green/01.jpg red, its folder says green"):
        load(two_classes, None)


def load(folder: Path, relabel: Path | None) -> tuple[LabelledPhoto, ...]:
    return load_photos(folder, 42, relabel).photos


def test_mended_labels_that_do_not_fit_are_refused(two_classes: Path, tmp_path: Path) -> None:
    cases = {
        "green/99.jpg,red": "corrects the label of 1 photos that are not in .*, the first is green/99.jpg",
        "green/01.jpg,blue": "gives labels that no folder has: blue. There are green, red.",
        "green/01.jpg,": "gives no label for green/01.jpg. Fill it in, or remove the line.",
    }
    for row, message in cases.items():
        with pytest.raises(DataError, match=message):
            load_photos(two_classes, 42, write_labels(tmp_path / "mended.csv", row))
    (tmp_path / "other.csv").write_text("file,name\n")
    with pytest.raises(DataError, match="needs the columns path, label"):
        load_photos(two_classes, 42, tmp_path / "other.csv")
    with pytest.raises(DataError, match=r"nowhere.csv cannot be read: .* It has to be a CSV file: path,label"):
        load_photos(two_classes, 42, tmp_path / "nowhere.csv")
