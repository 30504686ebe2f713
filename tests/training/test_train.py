"""`python -m training`, the real command on small data: what it leaves, and how it stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from fastai.vision.augment import RandomResizedCrop
from fastai.vision.core import PILImage
from PIL import Image

from bot.contract import Preprocess
from bot.photo import decode
from tests.conftest import ROOT, draw_photo, draw_photos, run
from training.learner import Recipe, UprightPhoto, build_learner
from training.photos import load_photos

PICTURES = ("training-photos.png", "confusion-matrix.png", "worst-mistakes.png", "losses.png")


def test_it_leaves_a_learner_and_a_report(trained: Path) -> None:
    report = trained / "toy-report"
    assert (trained / "toy.pkl").stat().st_size > 40_000_000
    for name in PICTURES:
        with Image.open(report / name) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
    assert sorted(file.name for file in report.iterdir()) == sorted([*PICTURES, "metrics.json", "split.csv"])


def test_the_metrics_add_up(trained: Path) -> None:
    metrics = json.loads((trained / "toy-report" / "metrics.json").read_text())
    assert metrics["error_rate"] == pytest.approx(1 - metrics["accuracy"])
    photos = metrics["photos"]
    assert sum(photos["train"].values()) + sum(photos["valid"].values()) == 75
    assert metrics["skipped"] == 2
    assert set(metrics["neutral"]) == {"accuracy", "recall", "precision"}
    assert 0 <= metrics["size_only_accuracy"] <= 1
    weighted = sum(metrics["recall"][label] * count for label, count in photos["valid"].items())
    assert weighted / sum(photos["valid"].values()) == pytest.approx(metrics["accuracy"])
    assert [epoch["size"] for epoch in metrics["history"]] == [64] * 3 + [224] * 8
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
    options = ("--weights", str(tmp_path / "weights.pth"), "--epochs", "1")
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


def start_training(photos: Path, out: Path) -> subprocess.Popen[str]:
    options = ["--weights", "none", "--epochs", "500", "--lr", "1e-3", "--batch-size", "8"]
    command = [sys.executable, "-W", "ignore", "-m", "training", "--data", str(photos), "--out", str(out), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)


def read_until(process: subprocess.Popen[str], text: str, seconds: float = 120) -> None:
    seen, deadline = "", time.monotonic() + seconds
    assert process.stdout
    while text not in seen:
        assert time.monotonic() < deadline, seen
        seen += process.stdout.read(1)


def test_ctrl_c_keeps_the_best_epoch_so_far(two_classes: Path, tmp_path: Path) -> None:
    process = start_training(two_classes, tmp_path / "out")
    read_until(process, "Epoch 3/500")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "keeping the best epoch so far" in output
    metrics = json.loads((tmp_path / "out-report" / "metrics.json").read_text())
    assert metrics["interrupted"]
    assert 2 <= len(metrics["history"]) < 10
    assert (tmp_path / "out.pkl").exists()


def test_ctrl_c_before_the_first_epochs_end_writes_nothing(two_classes: Path, tmp_path: Path) -> None:
    process = start_training(two_classes, tmp_path / "out")
    read_until(process, "Epoch 1/500")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped before the first epoch was over, nothing is written" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out.pkl").exists()


@pytest.mark.parametrize("size", [(120, 90), (640, 480), (147, 133), (256, 256), (31, 500), (1, 1), (1280, 960)])
def test_the_net_is_validated_on_the_very_pixels_that_the_bot_makes(size: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    draw_photo((0.9, 0.7, 0.5), seed=3, size=size).save(file, quality=95)
    crop = RandomResizedCrop(224, min_scale=0.5)
    pixels = decode(file.read_bytes(), Preprocess(size=224, resize=256))
    for photo in (UprightPhoto.create(file), PILImage.create(file)):
        assert np.array_equal(pixels, np.asarray(crop(photo, split_idx=1)))
