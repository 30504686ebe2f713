"""What a training will take, told before it starts, from the time of one forward pass."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bot.inference.contract import SIZE
from training.fitting.batches.pixels import normalize
from training.fitting.choice import VIEWS
from training.fitting.linear import count_views
from training.fitting.precision import autocast
from training.recipe import AUTO, KEEPS, Recipe

TIMED = 16
"""Pictures in the forward pass that is timed."""
BACKWARD = 3
"""Forward and backward together, in forward passes: measured on two cores, 24 photos a second at 160 pixels against 38
at 224 forward alone."""
REPORTED = 4
"""Forward passes for each photo that a report judges: as it is, its copies, pictures of something else."""
COMPARED = 1000
"""Photos learned from, at most, that a report of held-out ones looks at too, to compare scores for something else."""


def estimate(  # noqa: PLR0913, PLR0917
    body: nn.Module,
    recipe: Recipe,
    photos: int,
    pictures: int,
    folds: NDArray[np.int64] | None,
    several_sources: bool = False,
    check_labels: bool = False,
) -> list[str]:
    """The plan, a line a step, with minutes. `folds` are those of `learner.train`, `pictures` photos and outsiders."""
    forward = time_forward(body)
    judged = photos if folds is not None else photos / 5
    report = REPORTED * judged * forward
    if folds is None:
        report += (judged + min(COMPARED, photos - judged)) * forward
    lines = [f"{photos} photos and {pictures - photos} pictures of something else. On this computer it will take:"]
    linear = recipe.weights != "none"
    if linear:
        is_reported = folds is not None or recipe.last_layer_alone
        seconds = count_views(pictures) * forward + (report if is_reported else 0)
        written = ", with its report" if is_reported else ""
        lines.append(f"- the last layer{written}: {_round(seconds)}")
    if not recipe.last_layer_alone:
        passes = photos * recipe.epochs * recipe.soup * BACKWARD * (recipe.size / SIZE) ** 2
        if linear and recipe.keep == AUTO:
            passes += VIEWS * len(KEEPS) * judged / (1 if folds is None else folds.max() + 1)
        tried = several_sources and linear and recipe.keep == AUTO
        if folds is None:
            if tried:
                lines.append(f"- all layers without one source, to see if they do better: {_round(passes * forward)}")
            lines.append(f"- all layers and the report: {_round(passes * forward + report)}")
            if check_labels:
                lines.append(f"- all layers on each half, to judge labels: {_round(passes * forward)}")
        else:
            nets = int(folds.max()) + 2 + tried
            least, most = _round(passes * forward), _round(nets * passes * forward + report)
            lines.append(f"- all layers, to see if they do better: {least} if not, {most} if so")
    return lines


def time_forward(body: nn.Module) -> float:
    """Seconds a picture at the bot's size, in a forward pass that is not the first."""
    device = next(body.parameters()).device
    batch = normalize(torch.zeros(TIMED, 3, SIZE, SIZE, device=device))
    body.eval()
    with torch.inference_mode(), autocast(device):
        body(batch).sum().item()  # waits for a GPU
        start = time.perf_counter()
        body(batch).sum().item()
    return (time.perf_counter() - start) / TIMED


def _round(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return "about a minute" if minutes <= 1 else f"about {minutes} minutes"
