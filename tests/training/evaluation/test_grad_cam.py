"""Heat maps, and the answers that are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.vision.learner import create_vision_model
from torch import Tensor, nn

from training.data.photos import LabelledPhoto
from training.evaluation.grad_cam import MAX_SUSPECTS, Answer, choose_samples, compute_heat, find_suspects, give_answers
from training.fitting.architectures import find_arch


def answer(label: str, predicted: str, probability: float, name: str = "1.jpg") -> Answer:
    return Answer(LabelledPhoto(Path(label) / name, label), predicted, probability, 1 - probability)


def build_color_net() -> nn.Module:
    """Two features, redness and blueness in 4 x 4 places; each speaks for a label, and both for an outsider."""
    body = nn.Conv2d(3, 2, kernel_size=8, stride=8, bias=False)
    body.weight.data.zero_()
    body.weight.data[0, 0] = body.weight.data[1, 2] = 1 / 64
    last = nn.Linear(2, 3, bias=False)
    last.weight.data = torch.tensor([[3.0, 0.0], [0.0, 3.0], [99.0, 99.0]])
    return nn.Sequential(body, nn.Sequential(nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last))


def paint(large: int, small: int) -> Tensor:
    """float32 `[3, 32, 32]`: a patch of one channel at the top left, a smaller one of another at the bottom right."""
    photo = torch.zeros(3, 32, 32)
    photo[large, :16, :16] = 1
    photo[small, 24:, 24:] = 1
    return photo


def test_the_heat_lies_on_the_patch_that_decides() -> None:
    heat, best = compute_heat(build_color_net(), torch.stack([paint(0, 2), paint(2, 0)]), labels=2)
    assert best.tolist() == [0, 1]
    expected = np.zeros((4, 4))
    expected[:2, :2] = 1
    assert np.allclose(heat, [expected, expected], atol=1e-6)


def test_a_photo_is_explained_alike_alone_and_among_others() -> None:
    """Batch normalisation of a net in training would mix the photos of a batch."""
    net = build_color_net().train()
    batch = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    together, _ = compute_heat(net, batch, labels=2)
    alone, _ = compute_heat(net.train(), batch[:1], labels=2)
    assert np.allclose(together[0], alone[0], atol=1e-6)


@pytest.mark.parametrize("arch", ["resnet34", "densenet121", "squeezenet1_1", "vgg11_bn"])
def test_other_bodies_are_explained_too(arch: str) -> None:
    torch.manual_seed(0)
    net = create_vision_model(find_arch(arch), 3, pretrained=False)
    heat, best = compute_heat(net, torch.randn(2, 3, 96, 96), labels=2)
    assert heat.shape[0] == 2
    assert heat.shape[1] == heat.shape[2] >= 3
    assert np.isfinite(heat).all()
    assert 0 <= heat.min() <= heat.max() <= 1
    assert set(best.tolist()) <= {0, 1}


def test_suspects_are_the_surest_contradictions_first() -> None:
    sure, surer = answer("cat", "dog", 0.6), answer("dog", "cat", 0.9)
    answers = [answer("cat", "cat", 0.99), sure, answer("cat", "dog", 0.49), surer]
    assert find_suspects(answers) == [surer, sure]
    assert len(find_suspects([sure] * (MAX_SUSPECTS + 1))) == MAX_SUSPECTS


def test_an_answer_is_the_best_label_with_its_probability() -> None:
    photos = [LabelledPhoto(Path("1.jpg"), "dog"), LabelledPhoto(Path("2.jpg"), "cat")]
    wrong, right = give_answers(photos, np.array([[0.75, 0.25], [0.5, 0.25]], np.float32), ("cat", "dog"))
    assert (wrong.predicted, wrong.probability, wrong.truth, wrong.right) == ("cat", 0.75, 0.25, False)
    assert (right.predicted, right.probability, right.truth, right.right) == ("cat", 0.5, 0.5, True)


def test_samples_are_right_ones_and_the_worst_wrong_of_each_class() -> None:
    right = [answer("cat", "cat", 0.5 + number / 10) for number in range(4)]
    wrong = [answer("cat", "dog", probability) for probability in (0.6, 0.9, 0.7)]
    only = answer("dog", "dog", 0.8)
    cats, dogs = choose_samples([*right, only, *wrong], ["cat", "dog"])
    assert [(one.predicted, one.probability) for one in cats] == [
        ("cat", 0.6),
        ("cat", 0.8),
        ("dog", 0.9),
        ("dog", 0.7),
    ]
    assert dogs == [only]
