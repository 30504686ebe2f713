"""Photos and outsiders -> fastai's DataLoaders, whole or shared out among processes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import IndexSplitter, Normalize
from fastai.distributed import DistributedDL, DistributedTrainer
from fastai.torch_core import num_distrib
from fastai.vision.core import PILImage, imagenet_stats
from fastai.vision.data import ImageBlock

from bot.inference.decoding import read
from training.data.outsiders import SHARE, Kind, find_kinds, part_kinds
from training.data.photos import OUTSIDER, LabelledPhoto
from training.fitting.augment import batch_transforms, item_transform
from training.recipe import Recipe

MIN_STEPS = 4
"""Batches that an epoch has at least; with few photos they are made smaller for it."""


class UprightPhoto(PILImage):
    """A photo decoded as the bot decodes it (fastai's own PILImage ignores EXIF orientation and transparency)."""

    @classmethod
    def create(cls, fn: Path | str | bytes | Kind, **_: Any) -> UprightPhoto:
        """From a file, a file's bytes, or a kind of outsiders, of which one is drawn by lot."""
        if isinstance(fn, Kind):
            image = fn.draw(random.Random(random.getrandbits(64)))
        else:
            image = read(fn if isinstance(fn, bytes) else Path(fn).read_bytes())
        photo: UprightPhoto = cls(image)
        return photo


class SharedBatches(DistributedDL):
    """One process's share of the batches."""

    def _broadcast(self, numbers: list[int], rank: int) -> list[int]:
        """The list of process `rank` (fastai's own way needs a GPU)."""
        tensor = torch.tensor(numbers, device=self.device)
        torch.distributed.broadcast(tensor, rank)
        shared: list[int] = tensor.tolist()
        return shared


class Share(DistributedTrainer):
    """Each process trains on its share of every epoch, and gradients are averaged over all."""

    def __init__(self) -> None:
        super().__init__(sync_bn=False)  # it would stay in the net, and knows GPUs only

    def _wrap_dl(self, loader: Any) -> Any:
        return loader if isinstance(loader, DistributedDL) else SharedBatches(loader, device=self.learn.model.device)


@contextmanager
def alone() -> Iterator[None]:
    """Let fastai take this process for the only one, which it asks the environment: nothing is gathered from others."""
    hidden = {name: os.environ.pop(name) for name in ("WORLD_SIZE", "RANK") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def find_training_kinds(recipe: Recipe) -> list[Kind]:
    """The kinds of outsiders to train on, their photos looked at. Raises DataError."""
    return part_kinds(find_kinds(recipe.outsiders), recipe.unseen, recipe.split_seed)[0]


def make_dataloaders(photos: Sequence[LabelledPhoto], recipe: Recipe, size: int, kinds: Sequence[Kind]) -> DataLoaders:
    """fastai's DataLoaders: batches of float32 `[batch, 3, size, size]` and class numbers, as its users know them.

    With kinds of outsiders each epoch has SHARE of them for a training photo, drawn anew every time, kinds in turn;
    they are one more class, the last. None of them is among the validation photos.
    """
    labels = sorted({photo.label for photo in photos})
    trained_on = sum(not photo.held_out for photo in photos)
    outsiders = [kinds[index % len(kinds)] for index in range(int(SHARE * trained_on))] if kinds else []
    block = DataBlock(
        blocks=(ImageBlock(UprightPhoto), CategoryBlock(vocab=[*labels, OUTSIDER] if kinds else labels, sort=False)),
        get_x=_get_picture,
        get_y=_get_label,
        splitter=IndexSplitter([index for index, photo in enumerate(photos) if photo.held_out]),
        item_tfms=item_transform(size, recipe.augment == "strong", kinds),
        # fastai adds Normalize by itself for pretrained nets only; every net here gets it, and the export reads it.
        batch_tfms=[*batch_transforms(recipe.augment == "strong"), Normalize.from_stats(*imagenet_stats)],
    )
    # fastai drops a last batch that is not full: with few photos a large batch would leave hardly a step to train.
    share = trained_on // max(1, num_distrib())
    batch_size = min(recipe.batch_size, max(2, share // MIN_STEPS))
    return block.dataloaders([*photos, *outsiders], bs=batch_size)


def get_labels(dls: DataLoaders) -> tuple[str, ...]:
    """The classes' names, in the order of the net's first outputs."""
    return tuple(label for label in dls.vocab if label != OUTSIDER)


def _get_picture(item: object) -> object:
    return item.path if isinstance(item, LabelledPhoto) else item


def _get_label(item: LabelledPhoto | Kind) -> str:
    return item.label if isinstance(item, LabelledPhoto) else OUTSIDER
