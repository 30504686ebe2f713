"""Heat maps of any net."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fastai.vision.learner import create_vision_model
from torch import Tensor, nn

from training.evaluation.grad_cam import compute_heat
from training.fitting.architectures import find_arch


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
