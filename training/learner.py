"""Labelled photos -> a trained fastai Learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import fastai.callback.schedule  # noqa: F401  # gives Learner fine_tune, fit_one_cycle and lr_find
import numpy as np
import torch
import torchvision
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import IndexSplitter, Normalize, parent_label
from fastai.learner import Learner
from fastai.metrics import accuracy, error_rate
from fastai.torch_core import set_seed
from fastai.vision.augment import RandomResizedCrop, aug_transforms
from fastai.vision.core import PILImage, imagenet_stats
from fastai.vision.data import ImageBlock
from fastai.vision.learner import create_body, model_meta, vision_learner
from numpy.typing import NDArray

from bot.contract import SIZE
from bot.photo import read
from training.callbacks import Bfloat16, Epoch, KeepBest, interrupt_between_batches
from training.photos import LabelledPhoto

FALLBACK_LR = 2e-3
"""fastai's own default for fine_tune."""
MIN_STEPS = 4
"""Batches that an epoch has at least; with few photos they are made smaller for it."""


class WeightsError(Exception):
    """The net or its starting weights cannot be had; the message says what to do."""


class UprightPhoto(PILImage):
    """A photo decoded as the bot decodes it (fastai's own PILImage ignores EXIF orientation and transparency)."""

    @classmethod
    def create(cls, fn: Path | str | bytes, **_: Any) -> UprightPhoto:
        photo: UprightPhoto = cls(read(fn if isinstance(fn, bytes) else Path(fn).read_bytes()))
        return photo


@dataclass(frozen=True)
class Recipe:
    """How a net is trained."""

    arch: str = "resnet18"
    weights: str = "imagenet"
    """`imagenet`, `none`, or the path of a state dict of `arch` in torchvision's form."""
    epochs: int = 4
    start_epochs: int = 0
    """Epochs on small photos before them (progressive resizing)."""
    start_size: int = 128
    """Width and height in pixels of the small photos."""
    batch_size: int = 64
    lr: float | None = None
    """Highest learning rate; None: fastai's learning-rate finder."""
    seed: int = 42

    @property
    def pretrained(self) -> bool:
        return self.weights != "none"


@dataclass
class Trained:
    learner: Learner
    history: list[Epoch]
    interrupted: bool
    """Ctrl-C ended the training; the learner holds the best epoch before it."""


def train(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path) -> Trained:
    """Train a net on the photos that are not held out.

    Ctrl-C keeps the epoch with the lowest validation loss so far; before the first epoch's end it raises
    KeyboardInterrupt. Raises WeightsError if the starting weights cannot be had. `folder` is where the
    learning-rate finder keeps its temporary file.
    """
    set_seed(recipe.seed, reproducible=True)
    learner = build_learner(photos, recipe, folder)
    epochs = KeepBest()
    learner.add_cbs([epochs, ChannelsLast(), *_half_precision(learner)])
    interrupted = False
    try:
        with interrupt_between_batches(learner):
            _fit(learner, photos, recipe)
    except KeyboardInterrupt:
        if epochs.best is None:
            raise KeyboardInterrupt(" before the first epoch was over, nothing is written") from None
        learner.model.load_state_dict(epochs.best)
        learner.dls = make_dataloaders(photos, recipe, SIZE)
        interrupted = True
    learner.remove_cbs([KeepBest, ChannelsLast, Bfloat16])
    learner.to_fp32()
    learner.model.to(memory_format=torch.contiguous_format)
    return Trained(learner, epochs.history, interrupted)


def make_dataloaders(photos: Sequence[LabelledPhoto], recipe: Recipe, size: int) -> DataLoaders:
    """fastai's DataLoaders: batches of float32 `[batch, 3, size, size]` and class numbers, as its users know them."""
    labels = sorted({photo.label for photo in photos})
    block = DataBlock(
        blocks=(ImageBlock(UprightPhoto), CategoryBlock(vocab=labels)),
        get_y=parent_label,
        splitter=IndexSplitter([index for index, photo in enumerate(photos) if photo.held_out]),
        item_tfms=RandomResizedCrop(size, min_scale=0.5),
        # fastai adds Normalize by itself for pretrained nets only; every net here gets it, and the export reads it.
        batch_tfms=[*aug_transforms(), Normalize.from_stats(*imagenet_stats)],
    )
    # fastai drops a last batch that is not full: with few photos a large batch would leave hardly a step to train.
    trained_on = sum(not photo.held_out for photo in photos)
    batch_size = min(recipe.batch_size, max(2, trained_on // MIN_STEPS))
    return block.dataloaders([photo.path for photo in photos], bs=batch_size)


def build_learner(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path) -> Learner:
    """An untrained Learner with the recipe's starting weights. Raises WeightsError if they cannot be had."""
    arch = getattr(torchvision.models, recipe.arch, None)
    if arch not in model_meta:
        known = ", ".join(sorted(known.__name__ for known in model_meta))
        raise WeightsError(f"there is no net called {recipe.arch}. --arch takes one of {known}.")
    dls = make_dataloaders(photos, recipe, SIZE)
    make = {"dls": dls, "arch": arch, "metrics": [accuracy, error_rate], "path": folder, "model_dir": "."}
    if recipe.weights == "imagenet":
        try:
            return vision_learner(**make, pretrained=True)
        except (URLError, OSError) as error:
            raise WeightsError(
                f"torchvision's ImageNet weights of {recipe.arch} cannot be downloaded ({error}). "
                "Go online once, or choose --weights none (from scratch: more epochs and photos needed) "
                "or --weights PATH (a state dict of the net that you have)."
            ) from error
    learner = vision_learner(**make, pretrained=False)
    if recipe.pretrained:
        learner.model[0].load_state_dict(_read_body(Path(recipe.weights), arch).state_dict())
    return learner


def _read_body(path: Path, arch: Any) -> torch.nn.Module:
    net = arch(weights=None)
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load and load_state_dict raise many types
        raise WeightsError(
            f"{path} holds no weights of {arch.__name__}: {str(error).splitlines()[0]} "
            "--weights takes imagenet, none, or a state dict in torchvision's form."
        ) from error
    return create_body(net, cut=model_meta[arch]["cut"])


def _fit(learner: Learner, photos: Sequence[LabelledPhoto], recipe: Recipe) -> None:
    lr = recipe.lr or _find_lr(learner)
    if recipe.start_epochs:
        full_size, learner.dls = learner.dls, make_dataloaders(photos, recipe, recipe.start_size)
        _fit_size(learner, recipe, recipe.start_epochs, lr)
        learner.dls = full_size
    _fit_size(learner, recipe, recipe.epochs, lr)


def _fit_size(learner: Learner, recipe: Recipe, epochs: int, lr: float) -> None:
    if recipe.pretrained:
        learner.fine_tune(epochs, lr)
    else:  # a body of random weights has nothing to keep frozen
        learner.unfreeze()
        learner.fit_one_cycle(epochs, lr)


def _find_lr(learner: Learner) -> float:
    print("looking for a learning rate, in 100 batches")
    try:
        lr = float(learner.lr_find(show_plot=False).valley)
        print(f"\nlearning rate {lr:.2g}, from the learning-rate finder")
    except IndexError:  # fastai's way of saying that the loss went up within a few batches
        lr = FALLBACK_LR
        print(f"\nlearning rate {lr:.2g}, fastai's usual one: with these photos the finder found none")
    return lr


def _half_precision(learner: Learner) -> list[Callback]:
    if learner.dls.device.type == "cuda":
        learner.to_fp16()
        return []
    # Without AVX512-BF16 or AMX bfloat16 is emulated, and slower than float32.
    return [Bfloat16()] if torch.cpu._is_avx512_bf16_supported() else []


def compute_logits(learner: Learner, photos: list[bytes]) -> NDArray[np.float32]:
    """What the learner itself says of photo files, through fastai's validation transforms: `[photos, classes]`."""
    loader = learner.dls.test_dl(photos, num_workers=0)
    with learner.no_bar():
        logits, _ = learner.get_preds(dl=loader, act=torch.nn.Identity())
    return np.asarray(logits, np.float32)
