"""Which of the nets that a training makes is kept: by photos that were left out, changed as strangers' photos are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bot.inference.contract import SIZE
from training.fitting.batches.augment import Strength, augment
from training.fitting.batches.dataloaders import Pictures
from training.fitting.batches.pixels import normalize
from training.fitting.precision import autocast
from training.recipe import KEEPS

STRANGE = Strength(middle=1, distant=0.5, farthest=3, few_pixels=0.3, blur=0.3, dark=0.3, light=0.2)
"""The bot's view of a photo: smaller in wider surroundings, blurred, dark, of few pixels, or several of these."""
VIEWS = 3
"""Changed copies of each photo."""
BATCH = 64
FEW = 50
"""Photos of the smallest class below which a net is kept instead of a plainer one only if it is clearly better."""
BETTER, CLEARLY_BETTER = 1.5, 2.0
"""By how many standard errors."""


def judge(net: nn.Module, pictures: Pictures, rows: Sequence[int], classes: int) -> NDArray[np.float64]:
    """The share of each photo's changed copies whose class has the highest output, `[rows]`."""
    rng = torch.Generator().manual_seed(0)  # the same copies for every net
    device = next(net.parameters()).device
    nothing = torch.tensor([], dtype=torch.long)
    right = np.zeros(len(rows))
    net.eval()
    with torch.inference_mode():
        for _ in range(VIEWS):
            for part in torch.arange(len(rows)).split(BATCH):
                chosen = torch.as_tensor(rows)[part]
                views = augment(_take(pictures.pixels, chosen).to(device), nothing, SIZE, STRANGE, rng)
                with autocast(device):
                    answers = net(normalize(views))[:, :classes].argmax(1).cpu()
                right[part] += (answers == pictures.targets[chosen]).numpy() / VIEWS
    return right


def choose(right: Mapping[str, NDArray[np.float64]], least: int) -> str:
    """What is kept, of KEEPS: the plainest that no other beats by more than chance explains.

    `right` are shares a photo, as `judge` gives them; `least` is the number of photos of the smallest class.
    """
    margin = CLEARLY_BETTER if least < FEW else BETTER
    kept, *others = [name for name in KEEPS if name in right]
    for name in others:
        gain = right[name] - right[kept]
        if gain.mean() > margin * gain.std() / np.sqrt(len(gain)):
            kept = name
    return kept


def average(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of two nets' weights and statistics; counts are the second's."""
    return {
        name: (value + one[name].to(value)) / 2 if value.is_floating_point() else value for name, value in other.items()
    }


def _take(pixels: Tensor, rows: Tensor) -> Tensor:
    return pixels[rows.to(pixels.device)]
