"""What is classified: photos of a folder, or two drawn in code."""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.benchmark.engines import BenchmarkError
from bot.errors import describe_os_error
from bot.inference.class_folders import FoldersError, place_files
from bot.inference.contract import SIZE
from bot.inference.decoding import PhotoError, read
from bot.inference.names import show_path
from bot.inference.photo_files import SUFFIXES, find_photos, read_photo
from bot.inference.variants import make_variants, smallest_covering

PHONE = (1280, 960)
"""Width and height in pixels of the largest variant that Telegram makes of a phone's photo."""


@dataclass(frozen=True)
class Workload:
    """Photos of one workload, timed together."""

    name: str
    files: list[Path]

    @property
    def mean_bytes(self) -> float:
        return sum(file.stat().st_size for file in self.files) / len(self.files)

    @property
    def digest(self) -> str:
        """SHA-256 of what the files hold, one after the other."""
        whole = hashlib.sha256()
        for file in self.files:
            whole.update(hashlib.sha256(read_photo(file)).digest())
        return whole.hexdigest()


@dataclass(frozen=True)
class Labelled:
    file: Path
    label: str
    """The class that the folders say, as training reads them."""


def draw_workloads(folder: Path) -> list[Workload]:
    """Write a picture as large as a phone's, and the variant of it that the bot would fetch from Telegram.

    That is the smallest one that covers the net's input.
    """
    variants = list(make_variants(draw_picture(PHONE)))
    workloads = []
    for name, variant in (("phone", variants[-1]), ("variant", smallest_covering(variants, SIZE))):
        file = folder / f"{name}.jpg"
        file.write_bytes(variant.jpeg)
        workloads.append(Workload(f"{name} {variant.width}x{variant.height}", [file]))
    return workloads


def draw_picture(size: tuple[int, int], seed: int = 1) -> Image.Image:
    """Clouds of every grain, which pack into as many bytes of JPEG as a photo of that size (about 2 bits a pixel)."""
    random = Random(seed)
    picture = np.zeros((size[1], size[0], 3), np.float32)  # [height, width, channel]
    for cells, weight in ((4, 90.0), (16, 50.0), (64, 25.0), (256, 12.0), (640, 8.0)):
        coarse = _draw_normal(random, (cells * size[1] // size[0], cells, 3))
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel]).resize(size, Image.Resampling.BICUBIC)
            picture[..., channel] += weight * np.asarray(layer)
    return Image.fromarray(np.clip(picture + 128, 0, 255).astype(np.uint8))


def _draw_normal(random: Random, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers of mean 0 and deviation 1: sums of four uniform ones, whose variance is 1/12 each (Irwin and Hall).

    Not by `numpy.random`, 3 MB that nothing else here loads (deploy/trim.toml).
    """
    count = 4 * math.prod(shape)
    uniform = np.frombuffer(random.randbytes(2 * count), np.uint16).reshape(4, *shape)  # [summand, *shape]
    normal: NDArray[np.float32] = (uniform.sum(axis=0, dtype=np.float32) / 65_536 - 2) * np.float32(math.sqrt(3))
    return normal


def read_folder(folder: Path, count: int) -> tuple[Workload, list[Labelled]]:
    """`count` readable photos, spread over the folder, and all that lie in folders of it. Raises BenchmarkError."""
    try:
        files = find_photos(folder)
    except OSError as error:
        raise BenchmarkError(f"--images: {describe_os_error(error)}") from error
    count = min(count, len(files))
    spread = [files[index * len(files) // count] for index in range(count)]
    readable = list(islice(filter(_is_readable, dict.fromkeys((*spread, *files))), count))
    if not readable:
        raise BenchmarkError(f"there is no photo that can be read in {folder} ({' '.join(sorted(SUFFIXES))})")
    return Workload(show_path(folder.name or folder), readable), _label(folder, files)


def _label(folder: Path, files: list[Path]) -> list[Labelled]:
    """The class of each file. Where the folders have two readings, it is the first folder below `folder`."""
    for class_folder in ("auto", "first"):
        try:
            places = place_files(folder, files, class_folder)
        except FoldersError:
            continue
        return [Labelled(file, place.label) for file, place in places.items() if place.label]
    return []


def _is_readable(file: Path) -> bool:
    try:
        read(read_photo(file))
    except (PhotoError, OSError) as error:
        print(f"not timed, {show_path(file)}: {error}", file=sys.stderr)
        return False
    return True
