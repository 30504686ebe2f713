"""What a training's batches cost, beside a net that learns from one batch again and again.

    OMP_NUM_THREADS=2 .venv/train/bin/python -m tests.measure.training_speed [--steps 8] [--rounds 3]

Both trainings are in float32 and take turns, so that another program slows both. Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.data.photos import LabelledPhoto
from training.fitting import precision
from training.fitting.architectures import make_net
from training.fitting.batches.dataloaders import Pictures, TrainBatches, make_training_loaders
from training.fitting.learner import build_learner
from training.fitting.one_cycle.callbacks import AVERAGE_FROM
from training.fitting.one_cycle.checkpoint import CHECKPOINT_FILE
from training.fitting.one_cycle.fit import fit_layers
from training.recipe import AUGMENTATIONS, Recipe

BATCH = 64
RECIPE = Recipe(weights="none", epochs=1, batch_size=BATCH, outsiders="none")
CPU = torch.device("cpu")


def time_batches(pictures: Pictures, recipe: Recipe, steps: int) -> float:
    """Photos a second that the loader hands over when nobody learns from them."""
    loader = TrainBatches(pictures, [np.arange(len(pictures.targets))], recipe, CPU)
    start, batches = time.perf_counter(), iter(loader)
    for _ in range(steps):
        next(batches)
    return steps * BATCH / (time.perf_counter() - start)


def time_bare(pictures: Pictures, recipe: Recipe, steps: int) -> float:
    """Photos a second of forward, backward, optimiser and average alone."""
    net = make_net(recipe.arch, "none", 2, recipe.dropout).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.highest_lr, weight_decay=recipe.weight_decay)
    batch, targets = next(iter(TrainBatches(pictures, [np.arange(len(pictures.targets))], recipe, CPU)))
    averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
    start = time.perf_counter()
    for step in range(steps):
        torch.nn.functional.cross_entropy(net(batch), targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        if step >= AVERAGE_FROM * steps:
            averaged.update_parameters(net)
    return steps * BATCH / (time.perf_counter() - start)


def time_training(pictures: Pictures, photos: list[LabelledPhoto], recipe: Recipe, folder: Path) -> float:
    """Photos a second of the training itself, as many steps as there are batches of photos."""
    learner = build_learner(photos, recipe, folder, ["a", "b"])
    learner.dls = make_training_loaders(pictures, photos, recipe)
    start = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        fit_layers(learner, photos, recipe, folder / CHECKPOINT_FILE, False, None)
    return len(photos) / (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.training_speed", description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    precision.has_bfloat16 = lambda device: False  # float32, also where the processor has bfloat16
    count = options.steps * BATCH
    pixels = torch.randint(256, (count, 256, 256, 3), dtype=torch.uint8)
    pictures = Pictures(pixels, torch.arange(count) % 2, count, [])
    for size in (160, 224):
        for augment in AUGMENTATIONS:
            recipe = replace(RECIPE, size=size, augment=augment)
            rates = [time_batches(pictures, recipe, options.steps) for _ in range(options.rounds)]
            print(f"loader alone, {size} pixels, {augment}: {statistics.median(rates):.0f} photos a second", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        photos = []
        for number in range(count):
            path = Path(folder) / f"{number}.png"
            Image.new("RGB", (8, 8)).save(path)
            photos.append(LabelledPhoto(path, "ab"[number % 2]))
        recipe = replace(RECIPE, size=160)
        rows = [
            (time_bare(pictures, recipe, options.steps), time_training(pictures, photos, recipe, Path(folder)))
            for _ in range(options.rounds)
        ]
    bare, training = (statistics.median(column) for column in zip(*rows, strict=True))
    longer = statistics.median(before / after - 1 for before, after in rows)
    print(
        f"160 pixels, float32, light: {bare:.1f} photos a second with one batch again and again, {training:.1f} in "
        f"training: {longer:.1%} longer"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
