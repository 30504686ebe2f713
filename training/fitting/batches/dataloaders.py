"""Photos and outsiders -> fastai's DataLoaders: quick ones to train with, and plain ones that the learner keeps."""

from __future__ import annotations

import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.data.transforms import IndexSplitter, Normalize
from fastai.torch_core import default_device, num_distrib, rank_distrib
from fastai.vision.augment import RandomResizedCrop
from fastai.vision.core import PILImage, imagenet_stats
from fastai.vision.data import ImageBlock
from numpy.typing import NDArray
from torch import Tensor

from bot.inference.class_folders import OUTSIDER
from bot.inference.contract import SIZE
from bot.inference.decoding import read
from training.data.outsiders import Kind, find_kinds, part_kinds
from training.data.photos import LabelledPhoto
from training.fitting.batches.augment import STRENGTHS, augment
from training.fitting.batches.pixels import Draw, crop_middle, decode_all, normalize, read_squished, scale
from training.fitting.batches.sampling import draw_epoch
from training.recipe import Recipe

MIN_STEPS = 4
"""Batches that an epoch has at least; with few photos they are made smaller for it."""
FEWEST_OUTSIDERS = 8
"""Pictures that there are of each kind at least, if it has as many."""
VALID_BATCH = 64
DECODED = 4
"""Photos that are decoded for each view that is drawn for a look."""


class UprightPhoto(PILImage):
    """A photo decoded as the bot decodes it (fastai's own PILImage ignores EXIF orientation and transparency)."""

    @classmethod
    def create(cls, fn: Path | str | bytes, **_: Any) -> UprightPhoto:
        """From a file or a file's bytes."""
        photo: UprightPhoto = cls(read(fn if isinstance(fn, bytes) else Path(fn).read_bytes()))
        return photo


@dataclass(frozen=True)
class Pictures:
    """All that there is to learn from and to judge by, decoded: photos first, outsiders behind them."""

    pixels: Tensor
    """uint8 `[pictures, 256, 256, 3]`, RGB, of the whole picture."""
    targets: Tensor
    """int64 `[pictures]`, class numbers."""
    photos: int
    """How many of them are photos."""
    kinds: Sequence[NDArray[np.int64]]
    """Row numbers of the outsiders of one kind each."""


class TrainBatches(DataLoader):
    """Augmented batches: float32 `[batch, 3, size, size]`, normalised, and int64 `[batch]` class numbers.

    What an epoch shows, and how, depends on `rng` alone, which is to be set before each epoch. Of several processes
    each gets its share of the batches.
    """

    def __init__(
        self, pictures: Pictures, cells: Sequence[NDArray[np.int64]], recipe: Recipe, device: torch.device
    ) -> None:
        super().__init__(bs=recipe.batch_size, device=device)
        self.pictures, self.cells, self.size, self.share = pictures, cells, recipe.size, recipe.outsider_share
        self.strength = STRENGTHS[recipe.augment]
        self.rng = random.Random(recipe.seed)
        photos = sum(map(len, cells))
        # A last batch that is not full is dropped: with few photos a large batch would leave hardly a step to train.
        self.batch_size = min(recipe.batch_size, max(2, photos // max(1, num_distrib()) // MIN_STEPS))
        self.count = max(1, photos // self.batch_size // max(1, num_distrib()))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        pictures, rng = self.pictures, np.random.default_rng(self.rng.getrandbits(64))
        order = draw_epoch(self.cells, pictures.kinds, self.share, rng)
        rank = rank_distrib()
        views = torch.Generator().manual_seed(random.Random(f"{self.rng.random()} {rank}").getrandbits(62))
        for number in range(self.count):
            start = (number * max(1, num_distrib()) + rank) * self.batch_size
            rows = torch.from_numpy(np.take(order, range(start, start + self.batch_size), mode="wrap"))
            pixels = pictures.pixels[rows.to(pictures.pixels.device)].to(self.device, non_blocking=True)
            grounds = torch.nonzero(rows >= pictures.photos).flatten()
            photos = augment(pixels, grounds, self.size, self.strength, views)
            yield normalize(photos), pictures.targets[rows].to(self.device)


class ValidBatches(DataLoader):
    """Photos as the bot sees them, in the order of their rows: like TrainBatches, at the bot's size."""

    def __init__(self, pictures: Pictures, rows: Tensor, device: torch.device) -> None:
        super().__init__(bs=VALID_BATCH, device=device)
        self.pictures, self.rows = pictures, rows

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / VALID_BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.rows.split(VALID_BATCH):
            pixels = crop_middle(self.pictures.pixels[rows.to(self.pictures.pixels.device)]).to(self.device)
            yield normalize(scale(pixels)), self.pictures.targets[rows].to(self.device)


def find_training_kinds(recipe: Recipe) -> list[Kind]:
    """The kinds of outsiders to train on, their photos looked at. Raises DataError."""
    return part_kinds(find_kinds(recipe.outsiders), recipe.unseen, recipe.split_seed)[0]


def decode_pictures(photos: Sequence[LabelledPhoto], recipe: Recipe, kinds: Sequence[Kind], folder: Path) -> Pictures:
    """Decode the photos and outsiders for them once; `folder` is for the pixels that memory does not hold."""
    vocab = list_vocab(photos, kinds)
    outsiders = [_draw_outsiders(kind, len(photos) / len(kinds), recipe.seed) for kind in kinds]
    draws: list[Draw] = [partial(read_squished, photo.path) for photo in photos]
    draws += [draw for group in outsiders for draw in group]
    targets = torch.full((len(draws),), len(vocab) - 1)
    targets[: len(photos)] = torch.tensor([vocab.index(photo.label) for photo in photos])
    pixels = _place(decode_all(draws, folder), default_device())
    return Pictures(pixels, targets, len(photos), _number(outsiders, len(photos)))


def make_training_loaders(pictures: Pictures, photos: Sequence[LabelledPhoto], recipe: Recipe) -> DataLoaders:
    """Batches of the photos to train on, and of those held out; `photos` are those of the first rows."""
    device = default_device()
    held_out = torch.tensor([photo.held_out for photo in photos])
    valid = ValidBatches(pictures, torch.nonzero(held_out).flatten(), device)
    return DataLoaders(TrainBatches(pictures, list_cells(photos), recipe, device), valid, device=device)


def draw_views(photos: Sequence[LabelledPhoto], recipe: Recipe, count: int) -> tuple[Tensor, list[str]]:
    """Training photos as the net sees them, at the bot's size: float32 `[count, 224, 224, 3]`, 0 to 1, and labels."""
    kinds = find_training_kinds(recipe)
    taught = [photo for photo in photos if not photo.held_out]
    few = random.Random(recipe.seed).sample(taught, min(len(taught), DECODED * count))
    vocab = list_vocab(photos, kinds)
    with tempfile.TemporaryDirectory() as folder:
        shown = replace(recipe, batch_size=count, size=SIZE)
        pictures = decode_pictures(few, shown, kinds, Path(folder))
        views, targets = next(iter(make_training_loaders(pictures, few, shown).train))
    mean, deviation = (views.new_tensor(values) for values in imagenet_stats)
    views = views.permute(0, 2, 3, 1) * deviation + mean
    return views.clamp(0, 1).cpu(), [vocab[target] for target in targets.tolist()]


def make_dataloaders(photos: Sequence[LabelledPhoto], vocab: Sequence[str], batch_size: int) -> DataLoaders:
    """fastai's DataLoaders as its users know them, read from the photos' files whenever they are asked for.

    A trained learner has these: what it predicts passes the bot's own decode, and Normalize tells the export how pixels
    are scaled. Validation photos are squished, and their middle is kept: `inference.contract.Preprocess`.
    """
    block = DataBlock(
        blocks=(ImageBlock(UprightPhoto), CategoryBlock(vocab=list(vocab), sort=False)),
        get_x=_get_path,
        get_y=_get_label,
        splitter=IndexSplitter([index for index, photo in enumerate(photos) if photo.held_out]),
        item_tfms=[RandomResizedCrop(SIZE, min_scale=STRENGTHS["light"].least_area)],
        # fastai adds Normalize by itself for pretrained nets only; every net here gets it, and the export reads it.
        batch_tfms=[Normalize.from_stats(*imagenet_stats)],
    )
    return block.dataloaders(photos, bs=batch_size)


def list_vocab(photos: Sequence[LabelledPhoto], kinds: Sequence[Kind]) -> list[str]:
    """The classes' names in the order of the net's outputs; that of outsiders, if it learns any, is the last."""
    labels = sorted({photo.label for photo in photos})
    return [*labels, OUTSIDER] if kinds else labels


def get_labels(dls: DataLoaders) -> tuple[str, ...]:
    """The classes' names, in the order of the net's first outputs."""
    return tuple(label for label in dls.vocab if label != OUTSIDER)


def _draw_outsiders(kind: Kind, most: float, seed: int) -> list[Draw]:
    """Pictures of one kind; of a generated one a quarter as many, since they are alike."""
    count = max(FEWEST_OUTSIDERS, round(most if kind.files else most / 4))
    rng = random.Random(f"{kind.name} {seed}")
    if kind.files:
        return [partial(read_squished, file) for file in rng.sample(kind.files, min(count, len(kind.files)))]
    return [partial(kind.draw, random.Random(rng.getrandbits(64))) for _ in range(count)]


def list_cells(photos: Sequence[LabelledPhoto]) -> list[NDArray[np.int64]]:
    """The row numbers of the photos to train on, by collection and label."""
    cells: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row, photo in enumerate(photos):
        if not photo.held_out:
            cells[photo.collection, photo.label].append(row)
    return [np.array(rows) for rows in cells.values()]


def _number(groups: Sequence[Sequence[Draw]], first: int) -> list[NDArray[np.int64]]:
    """Row numbers from `first` on, an array a group."""
    ends = np.cumsum([first, *map(len, groups)])
    return [np.arange(start, end) for start, end in pairwise(ends)]


def _place(pixels: Tensor, device: torch.device) -> Tensor:
    """On the device that trains, if they take less than a quarter of its free memory."""
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 4:
        return pixels.to(device)
    return pixels


def _get_path(photo: LabelledPhoto | Path) -> object:
    return photo.path if isinstance(photo, LabelledPhoto) else photo


def _get_label(photo: LabelledPhoto) -> str:
    return photo.label
