"""A small training run for the tests that need one: the real command, on photos drawn in code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.warm import run

ROOT = Path(__file__).parents[1]
MASKS = ROOT.parent / "shared" / "data" / "masks"
"""Real photos, which the repository cannot hold; what needs them skips where they are not."""
CLASSES = {"red": (1.0, 0.2, 0.2), "green": (0.2, 1.0, 0.2), "blue": (0.2, 0.2, 1.0)}
TRAIN = (
    *("--weights", "none", "--start-epochs", "3", "--start-size", "48", "--epochs", "4", "--size", "96"),
    *("--batch-size", "5", "--lr", "1e-3", "--unseen", "noise"),
)


def draw_photo(color: tuple[float, float, float], seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Coloured clouds: photos of one class look alike to a net, not to a perceptual hash."""
    clouds = np.random.default_rng(seed).uniform(40, 255, (7, 9, 1)) * color
    return Image.fromarray(clouds.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def draw_photos(folder: Path, classes: int = 3, each: int = 20, twins: int = 5) -> Path:
    """A folder a class with `each` different photos, and a second copy, smaller and in PNG, of the first `twins`."""
    for number, (label, color) in enumerate(list(CLASSES.items())[:classes]):
        (folder / label).mkdir(parents=True)
        for index in range(each):
            photo = draw_photo(color, seed=1000 * number + index)
            photo.save(folder / label / f"{index:02}.jpg")
            if index < twins:
                photo.resize((100, 75)).save(folder / label / f"{index:02}-twin.png")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one training run: `photos/`, `toy.pkl`, `toy-report/` and what the command printed, `output`."""
    folder = tmp_path_factory.mktemp("trained")
    photos = draw_photos(folder / "photos")
    (photos / "red" / "note.jpg").write_text("this is no photo")
    draw_photo((1, 1, 1), 1).save(photos / "loose.jpg")
    done = run("training", "--data", str(photos), "--out", str(folder / "toy"), *TRAIN)
    assert done.returncode == 0, done.stderr
    (folder / "output").write_text(done.stdout)
    return folder
