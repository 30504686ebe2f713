"""The last layer, fitted to the features of a body that stays as it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from training.fitting.architectures import make_head
from training.fitting.batches.augment import SQUISHED, STRENGTHS
from training.fitting.batches.dataloaders import Pictures
from training.fitting.linear import COPIES, Features, compute_features, fit_head

BODY = nn.Sequential(nn.Conv2d(3, 4, 32, stride=32), nn.BatchNorm2d(4), nn.ReLU())


def draw_pixels(count: int) -> torch.Tensor:
    shape = (count, SQUISHED, SQUISHED, 3)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_features_are_of_each_picture_and_its_copies_and_leave_the_body_as_it_is() -> None:
    pixels = draw_pixels(3)
    before = {name: value.clone() for name, value in BODY.state_dict().items()}
    features = compute_features(BODY, pixels, STRENGTHS["light"], 1)
    assert features.values.shape == (3 * (1 + COPIES), 4)
    assert features.pictures.tolist() == [0, 1, 2] * (1 + COPIES)
    assert not np.allclose(features.values[:3], features.values[3:6])
    assert all(torch.equal(value, before[name]) for name, value in BODY.state_dict().items())


def separate(rows: list[int], width: int) -> Features:
    """Features that are one number for each class, and noise."""
    values = np.random.default_rng(1).normal(size=(len(rows), width)).astype(np.float32)
    values[np.arange(len(rows)), rows] += 9
    return Features(values, np.arange(len(rows)))


def test_classes_and_outsiders_are_told_apart_whatever_their_number() -> None:
    targets = [0] * 400 + [1] * 50 + [2] * 120
    pictures = Pictures(torch.empty(0), torch.tensor(targets), 450, [np.arange(450, 570)])
    net = nn.Sequential(nn.Identity(), make_head(8, 3))
    features = separate(targets, 8)
    fit_head(net, features, pictures, [np.arange(400), np.arange(400, 450)], share=0.15)
    with torch.inference_mode():
        answers = net[1][-1](torch.from_numpy(features.values)).argmax(1)
    assert answers.tolist() == targets


def test_photos_that_are_left_out_say_nothing() -> None:
    """With two classes and no outsiders, where scikit-learn has one row of coefficients."""
    targets = [0, 1] * 20
    pictures = Pictures(torch.empty(0), torch.tensor(targets), 40, [])
    layers = []
    for noise in (0, 100):
        features = separate(targets, 4)
        features.values[30:] += noise
        net = nn.Sequential(nn.Identity(), make_head(4, 2))
        fit_head(net, features, pictures, [np.arange(0, 30, 2), np.arange(1, 30, 2)], share=0.15)
        layers.append(net[1][-1].weight.detach())
        assert net[1][-1](torch.from_numpy(features.values[:30])).argmax(1).tolist() == targets[:30]
    assert torch.equal(layers[0], layers[1])
