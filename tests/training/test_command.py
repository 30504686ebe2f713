"""`python -m training`, the real command on small data: what it leaves, and how it stops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from fastai.callback.mixup import CutMix
from fastai.torch_basics import Pipeline
from fastai.vision.core import PILImage
from PIL import Image

from bot.inference.contract import Preprocess
from bot.inference.decoding import ENOUGH_JPEG, decode
from tests.support.datasets import draw_photo, draw_photos
from tests.support.training_runs import SMALL, start_training
from tests.support.warm import run
from training.data.loading import load_photos
from training.data.photos import DataError, LabelledPhoto
from training.fitting.architectures import WeightsError
from training.fitting.augment import item_transform
from training.fitting.callbacks import Average
from training.fitting.dataloaders import UprightPhoto
from training.fitting.learner import build_learner, load_net, train
from training.recipe import Recipe, plan
from training.runs import read_learner

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
    assert metrics["error_rate"] == pytest.approx(1 - metrics["accuracy"])
    photos = metrics["photos"]
    assert sum(photos["train"].values()) + sum(photos["valid"].values()) == 75
    assert metrics["skipped"] == 2
    assert {"accuracy", "recall", "precision"} <= set(metrics["neutral"])
    assert 0 <= metrics["size_only_accuracy"] <= 1
    weighted = sum(metrics["recall"][label] * count for label, count in photos["valid"].items())
    assert weighted / sum(photos["valid"].values()) == pytest.approx(metrics["accuracy"])
    assert [epoch["size"] for epoch in metrics["history"]] == [48] * 3 + [96] * 4
    assert metrics["recipe"]["seed"] == 42
    assert metrics["seconds"] > 0
    assert {"fastai", "torch", "python"} <= set(metrics["versions"])


def test_it_says_what_it_skips_and_what_a_naive_split_would_have_leaked(trained: Path) -> None:
    output = (trained / "output").read_text()
    assert "note.jpg: not a photo" in output
    assert "loose.jpg: it lies in no class folder" in output
    assert "30 photos are near-duplicates of another, by perceptual hash; this split parts none of them." in output
    assert "A naive random split would have tested on" in output


def test_imagenet_weights_that_cannot_be_had_name_the_other_choices(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", classes=2, each=10, twins=0)
    nowhere = "http://127.0.0.1:9"
    done = run(
        *("training", "--data", str(photos), "--out", str(tmp_path / "out")),
        **{"https_proxy": nowhere, "HTTPS_PROXY": nowhere, "TORCH_HOME": str(tmp_path / "cache")},
    )
    assert done.returncode == 2
    message = done.stderr.splitlines()[-1]
    assert message.startswith("training: torchvision's ImageNet weights of resnet18 cannot be downloaded")
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
    learner = build_learner(photos, Recipe(weights=str(tmp_path / "weights.pth")), tmp_path)
    assert torch.equal(learner.model[0][0].weight.cpu(), state["conv1.weight"])


def test_a_file_of_weights_is_fine_tuned_with_the_learning_rate_finder(two_classes: Path, tmp_path: Path) -> None:
    """As from ImageNet weights: an epoch with the body frozen, then the epochs asked for."""
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pth")
    out = tmp_path / "out"
    options = ("--weights", str(tmp_path / "weights.pth"), "--epochs", "1", "--size", "48")
    done = run("training", "--data", str(two_classes), "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    assert "the learning-rate finder" in done.stdout or "the finder found none" in done.stdout
    assert len(json.loads((tmp_path / "out-report" / "metrics.json").read_text())["history"]) == 2


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


def test_a_training_goes_on_from_a_learner_head_and_all(two_classes: Path, tmp_path: Path) -> None:
    file = tmp_path / "teacher.pkl"
    photos = train_a_teacher(two_classes, file.with_suffix(""))
    recipe = replace(SMALL, weights=str(file))
    learner = build_learner(photos, recipe, tmp_path)
    assert torch.equal(weights_of(learner.model), weights_of(read_learner(file).model))
    assert [phase.frozen for phase in plan(recipe, 1e-3)] == [False]
    with pytest.raises(WeightsError, match="holds no resnet34"):
        build_learner(photos, replace(recipe, arch="resnet34"), tmp_path)


def test_ctrl_c_before_the_first_epochs_end_writes_nothing(two_classes: Path, tmp_path: Path) -> None:
    process = start_training(two_classes, tmp_path / "out")
    process.read_until("Epoch 1/500")
    process.interrupt()
    done = process.wait(120)
    assert done.returncode == 130
    assert "stopped before the first epoch was over, nothing is written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.pkl").exists()


@pytest.mark.parametrize("strong", [False, True])
@pytest.mark.parametrize("size", [(120, 90), (640, 480), (147, 133), (256, 256), (31, 500), (1, 1), (1280, 960)])
def test_the_net_is_validated_on_the_very_pixels_that_the_bot_makes(
    size: tuple[int, int], strong: bool, tmp_path: Path
) -> None:
    file = tmp_path / "photo.jpg"
    draw_photo((0.9, 0.7, 0.5), seed=3, size=size).save(file, quality=95)
    pixels = decode(file.read_bytes(), Preprocess(size=224, resize=256))
    for photo in (UprightPhoto.create(file), PILImage.create(file)):
        seen = np.asarray(Pipeline(item_transform(224, strong), split_idx=1)(photo))
        if isinstance(photo, UprightPhoto) or min(size) < 2 * ENOUGH_JPEG:
            assert np.array_equal(pixels, seen)
        else:  # fastai's own opening decodes large JPEGs in full; training's is the bot's
            assert np.abs(pixels.astype(int) - seen).mean() < 1


def test_strong_augmentation_leaves_whole_validation_batches_untouched(two_classes: Path, tmp_path: Path) -> None:
    """Item and batch transforms together: what the net is fed is the bot's pixels, normalised."""
    photos = load_photos(two_classes, 42).photos
    learner = build_learner(photos, Recipe(weights="none", augment="strong", outsiders="none"), tmp_path)
    batch = learner.dls.valid.one_batch()[0].cpu().numpy().transpose(0, 2, 3, 1)
    pixels = [decode(photo.path.read_bytes(), Preprocess(size=224, resize=256)) for photo in photos if photo.held_out]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's
    assert np.allclose(batch, (np.array(pixels) / 255 - mean) / deviation, atol=1e-5)


def weights_of(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def test_the_average_of_the_weights_is_what_the_learner_ends_with(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against an average worked out by hand from the weights after every step."""
    steps: list[torch.Tensor] = []
    before = Average.after_step

    def after_step(self: Average) -> None:
        steps.append(weights_of(self.learn.model))
        before(self)

    monkeypatch.setattr(Average, "after_step", after_step)
    trained = train(load_photos(two_classes, 42).photos, replace(SMALL, epochs=2, ema=0.7), tmp_path)
    expected = steps[0]
    for step in steps[1:]:
        expected = 0.7 * expected + 0.3 * step
    assert len(steps) > 4
    assert torch.allclose(weights_of(trained.learner.model).cpu(), expected.cpu(), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights_of(trained.learner.model).cpu(), steps[-1].cpu(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_photos_are_blended_and_labels_smoothed(mix: str, two_classes: Path, tmp_path: Path) -> None:
    photos = load_photos(two_classes, 42).photos
    plain = train(photos, SMALL, tmp_path)
    mixed = train(photos, replace(SMALL, mix=mix, label_smoothing=0.1), tmp_path)
    assert not torch.equal(weights_of(plain.learner.model), weights_of(mixed.learner.model))
    assert mixed.learner.loss_func.eps == 0.1  # and not what mixing puts in its place for the time of an epoch


def test_the_polish_sees_unmixed_photos_at_the_bots_size(
    two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed: list[int] = []
    before = CutMix.before_batch

    def before_batch(self: CutMix) -> None:
        mixed.append(self.x.shape[-1])
        before(self)

    monkeypatch.setattr(CutMix, "before_batch", before_batch)
    recipe = replace(SMALL, size=48, mix="cutmix", polish_epochs=1)
    trained = train(load_photos(two_classes, 42).photos, recipe, tmp_path)
    assert [epoch.size for epoch in trained.history] == [48] * SMALL.epochs + [224]
    assert set(mixed) == {48}


def test_the_polish_comes_last_at_a_tenth_of_the_rate() -> None:
    *_, scratch = plan(Recipe(weights="none", start_epochs=2, polish_epochs=3), 1e-2)
    *_, tuned = plan(Recipe(polish_epochs=3), 1e-2)
    assert (scratch.epochs, scratch.size) == (3, 224)
    assert scratch.lr == pytest.approx(1e-3)
    assert isinstance(tuned.lr, slice)
    assert tuned.lr.stop == pytest.approx(5e-4)
    assert all(phase.size == 224 for phase in plan(Recipe(polish_epochs=1), 1e-2))
    assert len(plan(Recipe(), 1e-2)) == 2


def train_a_teacher(photos: Path, out: Path) -> list[LabelledPhoto]:
    done = run("training", "--data", str(photos), "--out", str(out), *TEACHER)
    assert done.returncode == 0, done.stderr
    return list(load_photos(photos, 42).photos)


TEACHER = ("--weights", "none", "--epochs", "1", "--size", "64", "--lr", "1e-3", "--outsiders", "none")


def test_a_teacher_gives_the_targets_and_is_refused_where_it_does_not_fit(two_classes: Path, tmp_path: Path) -> None:
    file = tmp_path / "teacher.pkl"
    photos = train_a_teacher(two_classes, file.with_suffix(""))
    recipe = replace(SMALL, epochs=1, teacher=str(file))
    student = train(photos, recipe, tmp_path)
    # Labels turned round: the student learns the same, since it never looks at them.
    other = {"red": "green", "green": "red"}
    turned = [photo if photo.held_out else replace(photo, label=other[photo.label]) for photo in photos]
    assert torch.equal(weights_of(train(turned, recipe, tmp_path).learner.model), weights_of(student.learner.model))
    assert not torch.equal(weights_of(train(photos, SMALL, tmp_path).learner.model), weights_of(student.learner.model))
    loss = student.history[-1].train_loss
    assert 0 <= loss < 4 * np.log(2)  # KL divergence at temperature 2, of two classes

    with pytest.raises(WeightsError, match="knows green, red, this training blue, red"):
        load_net(file, photos, ["blue", "red"])
    swapped = [replace(photo, held_out=not photo.held_out) for photo in photos]
    taught = sum(photo.held_out for photo in swapped)
    with pytest.raises(WeightsError, match=f"has seen {taught} of the photos held out here"):
        load_net(file, swapped, ["green", "red"])
    with pytest.raises(WeightsError, match=r"nowhere.pkl is no learner to learn from: .* a NAME.pkl with its report"):
        load_net(tmp_path / "nowhere.pkl", photos, ["green", "red"])


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
        "green/01.jpg,": "gives labels that no folder has: .",
    }
    for row, message in cases.items():
        with pytest.raises(DataError, match=message):
            load_photos(two_classes, 42, write_labels(tmp_path / "mended.csv", row))
    (tmp_path / "other.csv").write_text("file,name\n")
    with pytest.raises(DataError, match="needs the columns path and label"):
        load_photos(two_classes, 42, tmp_path / "other.csv")
    with pytest.raises(DataError, match=r"nowhere.csv cannot be read: .* --relabel takes a CSV file"):
        load_photos(two_classes, 42, tmp_path / "nowhere.csv")
