"""What is done to training photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.support.datasets import draw_photo, draw_photos
from tests.support.training_runs import SMALL
from training.data.loading import load_photos
from training.fitting.batches.augment import MIDDLE, SQUISHED, STRENGTHS, Strength, augment, draw_views
from training.fitting.batches.dataloaders import decode_pictures, make_training_loaders
from training.fitting.batches.dataloaders import draw_views as draw_examples

PLAIN = Strength(middle=0, least_area=1, squeeze=1, degrees=0, light=0)
"""The whole photo, flipped or not; one change at a time is added to it."""
NOTHING = torch.tensor([], dtype=torch.long)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stack_photos(count: int) -> Tensor:
    photos = [draw_photo((0.9, 0.7, 0.5), seed, size=(SQUISHED, SQUISHED)) for seed in range(count)]
    return torch.from_numpy(np.stack([np.asarray(photo) for photo in photos]))


@pytest.mark.parametrize("size", [64, 160, 224])
@pytest.mark.parametrize("name", STRENGTHS)
def test_views_are_of_the_asked_size_in_range_and_the_same_for_a_seed(name: str, size: int) -> None:
    photos = stack_photos(12)
    before = photos.clone()
    views, again, other = (augment(photos, torch.arange(4), size, STRENGTHS[name], seeded(n)) for n in (1, 1, 2))
    assert views.shape == (12, 3, size, size)
    assert views.isfinite().all()
    assert 0 <= views.min() < views.max() <= 1
    assert torch.equal(views, again)
    assert not torch.equal(views, other)
    assert torch.equal(photos, before)


def test_a_plain_view_is_the_photo_as_a_good_filter_shrinks_it() -> None:
    """Of random mip levels the mean is near; a filter without them would be far off on noise."""
    noise = torch.randint(256, (1, SQUISHED, SQUISHED, 3), dtype=torch.uint8, generator=seeded())
    small = Image.fromarray(noise[0].numpy()).resize((64, 64), Image.Resampling.BILINEAR)
    expected = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1) / 255
    view = augment(noise, NOTHING, 64, PLAIN, seeded())[0]
    assert min((expected - seen).abs().mean() for seen in (view, view.flip(-1))) < 0.06


def test_the_middle_is_what_the_bot_sees() -> None:
    views = draw_views(100, replace(STRENGTHS["strong"], middle=1, distant=0), seeded())
    assert torch.equal(views.half.abs(), torch.full((100, 2), MIDDLE))
    assert not views.center.any()
    assert not views.angle.any()


def test_crops_stay_within_the_photo_and_keep_the_least_area() -> None:
    views = draw_views(1000, replace(STRENGTHS["light"], middle=0), seeded())
    half = views.half.abs()
    assert ((views.center.abs() + half) <= 1 + 1e-6).all()
    assert half.prod(1).min() > 0.45  # a crop as high or wide as the photo loses some
    ratios = half[:, 0] / half[:, 1]
    assert 0.74 < ratios.min() < 0.85
    assert 1.18 < ratios.max() < 1.35


@pytest.mark.parametrize("grounds", [NOTHING, torch.tensor([0])])
def test_a_distant_photo_is_whole_and_on_its_own_surroundings_or_another_picture(grounds: Tensor) -> None:
    """White photos, on a black one: a block of white in view, of up to a fourth of the width and height."""
    photos = torch.full((40, SQUISHED, SQUISHED, 3), 255, dtype=torch.uint8)
    photos[0] = 0
    strength = replace(PLAIN, distant=1)
    views = augment(photos, grounds, 64, strength, seeded())[1:]
    shares = (views > 0.5).float().mean((1, 2, 3))
    if len(grounds):
        assert 0.02 < shares.min() < 0.2
        assert 0.3 < (shares < 0.99).float().mean() < 0.7  # the others lie on their own white
    else:
        assert shares.min() > 0.99


@pytest.mark.parametrize("change", ["few_pixels", "blur", "noise", "dark", "tint", "erased"])
def test_every_change_happens_to_its_share_of_the_photos(change: str) -> None:
    photos = stack_photos(1).expand(200, -1, -1, -1)
    flipped = [augment(photos[:20], NOTHING, 64, PLAIN, seeded(seed)) for seed in range(3)]
    plain = torch.cat(flipped).unique(dim=0)  # two mip levels, flipped or not
    views = augment(photos, NOTHING, 64, replace(PLAIN, **{change: 0.5}), seeded())
    distances = (views[:, None] - plain).abs().amax((2, 3, 4)).amin(1)
    assert 0.3 < (distances > 1e-4).float().mean() < 0.7


def test_training_batches_are_normalised_and_depend_on_the_seed_alone(tmp_path: Path) -> None:
    photos = load_photos(draw_photos(tmp_path / "photos", classes=2, each=10, twins=0), 42).photos
    batches = []
    for seed in (1, 1, 2):
        recipe = replace(SMALL, augment="strong", seed=seed)
        loader = make_training_loaders(decode_pictures(photos, recipe, [], tmp_path), photos, recipe).train
        batches.append([photos for photos, _ in loader])
    assert len(batches[0]) == 4
    assert all(batch.shape == (4, 3, 64, 64) for batch in batches[0])
    assert all(torch.equal(one, other) for one, other in zip(*batches[:2], strict=True))
    assert not torch.equal(batches[0][0], batches[2][0])
    assert -2.2 < torch.cat(batches[0]).min() < 0 < torch.cat(batches[0]).max() < 2.7


def test_the_report_shows_training_photos_as_the_net_sees_them(tmp_path: Path) -> None:
    photos = load_photos(draw_photos(tmp_path / "photos", classes=2, each=10, twins=0), 42).photos
    views, labels = draw_examples(photos, replace(SMALL, augment="strong"), 4)
    assert views.shape == (4, 224, 224, 3)
    assert 0 <= views.min() < views.max() <= 1
    assert set(labels) <= {"green", "red"}
