"""Pictures of none of the classes, drawn in code: noise, shapes, pages, screens, charts."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE = 256
"""Width and height of a generated picture in pixels."""


def _color(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _numpy(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(64))


def _noise(rng: random.Random) -> Image.Image:
    """Independent pixels, grey or coloured, in grains of 1 to 16 pixels, uniform or normal."""
    numbers, grain = _numpy(rng), rng.choice((1, 1, 2, 4, 8, 16))
    shape = (SIDE // grain, SIDE // grain, rng.choice((1, 3)))
    if rng.random() < 0.5:
        pixels = numbers.uniform(0, 255, shape)
    else:
        pixels = numbers.normal(rng.uniform(60, 200), rng.uniform(10, 70), shape)
    pixels = np.broadcast_to(pixels.clip(0, 255).astype(np.uint8), (*shape[:2], 3))
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def _clouds(rng: random.Random) -> Image.Image:
    """Noise whose power falls with frequency, as it does in photos of nature (Field 1987)."""
    numbers, slope = _numpy(rng), rng.uniform(0.8, 2)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = 1
    waves = np.fft.fft2(numbers.normal(size=(3, SIDE, SIDE))) / frequency**slope
    layers = np.fft.ifft2(waves).real
    layers = (layers - layers.mean()) / layers.std()
    if rng.random() < 0.5:
        layers = layers[[0, 0, 0]]
    means, deviation = numbers.uniform(50, 200, (3, 1, 1)), rng.uniform(15, 60)
    pixels = (means + deviation * layers).clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _gradient(rng: random.Random) -> Image.Image:
    """One colour, or two that run into each other."""
    ends = np.array([_color(rng), _color(rng) if rng.random() < 0.7 else (0, 0, 0)], np.float64)
    if rng.random() < 0.3:
        ends[1] = ends[0]
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    angle = rng.uniform(0, 2 * np.pi)
    way = np.hypot(x, y) / 1.5 if rng.random() < 0.4 else (x * np.cos(angle) + y * np.sin(angle)) / 3 + 0.5
    way = way.clip(0, 1)[..., np.newaxis]
    return Image.fromarray((ends[0] * way + ends[1] * (1 - way)).astype(np.uint8))


def _shapes(rng: random.Random) -> Image.Image:
    """Ellipses, boxes and triangles."""
    image = Image.new("RGB", (SIDE, SIDE), _color(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randrange(1, 15)):
        (left, right), (top, bottom) = (sorted(rng.sample(range(-40, SIDE + 40), 2)) for _ in "xy")
        match rng.randrange(3):
            case 0:
                draw.ellipse((left, top, right, bottom), _color(rng))
            case 1:
                draw.rectangle((left, top, right, bottom), _color(rng))
            case _:
                draw.polygon([(rng.randrange(SIDE), rng.randrange(SIDE)) for _ in range(3)], _color(rng))
    return image.filter(ImageFilter.GaussianBlur(rng.choice((0, 0, 1, 4))))


def _stripes(rng: random.Random) -> Image.Image:
    """Stripes, waves and chequers."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    angle, width = rng.uniform(0, np.pi), rng.uniform(4, 60)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = np.sin(along * np.pi / width)
    if rng.random() < 0.4:
        waves = waves * np.sin(across * np.pi / width)
    share = (waves > 0 if rng.random() < 0.5 else waves / 2 + 0.5)[..., np.newaxis]
    pixels = np.array(_color(rng)) * share + np.array(_color(rng)) * (1 - share)
    return Image.fromarray(pixels.astype(np.uint8))


def _text(rng: random.Random) -> Image.Image:
    """A page of lines that look like words."""
    dark = rng.random() < 0.2
    image = Image.new("RGB", (SIDE, SIDE), (25, 25, 30) if dark else (255, 255, rng.randrange(230, 256)))
    draw, size, y = ImageDraw.Draw(image), rng.choice((9, 12, 16, 28)), rng.randrange(4, 30)
    font = ImageFont.load_default(size)
    margin = rng.randrange(4, 40)
    while y < SIDE - size:
        draw.text((margin, y), _words(rng, rng.randrange(1, 12)), fill=(220,) * 3 if dark else (20,) * 3, font=font)
        y += int(size * rng.choice((1.3, 1.3, 1.3, 2.6)))
    return image


def _screen(rng: random.Random) -> Image.Image:
    """Windows with bars, buttons and text, as in a screenshot."""
    image = Image.new("RGB", (SIDE, SIDE), _color(rng))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(rng.choice((9, 11, 14)))
    for _ in range(rng.randrange(1, 4)):
        left, top = rng.randrange(0, 120), rng.randrange(0, 120)
        right, bottom = left + rng.randrange(90, 256), top + rng.randrange(90, 256)
        light = rng.random() < 0.7
        paper, ink = ((245, 245, 245), (30, 30, 30)) if light else ((40, 42, 46), (210, 210, 210))
        draw.rectangle((left, top, right, bottom), paper, outline=(128, 128, 128))
        draw.rectangle((left, top, right, top + 16), _color(rng))
        draw.text((left + 6, top + 2), _words(rng, 2), fill=ink, font=font)
        for y in range(top + 24, bottom - 12, rng.choice((14, 18, 26))):
            if rng.random() < 0.2:
                draw.rounded_rectangle((left + 8, y, left + rng.randrange(40, 90), y + 12), 4, _color(rng))
            else:
                draw.text((left + 8, y), _words(rng, rng.randrange(1, 7)), fill=ink, font=font)
    return image


def _chart(rng: random.Random) -> Image.Image:
    """Axes with bars, lines or points."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(10)
    draw.line((30, 20, 30, 226, 246, 226), (0, 0, 0))
    draw.text((60, 4), _words(rng, 3), fill=(0, 0, 0), font=font)
    count = rng.randrange(4, 20)
    xs = [34 + 210 * index // count for index in range(count)]
    style = rng.randrange(3)
    for _ in range(rng.randrange(1, 4)):
        color, ys = _color(rng), [rng.randrange(30, 222) for _ in xs]
        if style == 0:
            draw.line(list(zip(xs, ys, strict=True)), color, 2)
        for x, y in zip(xs, ys, strict=True):
            if style == 1:
                draw.rectangle((x, y, x + 170 // count, 225), color)
            elif style == 2:
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), color)
    return image


def _words(rng: random.Random, count: int) -> str:
    return " ".join("".join(rng.choices("aeiounrstlmdkbpAST0123", k=rng.randrange(2, 10))) for _ in range(count))


GENERATORS: dict[str, Callable[[random.Random], Image.Image]] = {
    "noise": _noise,
    "clouds": _clouds,
    "gradient": _gradient,
    "shapes": _shapes,
    "stripes": _stripes,
    "text": _text,
    "screen": _screen,
    "chart": _chart,
}
"""Each makes one picture, RGB."""
