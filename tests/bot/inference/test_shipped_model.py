"""artifacts/mask.onnx, the file that ships."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from bot.inference.classifier import Classifier
from tests.support.paths import MASKS, ROOT
from tests.support.photos import encode

MODEL = ROOT / "artifacts" / "mask.onnx"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(MODEL, threads=2)


def test_it_is_small_and_says_what_it_is(classifier: Classifier) -> None:
    assert MODEL.stat().st_size < 12_500_000
    assert classifier.contract.labels == ("with_mask", "without_mask")
    assert classifier.contract.arch == "resnet18"
    metrics = json.loads(classifier.contract.metrics)
    assert metrics["precision"] == "int8"
    assert metrics["evaluation"]["scores"]["right"]["share"] > 0.97
    assert classifier.contract.unsure.outsider is not None
    assert sum(json.loads(classifier.contract.trained_on)["photos"].values()) == 6370


@pytest.mark.parametrize("grain", [1, 8, 64])
def test_noise_gets_no_label(classifier: Classifier, grain: int) -> None:
    cells = np.random.default_rng(grain).integers(0, 256, (512 // grain, 512 // grain, 3), np.uint8)
    noise = Image.fromarray(cells).resize((512, 512), Image.Resampling.NEAREST)
    assert classifier.classify(encode(noise, "PNG")).unsure


@pytest.mark.skipif(not MASKS.is_dir(), reason="the mask photos are not beside the repository")
def test_it_is_right_on_real_photos(classifier: Classifier) -> None:
    """Most of them were trained on: this finds a broken file or decoder, not how good the model is."""
    with (MASKS / "groups.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))[::20]
    right = [classifier.classify((MASKS / row["path"]).read_bytes()).label == row["label"] for row in rows]
    assert sum(right) / len(right) > 0.97
