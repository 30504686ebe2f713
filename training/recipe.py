"""How a net is trained, in one place: what a command, a file of recipes and a report say of it."""

from __future__ import annotations

import argparse
import math
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bot.inference.contract import SIZE
from training.records import from_json, to_json

AUGMENTATIONS = ("light", "strong")
LINEAR, MEAN, TUNED, AUTO = "linear", "mean", "tuned", "auto"
KEEPS = (LINEAR, MEAN, TUNED)
"""What a training can end with, the plainest first: see `Recipe.keep`."""
RECIPES = Path(__file__).parent / "recipes"
"""Files with the recipes of shipped models."""
SIZE_WITHOUT_GPU = 160
"""Width and height in pixels of the photos in training, where nothing else is asked for and there is no GPU."""
MAX_SIZE = 1024
"""Pixels that are learned from, four times those that are kept of a photo: more fills the memory for nothing."""
SEEDS = 10**9
"""Seeds are below it: every generator of random numbers takes them, and a few more after each."""
NO_OUTSIDERS, GENERATED = "none", "generated"


class RecipeError(Exception):
    """A file of a recipe cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Recipe:
    """How a net is trained."""

    arch: str = "resnet18"
    weights: str = "imagenet"
    """`imagenet`, `none`, or the path of a state dict of `arch` in torchvision's form."""
    epochs: int = 4
    """Of all layers, each of as many pictures as there are photos to train on; 0: the last layer alone learns."""
    keep: str = AUTO
    """The last layer fitted to the features of a body that stays as it is (`linear`), all layers trained on from there
    (`tuned`), the mean of their weights (`mean`; WiSE-FT, Wortsman et al. 2022); `auto`: what is best on a source that
    was left out, or far better on changed photos of one source alone: see `fitting.choice`."""
    size: int = SIZE
    """Width and height in pixels of the photos that it learns from. The exported file always takes 224."""
    batch_size: int = 64
    """Photos in a batch of one process."""
    lr: float | None = None
    """Highest learning rate of the last stages of the body; None: BASE_LR, by the root of the batch."""
    weight_decay: float = 0.02
    dropout: float = 0.2
    """Before the last layer."""
    augment: str = "light"
    """One of AUGMENTATIONS: crops and light, or what photos suffer in the wild as well."""
    focus: float = 0.0
    """How much the loss counts evidence that is spread over the photo: see `fitting.one_cycle.focus`."""
    ema: float = 0.995
    """Decay per step of the moving average of the weights that is kept in the end; 0: the last weights."""
    soup: int = 1
    """Nets that are trained from the same start, each by a seed of its own. The mean of their weights is kept ("Model
    soups", Wortsman et al. 2022)."""
    outsiders: str = GENERATED
    """Pictures of none of the classes: `none`, `generated`, or a folder with more, a folder per kind."""
    outsider_share: float = 0.15
    """Of the pictures that an epoch shows."""
    unseen: tuple[str, ...] = ()
    """Kinds of outsiders that are kept out of training, to test on; empty: drawn at random."""
    seed: int = 42
    """Of the training; of a soup's first net, the others' follow."""
    split_seed: int = 42
    """Of the split."""

    def __post_init__(self) -> None:
        """Raises ValueError for a seed that no generator takes: files are read into it."""
        if not 0 <= self.split_seed < SEEDS:
            raise ValueError(f"recipe.split_seed is not from 0 to {SEEDS - 1}")

    @property
    def last_layer_alone(self) -> bool:
        """Whether the body stays as it is: there are no epochs to go on with."""
        return self.epochs == 0 or self.keep == LINEAR

    @property
    def highest_lr(self) -> float:
        return self.lr or BASE_LR * math.sqrt(self.batch_size / BASE_BATCH)


BASE_LR, BASE_BATCH = 1e-3, 256
"""AdamW's highest learning rate, and the photos in a batch that it is for. With fewer it falls with their root (Malladi
et al. 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms")."""


FIRST_DEFAULTS: dict[str, Any] = {
    "arch": "resnet18",
    "weights": "imagenet",
    "epochs": 4,
    "keep": "tuned",
    "size": 224,
    "batch_size": 64,
    "lr": None,
    "weight_decay": 0.01,
    "dropout": 0.5,
    "augment": "light",
    "ema": 0.0,
    "outsiders": "generated",
    "outsider_share": 0.2,
    "unseen": (),
    "seed": 42,
    "split_seed": 42,
}
"""What files leave out that hold only what differed from the defaults of their day: those without `dropout`."""


def read_fields(values: Mapping[str, Any]) -> Recipe:
    """The recipe in a file, where tuples are lists. Fields of other versions are passed over.

    Raises ValueError for a field of another type, naming it.
    """
    if "dropout" not in values:
        values = FIRST_DEFAULTS | dict(values)
    return from_json(Recipe, to_json(dict(values)), "recipe")


def load_recipe(name: str) -> dict[str, Any]:
    """The fields in a TOML file: a path, or the name of one of RECIPES. Raises RecipeError, with what to do."""
    file = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        names = ", ".join(sorted(path.stem for path in RECIPES.glob("*.toml")))
        raise RecipeError(f"{file} cannot be read. --recipe takes a file.toml, or one of {names}.") from error
    except (ValueError, RecursionError) as error:  # no TOML, or no UTF-8
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise RecipeError(f"{file} is not TOML: {why}. Correct it, or leave out --recipe.") from error
    unknown = sorted(values.keys() - {field.name for field in fields(Recipe)})
    if unknown:
        known = ", ".join(field.name for field in fields(Recipe))
        raise RecipeError(f"{file} names {', '.join(unknown)}, which no recipe has. It may name {known}.")
    return {field: tuple(value) if isinstance(value, list) else value for field, value in values.items()}


def name_weights(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as a file tells it that others get: of weights in a file it has the name, and no folder of yours."""
    return {field: Path(value).name if field == "weights" else value for field, value in recipe.items()}


def parse_number(kind: Callable[[str], float], least: float, below: float = float("inf")) -> Callable[[str], float]:
    """For argparse: a number from `least` on and under `below`. What it gives raises ArgumentTypeError."""

    def number(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is below {least:g}")
        if not value < below:
            raise argparse.ArgumentTypeError(f"{text} is not below {below:g}")
        return value

    return number


def parse_text(text: str) -> str:
    """For argparse: a text that is not empty. Raises ArgumentTypeError."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty. Give a value or leave the option out")
    return text


def write_command(name: str, recipe: Mapping[str, Any], data: str | None, **others: str | None) -> str:
    """The command that trains by a recipe as a file holds it: what differs from the defaults, and always the size,
    whose default is the computer's. `others` are further options of the command; None: not given.
    """
    given = {"data": data or "DIR", "out": f"artifacts/{name}"} | {key: text for key, text in others.items() if text}
    words = ["python", "-m", "training", *write_options(given)]
    default, own = asdict(Recipe()), asdict(read_fields(recipe))
    differs = {field: value for field, value in own.items() if value != default[field] or field == "size"}
    return shlex.join(words + write_options(differs))


def write_options(values: Mapping[str, Any]) -> list[str]:
    """The fields of a recipe, or other options by their names, as words of the command."""
    words = []
    for field, value in values.items():
        option = f"--{field.replace('_', '-')}"
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]  # else it would be an option itself
    return words
