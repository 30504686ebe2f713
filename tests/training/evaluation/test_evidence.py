"""Pairs of photos with and without something drawn onto them, and how near to it the evidence lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from bot.inference.contract import Preprocess
from bot.inference.decoding import decode
from tests.support.paths import MASKS
from training.data.photos import LabelledPhoto
from training.evaluation.evidence import find_boxes, find_pairs, measure_location, weigh_cells


def test_the_cells_parts_add_up_to_the_logits_but_for_their_mean() -> None:
    torch.manual_seed(0)
    linear, features = nn.Linear(6, 4), torch.rand(2, 6, 3, 3)
    weight, bias = weigh_cells(linear, classes=3, temperature=0.5, cells=9)
    evidence = nn.functional.conv2d(features, weight, bias)  # [2, 3, 3, 3]
    logits = (linear(features.mean(dim=(2, 3)))[:, :3] / 0.5).softmax(dim=1)
    assert torch.allclose(evidence.sum(dim=(2, 3)).softmax(dim=1), logits, atol=1e-6)
    assert evidence.mean(dim=1).abs().max() < 1e-6


def test_pairs_are_of_one_collection_and_of_two_labels() -> None:
    names = ("a/on/1-m.jpg", "a/off/1.jpg", "a/on/2-m.jpg", "b/off/2.jpg", "a/off/3-m.jpg", "a/off/3.jpg")
    photos = [LabelledPhoto(Path(name), name.split("/")[1], collection=name[0]) for name in names]
    (pair,) = find_pairs(photos)
    assert (pair.plain, pair.drawn) == (photos[1], photos[0])


def draw(*boxes: tuple[int, int, int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Noise, and the same with boxes drawn onto it, each pixel a little off as after compression."""
    rng = np.random.default_rng(0)
    plain = rng.integers(60, 200, (224, 224, 3))
    drawn = plain + rng.integers(-15, 16, plain.shape)
    for top, left, bottom, right in boxes:
        drawn[top:bottom, left:right] = plain[top:bottom, left:right] + 50
    return plain.astype(np.uint8), drawn.clip(0, 255).astype(np.uint8)


def test_boxes_are_where_something_was_drawn() -> None:
    boxes = (40, 30, 90, 80), (100, 150, 130, 200)
    assert sorted(map(tuple, find_boxes(*draw(*boxes)).tolist())) == sorted(boxes)
    assert len(find_boxes(*draw())) == 0


def test_evidence_is_near_where_its_cells_are() -> None:
    """Cell (1, 1) of 7 has its middle at pixel 48: in the box, a pixel too far, or beyond a cell."""
    heat = np.zeros((1, 7, 7), np.float32)
    heat[0, 1, 1], heat[0, 6, 6], heat[0, 3, 3] = 3, 1, -9

    def locate(*box: int) -> tuple[float, float, float]:
        location = measure_location(heat, [np.array([box])])
        assert location is not None
        return location.peak, location.within_cell, location.within_half_cell

    assert locate(32, 32, 64, 64) == (1, 0.75, 0.75)
    assert locate(64, 32, 90, 64) == (1, 0.75, 0.75)  # 16 pixels away
    assert locate(65, 32, 90, 64) == (0, 0.75, 0)
    assert locate(81, 32, 90, 64) == (0, 0, 0)
    assert measure_location(heat, [np.zeros((0, 4), np.int64)]) is None


@pytest.mark.skipif(not MASKS.is_dir(), reason="the mask photos are not beside the repository")
def test_the_drawn_masks_are_found() -> None:
    files = sorted((MASKS / "drawn").glob("*/*.jpg"))
    pairs = find_pairs([LabelledPhoto(file, file.parent.name, collection="drawn") for file in files])
    assert len(pairs) == 169
    preprocess = Preprocess(224, 256)
    found = [
        len(find_boxes(*(decode(photo.path.read_bytes(), preprocess) for photo in (pair.plain, pair.drawn))))
        for pair in pairs[::10]
    ]
    assert sum(count > 0 for count in found) >= 16
