"""Training runs of seconds, on the photos of `tests.support.datasets`."""

from __future__ import annotations

from pathlib import Path

from tests.support.warm import Command
from training.recipe import Recipe

SMALL = Recipe(weights="none", epochs=1, size=64, batch_size=8, lr=1e-3, outsiders="none")
TRAIN = (
    *("--weights", "none", "--epochs", "7", "--size", "96", "--ema", "0.9"),
    *("--batch-size", "5", "--lr", "1e-3", "--unseen", "noise"),
)
"""Options of the run that the fixture `trained` holds."""
LONG = ("--epochs", "500", "--lr", "1e-3", "--batch-size", "8")


def start_training(photos: Path, out: Path, *options: str) -> Command:
    """`python -m training`, which goes on until it is stopped unless `options` say otherwise."""
    return Command("training", "--data", str(photos), "--out", str(out), "--weights", "none", *(options or LONG))
