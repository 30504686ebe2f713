"""What is done to training photos."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastai.torch_basics import Pipeline
from PIL import Image

from tests.support.datasets import draw_photo, draw_photos
from tests.support.training_runs import SMALL
from training.data.loading import load_photos
from training.data.outsiders import Kind
from training.fitting.augment import STEPS, StepBack, Wear, item_transform
from training.fitting.dataloaders import UprightPhoto, make_dataloaders


@pytest.mark.parametrize("step", [step for step, _ in STEPS])
@pytest.mark.parametrize("size", [(400, 300), (31, 500), (1, 1), (8, 200)])
def test_every_step_gives_a_photo_no_larger_than_before(
    step: Callable[[Image.Image], Image.Image], size: tuple[int, int]
) -> None:
    random.seed(3)
    photo = draw_photo((0.9, 0.7, 0.5), seed=3, size=size)
    before = photo.tobytes()
    changed = 0
    for _ in range(10):
        worn = step(photo)
        assert worn.mode == "RGB"
        assert 1 <= worn.width <= max(size[0], 8) * 1.34
        assert 1 <= worn.height <= max(size[1], 8)
        changed += worn.size != photo.size or worn.tobytes() != before
    assert photo.tobytes() == before
    if size == (400, 300):
        assert changed >= 7  # a blur of 0.2 pixels changes nothing


def test_worn_photos_end_at_the_nets_size_and_differ_every_time() -> None:
    """A large photo is made smaller first, but not below what the smallest crop needs."""
    random.seed(1)
    photo = UprightPhoto.create(_jpeg(draw_photo((0.9, 0.7, 0.5), seed=3, size=(1600, 1200))))
    wear = Wear(64)
    sizes = [min(wear(photo, split_idx=0).size) for _ in range(20)]
    assert max(sizes) == round(1.8 * 64)
    assert wear(photo, split_idx=1) is photo
    training = Pipeline(item_transform(64, strong=True), split_idx=0)
    seen = [training(photo) for _ in range(5)]
    assert all(isinstance(one, UprightPhoto) and one.size == (64, 64) for one in seen)
    assert len({one.tobytes() for one in seen}) == 5


@pytest.mark.parametrize("size", [(64, 64), (224, 224)])
def test_a_photo_put_farther_away_is_whole_and_on_a_picture_of_the_given_kinds(
    size: tuple[int, int], tmp_path: Path
) -> None:
    """White photos on plain black: all of the white is in view, as one block of the size that was drawn."""
    random.seed(5)
    photo = UprightPhoto(Image.new("RGB", size, "white"))
    Image.new("RGB", (10, 10)).save(tmp_path / "night.png")
    step_back = StepBack([Kind("night", (tmp_path / "night.png",))])
    step_back.p = 1.0
    places = set()
    for _ in range(30):
        stepped = step_back(photo, split_idx=0)
        assert isinstance(stepped, UprightPhoto)
        assert stepped.size == size
        left, upper, right, lower = stepped.convert("L").point(lambda level: level and 255).getbbox()
        assert 0.29 * size[1] <= lower - upper <= 0.86 * size[1]
        assert 0.2 * size[0] <= right - left
        places.add((left, upper))
        assert stepped.getpixel(((left + right) // 2, (upper + lower) // 2)) == (255, 255, 255)
    assert len(places) > 20
    assert step_back(photo, split_idx=1) is photo


def test_strong_batches_are_finite_and_of_the_asked_size(tmp_path: Path) -> None:
    photos = load_photos(draw_photos(tmp_path / "photos", classes=2, each=10, twins=0), 42).photos
    dls = make_dataloaders(photos, replace(SMALL, augment="strong"), 64, [])
    pictures, targets = dls.one_batch()
    assert pictures.shape[1:] == (3, 64, 64)
    assert pictures.isfinite().all()
    assert pictures.abs().max() < 10  # normalised; erased patches hold normal noise
    assert len(targets) == len(pictures)


def _jpeg(photo: Image.Image) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG")
    return buffer.getvalue()
