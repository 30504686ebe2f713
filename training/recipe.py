"""What a training run is made of: the recipe, and the phases that it comes to."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.inference.contract import SIZE

AUGMENTATIONS = ("light", "strong")
MIXES = ("none", "mixup", "cutmix")
NO_OUTSIDERS, GENERATED = "none", "generated"


@dataclass(frozen=True)
class Phase:
    """A run of epochs under one one-cycle schedule ("Super-Convergence", Smith and Topin 2017)."""

    epochs: int
    size: int
    """Width and height of the photos in pixels."""
    lr: float | slice
    """Highest learning rate; a slice spreads it over the layers, lowest first."""
    frozen: bool = False
    """Only the head learns."""
    rise: float = 0.25
    """Share of the phase in which the learning rate rises."""
    mixed: bool = True
    """Photos of a batch are blended, if the recipe says so."""
    start_divisor: float = 25.0
    """The learning rate starts at the highest one divided by this."""


@dataclass(frozen=True)
class Recipe:
    """How a net is trained."""

    arch: str = "resnet18"
    weights: str = "imagenet"
    """`imagenet`, `none`, the path of a state dict of `arch` in torchvision's form, or a learner to go on from."""
    epochs: int = 4
    start_epochs: int = 0
    """Epochs on small photos before them (progressive resizing)."""
    start_size: int = 128
    """Width and height in pixels of the small photos."""
    size: int = SIZE
    """Width and height in pixels of the photos in the last epochs. The exported file always takes 224."""
    polish_epochs: int = 0
    """Epochs after them at the size that the bot sees, photos unmixed, at a tenth of the learning rate."""
    batch_size: int = 64
    """Photos in a batch of one process."""
    lr: float | None = None
    """Highest learning rate; None: fastai's learning-rate finder."""
    augment: str = "light"
    """One of AUGMENTATIONS: fastai's usual, or what photos suffer in the wild as well."""
    mix: str = "none"
    """One of MIXES: photos of a batch blended with, or cut into, one another."""
    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes."""
    ema: float = 0.0
    """Decay per step of the moving average of the weights that is kept in the end; 0: the last weights."""
    teacher: str | None = None
    """A learner (`NAME.pkl`) whose answers are the targets instead of the labels."""
    outsiders: str = GENERATED
    """Pictures of none of the classes: `none`, `generated`, or a folder with more, a folder per kind."""
    unseen: tuple[str, ...] = ()
    """Kinds of outsiders that are kept out of training, to test on; empty: drawn by lot."""
    seed: int = 42
    """Of the training."""
    split_seed: int = 42
    """Of the split."""

    @property
    def goes_on(self) -> bool:
        """It starts from the whole net of another run (`NAME.pkl`) of the same classes and split."""
        return self.weights.endswith(".pkl")

    @property
    def pretrained(self) -> bool:
        """It starts from a body that knows other photos, and a new head."""
        return self.weights != "none" and not self.goes_on


def plan(recipe: Recipe, lr: float) -> list[Phase]:
    """The phases of a recipe at a highest learning rate: small photos first, then full size, then the polish."""
    sizes = [(recipe.start_size, recipe.start_epochs), (recipe.size, recipe.epochs)]
    sizes = [(size, epochs) for size, epochs in sizes if epochs]
    if not recipe.pretrained:  # body and head know equally much or little: nothing to keep frozen
        return [*(Phase(epochs, size, lr) for size, epochs in sizes), *_polish(recipe, lr / 10)]
    # fastai's fine_tune: an epoch with the body frozen, then all layers, the first ones a hundred times slower.
    first = Phase(1, sizes[0][0], slice(lr), frozen=True, rise=0.99)
    tuned = [Phase(epochs, size, slice(lr / 200, lr / 2), rise=0.3, start_divisor=5) for size, epochs in sizes]
    return [first, *tuned, *_polish(recipe, slice(lr / 2000, lr / 20))]


def _polish(recipe: Recipe, lr: float | slice) -> list[Phase]:
    return [Phase(recipe.polish_epochs, SIZE, lr, mixed=False)] if recipe.polish_epochs else []


def write_command(name: str, recipe: Mapping[str, Any], data: str | None) -> str:
    """The command that trains by a recipe as `metrics.json` holds it: what differs from the defaults."""
    words = ["python", "-m", "training", "--data", data or "DIR", "--out", f"artifacts/{name}"]
    default = Recipe()
    for field, value in recipe.items():
        usual = getattr(default, field, None)
        given = tuple(value) if isinstance(value, list) else value
        if given != usual:
            text = ",".join(given) if isinstance(given, tuple) else str(given)
            words += [f"--{field.replace('_', '-')}", text]
    return shlex.join(words)
