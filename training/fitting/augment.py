"""What photos suffer between a camera and a chat, done to the training photos at random."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from fastai.torch_basics import Transform
from fastai.vision.augment import RandomErasing, RandomResizedCrop, RandTransform, aug_transforms
from PIL import Image, ImageFilter, ImageOps

from training.data.outsiders import Kind

LIGHT_CROP = 0.5
"""Least share of a photo's area that a crop keeps; with strong augmentation STRONG_CROP."""
STRONG_CROP = 0.3
SPARE = 1.8
"""Shorter side of a photo before the crop, in sizes of the net: the smallest crop then has no pixel too few."""
STEP_BACK = 0.35
"""Share of the photos that are put farther away."""
STEP_BACK_SIZE = 0.3, 0.85
"""Width and height that they are left, in sizes of the net."""


class Wear(RandTransform):
    """Tint, darken, blur, shrink and compress a photo: each at random, as chats and cheap cameras do."""

    split_idx = 0  # training photos only
    order = 0  # before the crop

    def __init__(self, size: int) -> None:
        super().__init__(p=1.0)
        self.size = size

    def encodes(self, photo: Image.Image) -> Image.Image:
        kind: Any = type(photo)
        worn = photo
        shrink = SPARE * self.size / min(photo.size)
        if shrink < 1:  # the steps cost by the pixel
            worn = photo.resize((round(photo.width * shrink), round(photo.height * shrink)), Image.Resampling.BILINEAR)
        for step, share in STEPS:
            if random.random() < share:
                worn = step(worn)
        return kind(worn) if worn is not photo else photo


class StepBack(RandTransform):
    """Shrink a photo to part of its size and put it somewhere on another picture, one of `kinds`, or on plain colour.

    Without it whatever lies around the subject in one class's photos becomes a hint of that class: where one class has
    close-ups and another wide photos, every small subject gets the other's label. After the crop, so that all of what
    the crop kept stays in view.
    """

    split_idx = 0  # training photos only
    order = 2  # after the crop

    def __init__(self, kinds: Sequence[Kind]) -> None:
        super().__init__(p=STEP_BACK)
        self.kinds = kinds

    def encodes(self, photo: Image.Image) -> Image.Image:
        kind: Any = type(photo)
        share = random.uniform(*STEP_BACK_SIZE)
        width = max(1, min(photo.width, round(photo.width * share * random.uniform(0.8, 1.25))))
        height = max(1, round(photo.height * share))
        small = photo.resize((width, height), Image.Resampling.BILINEAR)
        seam = Image.new("L", small.size, 255)
        if random.random() < 0.5:  # no hard edge
            margin = 1 + min(small.size) // 10
            seam = ImageOps.expand(seam.resize((width - 2 * margin, height - 2 * margin)), margin, 0)
            seam = seam.filter(ImageFilter.GaussianBlur(margin / 2))
        ground = self._draw_ground(photo.size)
        spare = photo.width - width, photo.height - height
        ground.paste(small, (random.randint(0, spare[0]), random.randint(0, spare[1])), seam)
        return kind(ground)

    def _draw_ground(self, size: tuple[int, int]) -> Image.Image:
        if not self.kinds:
            return Image.new("RGB", size, tuple(random.randrange(256) for _ in "rgb"))
        picture = random.choice(self.kinds).draw(random.Random(random.getrandbits(64)))
        return picture.resize(size, Image.Resampling.BILINEAR)


def item_transform(size: int, strong: bool, kinds: Sequence[Kind] = ()) -> list[Transform]:
    """Transforms of one photo, PIL in and out, that end at `size` x `size` pixels; `kinds` of pictures are grounds.

    Validation photos are squished to the size plus margin, and their middle is kept: `inference.contract.Preprocess`.
    """
    crop = RandomResizedCrop(size, min_scale=STRONG_CROP if strong else LIGHT_CROP)
    return [Wear(size), crop, StepBack(kinds)] if strong else [crop]


def batch_transforms(strong: bool) -> list[Transform]:
    """Transforms of a batch, float32 `[batch, 3, height, width]`, 0 to 1: fastai's, and patches erased if `strong`."""
    if not strong:
        return list(aug_transforms())
    return [
        *aug_transforms(max_rotate=15, max_lighting=0.4),
        RandomErasing(p=0.25, sl=0.0, sh=0.15, max_count=2),
    ]


def _tint(photo: Image.Image) -> Image.Image:
    """Other colours: hue turned, saturation 0 to 1.5 times, for light, cameras and clothes of other kinds."""
    hue, saturation, value = photo.convert("HSV").split()
    turn, factor = random.choice((random.randrange(-12, 13), random.randrange(256))), random.uniform(0, 1.5)
    hue = hue.point([(level + turn) % 256 for level in range(256)])
    saturation = saturation.point([min(255, int(level * factor)) for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _darken(photo: Image.Image) -> Image.Image:
    """Low light: a gamma of 1.2 to 2.5, and the noise of a sensor."""
    gamma = random.uniform(1.2, 2.5)
    dark = photo.point([round(255 * (level / 255) ** gamma) for level in range(256)] * 3)
    noise = np.random.default_rng(random.getrandbits(64)).normal(0, random.uniform(0, 12), (*photo.size[::-1], 1))
    return Image.fromarray((np.asarray(dark) + noise).clip(0, 255).astype(np.uint8))


def _blur(photo: Image.Image) -> Image.Image:
    """Out of focus by up to 1.5 % of the shorter side."""
    return photo.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.015 * min(photo.size) + 0.2)))


def _shrink(photo: Image.Image) -> Image.Image:
    """Only 32 to 120 pixels left of the longer side, and widened or narrowed: thumbnails, crops of a crowd."""
    longest = random.randint(32, 120)
    scale = longest / max(photo.size)
    if scale >= 1:
        return photo
    squeeze = random.uniform(0.75, 1.33)
    size = max(8, round(photo.width * scale * squeeze)), max(8, round(photo.height * scale))
    return photo.resize(size, Image.Resampling.BILINEAR)


def _compress(photo: Image.Image) -> Image.Image:
    """JPEG of quality 20 to 80."""
    buffer = io.BytesIO()
    photo.convert("RGB").save(buffer, "JPEG", quality=random.randint(20, 80))
    return Image.open(buffer).convert("RGB")


STEPS: tuple[tuple[Callable[[Image.Image], Image.Image], float], ...] = (
    (_tint, 0.3),
    (_darken, 0.15),
    (_blur, 0.2),
    (_shrink, 0.2),
    (_compress, 0.3),
)
"""What is done, and to which share of the photos."""
