"""Which of the nets that a training makes is kept: by photos that none of them learned from.

Photos of a source that was left out tell it. Of one source alone, photos left out are changed as strangers' are.
They tell less: of 900 photos of one collection of masks, all layers were ahead by a point on the changed ones. On three
other collections they were 7 to 35 points behind the last layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bot.inference.contract import SIZE
from training.data.photos import LabelledPhoto
from training.fitting.batches.augment import Strength, augment
from training.fitting.batches.dataloaders import Pictures
from training.fitting.outputs import compute_outputs, see_as_bot
from training.recipe import KEEPS

Right = Mapping[str, NDArray[np.float64]]
"""The share of views of each photo that a net is right on, `[photos]`, by the net's name."""
STRANGE = Strength(middle=1, distant=0.5, farthest=3, few_pixels=0.3, blur=0.3, dark=0.3, light=0.2)
"""The bot's view of a photo: smaller in wider surroundings, blurred, dark, of few pixels, or several of these."""
VIEWS = 3
"""Changed copies of each photo."""
ONE_SOURCE, POINTS = 3, 0.05
"""By what factor a net must make fewer errors than a plainer one, and on what share of the views it must be right more,
where photos of one source alone tell it. Of 1,376 photos of one collection the mean made a sixth of the errors, 0.2
instead of 1.6 %. On three other collections it was right on 71 %, the last layer on 83 %."""
MANY = 2000
"""Photos of several sources from which on all layers stand first. Four collections were left out in turn. Learned from
1,000 photos of each of the others, all layers lost least. Of 500 of each it was the last layer (docs/training.md)."""
FEW = 50
"""Photos of the smallest class below which a net is kept instead of a plainer one only if it is clearly better."""
BETTER, CLEARLY_BETTER = 1.5, 2.0
"""By how many standard errors."""


@dataclass(frozen=True)
class Choice:
    """Which net is kept, of KEEPS, and what says so."""

    kept: str
    right: Right

    @property
    def shares(self) -> dict[str, float]:
        """The share of views that each net is right on."""
        return {name: float(right.mean()) for name, right in self.right.items()}

    def __str__(self) -> str:
        return ", ".join(f"{name} {share:.1%}" for name, share in self.shares.items()) + f". Kept: {self.kept}."


def judge(
    net: nn.Module, pictures: Pictures, rows: Sequence[int], classes: int, other_source: bool = False
) -> NDArray[np.float64]:
    """The share of views of each photo whose class has the highest output, `[rows]`.

    Photos of another source are seen as they are, those of the source that was learned from in changed copies.
    """
    rng = torch.Generator().manual_seed(0)  # the same copies for every net
    nothing = torch.tensor([], dtype=torch.long)

    def change(photos: Tensor) -> Tensor:
        return augment(photos, nothing, SIZE, STRANGE, rng)

    targets = pictures.targets[torch.as_tensor(rows)]
    views = [see_as_bot] if other_source else [change] * VIEWS
    answers = [compute_outputs(net, pictures, rows, view)[:, :classes].argmax(1) for view in views]
    return np.asarray(torch.stack([answer == targets for answer in answers]).double().mean(0))


def choose(right: Right, least: int, other_source: bool = False, varied: bool = False) -> str:
    """What is kept, of KEEPS: the first that no other beats by more than chance explains, and far enough.

    The plainest stands first; the least plain where the nets learned from MANY photos of several sources (`varied`).
    `right` are shares a photo, as `judge` gives them; `least` is the number of photos of the smallest class.
    """
    margin = CLEARLY_BETTER if least < FEW else BETTER
    kept, *others = [name for name in (reversed(KEEPS) if varied else KEEPS) if name in right]
    for name in others:
        gain = right[name] - right[kept]
        clear = gain.mean() > margin * gain.std() / np.sqrt(len(gain))
        if clear and is_ahead(right[name], right[kept], other_source):
            kept = name
    return kept


def is_varied(photos: Sequence[LabelledPhoto]) -> bool:
    """Whether those that are not held out are MANY, of several sources."""
    learned = [photo.collection for photo in photos if not photo.held_out]
    return len(learned) >= MANY and len(set(learned)) > 1


def is_ahead(right: NDArray[np.float64], plainer: NDArray[np.float64], other_source: bool = False) -> bool:
    """Whether a net makes fewer errors than a plainer one: of one source alone, far fewer (ONE_SOURCE, POINTS)."""
    fewer = (1 - right).sum() * (1 if other_source else ONE_SOURCE) < (1 - plainer).sum()
    return bool(fewer and (other_source or right.mean() - plainer.mean() >= POINTS))


def average(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the nets' weights and statistics; counts are the last one's."""
    return {
        name: sum(state[name].to(value) for state in states) / len(states) if value.is_floating_point() else value
        for name, value in states[-1].items()
    }
