"""What photos suffer between a camera and a chat, done at random to whole batches on the device that trains.

All random numbers but the pixels' noise are drawn on the CPU, so that a seed gives the same views on every device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bot.inference.contract import SIZE

SQUISHED = 256
"""Width and height in pixels of a stored photo: the whole photo, squished as the bot does before it crops."""
MIDDLE = SIZE / SQUISHED
"""Width and height of the bot's own view, as a share of the stored photo's."""
BACKDROP = 16
"""Width and height in pixels to which a photo is blurred to make its own surroundings."""
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Red, green and blue in brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Strength:
    """Which share of the photos each change happens to, and how far it goes."""

    middle: float = 0.3
    """Seen as the bot sees them; of the others a crop is drawn."""
    least_area: float = 0.5
    """Of a crop, as a share of the photo's."""
    squeeze: float = 4 / 3
    """Highest ratio by which a crop is made wider or narrower."""
    degrees: float = 10.0
    """By which photos are turned at most."""
    distant: float = 0.0
    """Shrunk onto another picture or onto their own blurred surroundings."""
    farthest: float = 4.0
    """How many times smaller such a photo gets at most."""
    few_pixels: float = 0.0
    """Left with fewer pixels, as in a thumbnail."""
    blur: float = 0.0
    noise: float = 0.0
    dark: float = 0.0
    light: float = 0.2
    """Highest change of brightness and contrast, as a share."""
    tint: float = 0.0
    """Other colours."""
    erased: float = 0.0
    """With a patch of one colour put over them."""


STRENGTHS = {
    "light": Strength(),
    "strong": Strength(
        distant=0.5, few_pixels=0.2, blur=0.2, noise=0.15, dark=0.15, light=0.4, tint=0.3, erased=0.25, degrees=15.0
    ),
}


@dataclass(frozen=True)
class Views:
    """What a batch shows of its photos, in coordinates of the stored photo, -1 to 1. All tensors have a row a photo."""

    center: Tensor
    """`[batch, 2]`, x and y."""
    half: Tensor
    """Half width and half height of what is seen, `[batch, 2]`; the width is negative where the photo is flipped."""
    angle: Tensor
    """Radians, `[batch]`."""
    visible: Tensor
    """Centre, half width and half height of the part of the photo that may show, `[batch, 4]`; beyond is backdrop."""
    distant: Tensor
    """Whether there is a backdrop, `[batch]`."""


def augment(photos: Tensor, grounds: Tensor, size: int, strength: Strength, rng: torch.Generator) -> Tensor:
    """uint8 `[batch, 256, 256, 3]` -> float32 `[batch, 3, size, size]`, 0 to 1.

    `grounds` are numbers of photos of the batch that may stand behind others; empty: only own surroundings do.
    """
    views = draw_views(len(photos), strength, rng)
    levels = make_pyramid(photos)
    seen, inside = sample(levels, views, size, strength, rng)
    if bool(views.distant.any()):
        behind = _draw_backdrops(levels, views.distant, grounds, size, rng)
        chosen = torch.nonzero(views.distant).flatten().to(seen.device)
        share = inside[chosen]
        seen[chosen] = share * seen[chosen] + (1 - share) * behind
    seen = _blur(seen, strength.blur, rng)
    seen = _recolor(seen, strength, rng)
    seen = _add_noise(seen, strength.noise, rng)
    return _erase(seen, strength.erased, rng).clamp_(0, 1)


def draw_views(count: int, strength: Strength, rng: torch.Generator) -> Views:
    """Crops of at least the least area, or the bot's own view; some of them seen from farther away."""
    area, ratio = _uniform(count, rng, strength.least_area, 1), _spread(count, rng, strength.squeeze)
    half = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).clamp(max=1)
    middle = _chance(count, rng, strength.middle)
    half = torch.where(middle[:, None], MIDDLE, half)
    center = torch.where(middle[:, None], 0.0, (1 - half) * _uniform((count, 2), rng, -1, 1))
    visible = torch.cat([center, half], 1)
    distant = _chance(count, rng, strength.distant)
    zoom = torch.exp(_uniform(count, rng, 0, math.log(strength.farthest)))
    stretch = _spread(count, rng, 1.25)
    wide = half * torch.stack([zoom * stretch, zoom], 1).clamp(min=1)
    placed = center + (wide - half) * _uniform((count, 2), rng, -1, 1)
    half, center = torch.where(distant[:, None], wide, half), torch.where(distant[:, None], placed, center)
    flip = torch.where(_chance(count, rng, 0.5), -1.0, 1.0)
    angle = torch.deg2rad(_uniform(count, rng, -strength.degrees, strength.degrees))
    angle = torch.where(middle | _chance(count, rng, 0.5), 0.0, angle)
    return Views(center, half * torch.stack([flip, torch.ones(count)], 1), angle, visible, distant)


def make_pyramid(photos: Tensor) -> list[Tensor]:
    """The photos at half the width and height again and again ("mip levels"), float32 `[batch, 3, side, side]`."""
    levels = [photos.permute(0, 3, 1, 2).float() / 255]
    while levels[-1].shape[-1] > BACKDROP:
        levels.append(functional.avg_pool2d(levels[-1], 2))
    return levels


def sample(
    levels: list[Tensor], views: Views, size: int, strength: Strength, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The views `[batch, 3, size, size]`, and how much of each of their pixels is photo, `[batch, 1, size, size]`.

    Each is taken from one of the two mip levels next to its scale, at random and the nearer one more often: what
    trilinear filtering blends ("Pyramidal Parametrics", Williams 1983), at half its cost.
    """
    device, count = levels[0].device, len(views.half)
    cos, sin = views.angle.cos(), views.angle.sin()
    rows = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # [batch, 2, 2]
    matrix = torch.cat([rows * views.half[:, :, None], views.center[:, :, None]], 2)
    grid = functional.affine_grid(matrix.to(device), [count, 3, size, size], align_corners=False)

    scale = views.half.abs().prod(1).sqrt() * (SQUISHED / size)  # stored pixels for each pixel that is seen
    coarser = torch.where(_chance(count, rng, strength.few_pixels), _uniform(count, rng, 0.5, 2.5), 0.0)
    level = (scale.log2().clamp(min=0) + coarser + torch.rand(count, generator=rng)).floor().long()
    level = level.clamp(max=len(levels) - 1)
    seen = levels[0].new_empty(count, 3, size, size)
    for number in level.unique().tolist():
        chosen = torch.nonzero(level == number).flatten().to(device)
        seen[chosen] = functional.grid_sample(
            levels[number][chosen], grid[chosen], padding_mode="reflection", align_corners=False
        )
    soft = torch.where(_chance(count, rng, 0.5), 0.02, _uniform(count, rng, 0.05, 0.3))
    visible = views.visible.to(device)[:, None, None, :]
    edge = 1 - ((grid - visible[..., :2]) / visible[..., 2:]).abs().amax(-1)  # [batch, size, size]
    inside = (edge / soft.to(device)[:, None, None]).clamp(0, 1)
    return seen, inside[:, None]


def _draw_backdrops(levels: list[Tensor], distant: Tensor, grounds: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """What stands behind each distant photo: itself, blurred, or one of `grounds`."""
    rows = torch.nonzero(distant).flatten()
    behind = functional.interpolate(levels[-1][rows.to(levels[0].device)], (size, size), mode="bilinear")
    other = _chance(len(rows), rng, 0.5) if len(grounds) else torch.zeros(len(rows), dtype=torch.bool)
    if bool(other.any()):
        drawn = grounds[torch.randint(len(grounds), (int(other.sum()),), generator=rng)]
        pictures = functional.interpolate(levels[1][drawn.to(levels[0].device)], (size, size), mode="bilinear")
        behind[torch.nonzero(other).flatten().to(behind.device)] = pictures
    return behind


def _blur(seen: Tensor, share: float, rng: torch.Generator, reach: int = 6) -> Tensor:
    """Out of focus: a Gaussian of 0.5 to 2.5 pixels, across and down."""
    chosen = torch.nonzero(_chance(len(seen), rng, share)).flatten()
    if not len(chosen):
        return seen
    sigma = _uniform(len(chosen), rng, 0.5, 2.5)[:, None]
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0).to(seen.device)  # a row a channel
    chosen = chosen.to(seen.device)
    photos = seen[chosen]
    rows = photos.reshape(1, -1, *photos.shape[2:])
    rows = functional.pad(rows, (reach, reach, reach, reach), mode="reflect")
    rows = functional.conv2d(rows, kernel[:, None, None, :], groups=len(kernel))
    rows = functional.conv2d(rows, kernel[:, None, :, None], groups=len(kernel))
    seen[chosen] = rows.reshape(photos.shape)
    return seen


def _recolor(seen: Tensor, strength: Strength, rng: torch.Generator) -> Tensor:
    """Brightness and contrast of all; saturation and shade of some; low light, a gamma of 1.2 to 2.5, of others."""
    count = len(seen)
    contrast = _spread(count, rng, 1 + strength.light)
    brightness = _uniform(count, rng, -strength.light / 2, strength.light / 2)
    tinted = _chance(count, rng, strength.tint)
    grey = torch.where(tinted, _uniform(count, rng, -0.5, 1), 0.0)[:, None, None]
    shade = torch.where(tinted[:, None], _uniform((count, 3), rng, 0.75, 1.25), 1.0)
    mix = (1 - grey) * torch.eye(3) + grey * torch.tensor(GREY_WEIGHTS).expand(3, 3)
    mix = mix * (shade * contrast[:, None])[:, :, None]  # [batch, 3, 3]
    offset = (0.5 * (1 - contrast) + brightness)[:, None, None]
    flat = torch.baddbmm(offset.to(seen.device), mix.to(seen.device), seen.flatten(2))
    seen = flat.view_as(seen).clamp_(0, 1)
    dark = torch.nonzero(_chance(count, rng, strength.dark)).flatten()
    gamma = _uniform(len(dark), rng, 1.2, 2.5).to(seen.device)[:, None, None, None]
    seen[dark.to(seen.device)] **= gamma
    return seen


def _add_noise(seen: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A sensor's noise: of up to 20 levels of 256, alike in all channels or not."""
    chosen = torch.nonzero(_chance(len(seen), rng, share)).flatten()
    deviation = _uniform(len(chosen), rng, 0, 20 / 255).to(seen.device)[:, None, None, None]
    device_rng = torch.Generator(seen.device).manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
    channels = 1 if float(torch.rand(1, generator=rng)) < 0.5 else 3
    shape = (len(chosen), channels, *seen.shape[2:])
    seen[chosen.to(seen.device)] += deviation * torch.randn(shape, generator=device_rng, device=seen.device)
    return seen


def _erase(seen: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A patch of 2 to 15 % of the area in one colour ("Random Erasing Data Augmentation", Zhong et al. 2017)."""
    size = seen.shape[-1]
    for row in torch.nonzero(_chance(len(seen), rng, share)).flatten().tolist():
        area, ratio = float(_uniform(1, rng, 0.02, 0.15)), float(_spread(1, rng, 2.0))
        width, height = (min(size, max(1, round(size * math.sqrt(area * by)))) for by in (ratio, 1 / ratio))
        left, top = (int(torch.randint(size - side + 1, (1,), generator=rng)) for side in (width, height))
        color = torch.rand(3, 1, 1, generator=rng).to(seen.device)
        seen[row, :, top : top + height, left : left + width] = color
    return seen


def _uniform(shape: int | tuple[int, ...], rng: torch.Generator, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=rng)


def _spread(count: int, rng: torch.Generator, most: float) -> Tensor:
    """Factors from 1 / `most` to `most`, as often above 1 as below."""
    return torch.exp(_uniform(count, rng, -math.log(most), math.log(most)))


def _chance(count: int, rng: torch.Generator, share: float) -> Tensor:
    return torch.rand(count, generator=rng) < share
