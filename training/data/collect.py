"""Gather outsiders, pictures of everything but the classes, from Debian packages that are installed and scikit-image.

    apt-get install --no-install-recommends tuxpaint-stamps-default supertuxkart-data stellarium-data gimp-help-en \
        mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 ukui-wallpapers lxqt-themes gnome-backgrounds
    python -m training collect --out data/outsiders

Writes a folder per kind: `python -m training --outsiders data/outsiders` takes it. Any folder of your own does as well.
Without Debian's or Ubuntu's dpkg that is the only way.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import skimage
from PIL import Image

from bot.inference.decoding import PhotoError, read
from bot.inference.photo_files import SUFFIXES, find_photos
from training.commands import make_collect_parser
from training.data.photos import DataError
from training.progress import follow

STAMPS = "/tuxpaint/stamps/"
SOURCES = {
    # what lies about in photos: cut out, on a transparent ground
    **{
        kind: (("tuxpaint-stamps-default",), f"{STAMPS}{kind.removeprefix('stamps_')}/")
        for kind in (
            *("animals", "stamps_food", "household", "plants", "seasonal", "sports", "symbols", "town"),
            "stamps_vehicles",  # photos of food and of vehicles are kinds of their own
        )
    },
    "textures": (("supertuxkart-data",), "/data/(textures|tracks)/.*jpg"),
    "landscapes": (("stellarium-data",), "/stellarium/landscapes/"),
    "nebulae": (("stellarium-data",), "/nebulae/default/"),
    "screenshots": (("gimp-help-en",), "/help/en/images/(dialogs|using|preferences|menus)/"),
    "wallpapers": (
        (
            "mate-backgrounds",
            "lomiri-wallpapers-16.04",
            "lomiri-wallpapers-20.04",
            "ukui-wallpapers",
            "lxqt-themes",
            "gnome-backgrounds",
        ),
        "/(nature|wallpapers|backgrounds)/",
    ),
}
"""Kind -> the packages, and a pattern of the paths in them."""
SCIKIT_IMAGE = Path(skimage.__file__).parent / "data"
"""Its example pictures: a cat, a cup, coins, the moon, ... They become the kind `scikit-image`."""
WITH_FACES = frozenset({"astronaut", "camera"})
"""Example pictures that do show a face."""
MOST = 150
"""Pictures of one kind."""
SIDES = 96, 640
"""Pixels: smaller pictures are left out, larger ones are made smaller."""


def list_files(package: str) -> list[Path]:
    """The pictures in an installed Debian package; none if it is not installed. Raises DataError without dpkg."""
    try:
        done = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DataError(
            "dpkg is not installed: the pictures come from packages of Debian and Ubuntu. "
            "A folder of your own does as well, with a folder of pictures per kind: --outsiders DIR."
        ) from error
    return [Path(line) for line in done.stdout.splitlines() if Path(line).suffix.lower() in SUFFIXES]


def save(file: Path, target: Path, grounds: list[Image.Image], rng: random.Random) -> bool:
    """Write a picture as JPEG, a cut-out one on a random ground; False if it is small or cannot be read."""
    try:
        picture = read(file.read_bytes())
    except PhotoError:
        return False
    if min(picture.size) < SIDES[0]:
        return False
    with Image.open(file) as original:
        if original.has_transparency_data:
            cut_out = original.convert("RGBA")
            picture = rng.choice(grounds).resize(cut_out.size)
            picture.paste(cut_out, mask=cut_out)
    picture.thumbnail((SIDES[1], SIDES[1]))
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, quality=90)
    return True


def main(arguments: list[str]) -> int:
    options = make_collect_parser().parse_args(arguments)
    try:
        _run(options.out)
    except DataError as error:
        print(f"collect: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"collect: stopped before the end. {options.out} is not there yet: start again.", file=sys.stderr)
        return 130
    return 0


def _run(out: Path) -> None:
    """Raises DataError. `out` is there only when it is whole: the Makefile takes it for complete."""
    if out.exists():
        raise DataError(f"{out} is there already. --out names a new folder.")
    rng = random.Random(42)
    pictures = {
        kind: [file for package in packages for file in list_files(package) if re.search(pattern, str(file))]
        for kind, (packages, pattern) in SOURCES.items()
    }
    pictures["scikit-image"] = [file for file in find_photos(SCIKIT_IMAGE) if file.stem not in WITH_FACES]
    wanted = {package for kind, (packages, _) in SOURCES.items() if not pictures[kind] for package in packages}
    if wanted:
        raise DataError(f"install these packages first: {', '.join(sorted(wanted))}.")
    plain = [Image.new("RGB", (64, 64), (shade, shade, shade)) for shade in (255, 255, 255, 128, 0)]
    grounds = [
        *plain,
        *(read(file.read_bytes()) for file in rng.sample(pictures["textures"], min(20, len(pictures["textures"])))),
    ]
    part = out.with_name(f".{out.name}.part")
    if part.exists():  # of a run that was stopped
        shutil.rmtree(part)
    for kind, files in pictures.items():
        count = 0
        for file in follow(rng.sample(files, len(files)), len(files)):
            if count < MOST:
                count += save(file, part / kind / f"{count:03}.jpg", grounds, rng)
        print(f"{kind}: {count} pictures")
    part.rename(out)
