"""Photos decoded once, as the bot decodes them, into one array that batches are drawn from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from fastai.vision.core import imagenet_stats
from PIL import Image
from torch import Tensor

from bot.inference.contract import SIZE
from bot.inference.decoding import read
from training.fitting.batches.augment import SQUISHED
from training.progress import follow

IN_MEMORY = 4 * 2**30
"""Bytes of pixels, about 22,000 photos, beyond which they lie in a memory-mapped file."""
MARGIN = (SQUISHED - SIZE) // 2
Draw = Callable[[], Image.Image]
"""Makes or reads one picture."""


def squish(photo: Image.Image) -> Image.Image:
    """The whole photo at the width and height that it is stored in; the bot's `decode` begins with the same step."""
    return photo.resize((SQUISHED, SQUISHED), Image.Resampling.BILINEAR)


def read_squished(path: Path) -> Image.Image:
    return squish(read(path.read_bytes()))


def decode_all(draws: Sequence[Draw], folder: Path) -> Tensor:
    """uint8 `[pictures, 256, 256, 3]`, RGB, in the order of `draws`.

    In memory, or beyond IN_MEMORY in a file in `folder` that is gone with the process.
    """
    shape = (len(draws), SQUISHED, SQUISHED, 3)
    if np.prod(shape) <= IN_MEMORY:
        pixels = np.empty(shape, np.uint8)
    else:
        with tempfile.TemporaryFile(dir=folder) as cache:
            pixels = np.memmap(cache, np.uint8, "w+", shape=shape)

    def decode(number: int) -> None:
        pixels[number] = np.asarray(squish(draws[number]()))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in follow(pool.map(decode, range(len(draws))), len(draws)):
            pass
    return torch.from_numpy(pixels)


def crop_middle(pixels: Tensor) -> Tensor:
    """uint8 `[photos, 256, 256, 3]` -> `[photos, 224, 224, 3]`: what the bot's `decode` gives of these photos."""
    return pixels[:, MARGIN : MARGIN + SIZE, MARGIN : MARGIN + SIZE]


def scale(pixels: Tensor) -> Tensor:
    """uint8 `[batch, height, width, 3]` -> float32 `[batch, 3, height, width]`, 0 to 1."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def normalize(photos: Tensor) -> Tensor:
    """float32 `[batch, 3, height, width]`, 0 to 1 -> the same by ImageNet's means and deviations, channels last."""
    mean, deviation = (photos.new_tensor(values)[:, None, None] for values in imagenet_stats)
    return ((photos - mean) / deviation).contiguous(memory_format=torch.channels_last)
