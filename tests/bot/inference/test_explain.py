"""Which part of a photo speaks for its label, and how that is drawn."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from bot.inference.classifier import Classifier
from bot.inference.contract import ModelError
from bot.inference.explain import explain
from tests.support.models import write_color_model
from tests.support.photos import COLORS, draw, draw_corner, encode


@pytest.fixture(scope="module")
def classifier(color_model: Path) -> Classifier:
    return Classifier(color_model, threads=1)


def differences(photo: Image.Image, picture: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.int_]]:
    """By how many levels each pixel of the picture differs from the photo: `[height, width]`."""
    shown = Image.open(io.BytesIO(picture)).convert("RGB")
    before = photo.resize(shown.size, Image.Resampling.BICUBIC)
    return np.abs(np.asarray(shown, int) - np.asarray(before, int)).max(2)


@pytest.mark.parametrize("color", COLORS)
def test_the_area_of_the_label_is_coloured_and_the_rest_stays_as_it_is(color: str, classifier: Classifier) -> None:
    photo = draw_corner(color, (640, 480))
    explanation = explain(encode(photo, "PNG"), classifier)
    assert explanation.prediction.label == color
    assert explanation.picture
    changed = differences(photo, explanation.picture)
    height, width = changed.shape
    assert changed[height // 2 :, width // 2 :].min() > 20
    assert changed[: height // 4, : width // 4].max() < 20  # JPEG's own error


def test_the_edge_of_what_the_net_sees_is_not_drawn(classifier: Classifier) -> None:
    photo = Image.new("RGB", (512, 512), (40, 40, 40))
    photo.paste(COLORS["red"], (256, 0, 512, 512))
    picture = explain(encode(photo, "PNG"), classifier).picture
    assert picture
    shown = np.asarray(Image.open(io.BytesIO(picture)), int)
    column = shown[:, 400]  # inside the area from the upper to the lower edge
    assert np.ptp(column, axis=0).max() < 30
    assert shown.shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("size", "shown"),
    [((90, 90), (480, 480)), ((100, 50), (960, 480)), ((2000, 100), (1280, 64)), ((1280, 960), (640, 480))],
)
def test_the_picture_is_large_enough_to_look_at(
    size: tuple[int, int], shown: tuple[int, int], classifier: Classifier
) -> None:
    picture = explain(encode(draw_corner("red", size)), classifier).picture
    assert picture
    assert Image.open(io.BytesIO(picture)).size == shown


def test_the_picture_is_sharper_than_what_the_net_sees(classifier: Classifier) -> None:
    """Stripes of two pixels of 1280 are there; of a quarter as many pixels they would be one grey."""
    pixels = np.array(draw_corner("red", (1280, 960)))
    pixels[:320, np.arange(1280) % 4 < 2] = 100
    picture = explain(encode(Image.fromarray(pixels)), classifier).picture
    assert picture
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), float)
    assert shown.shape == (480, 640)
    assert shown[10:100, 10:100].std() > 15


def test_a_plain_photo_has_no_single_area(classifier: Classifier) -> None:
    explanation = explain(encode(draw("green")), classifier)
    assert (explanation.prediction.label, explanation.picture) == ("green", None)


def test_evidence_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    model = onnx.load(write_color_model(tmp_path / "m.onnx"))
    (shares,) = [tensor for tensor in model.graph.initializer if tensor.name == "shares"]
    shares.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(shares) * 2, "shares"))
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(ModelError, match="evidence does not add up"):
        Classifier(tmp_path / "wrong.onnx", threads=1)


def test_evidence_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = onnx.load(write_color_model(tmp_path / "m.onnx"))
    model.graph.output[-1].type.tensor_type.shape.dim[2].dim_value = 8
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(ModelError, match=r"evidence float32 \[batch, 3, 7, 7\]|other shapes"):
        Classifier(tmp_path / "wrong.onnx", threads=1)
