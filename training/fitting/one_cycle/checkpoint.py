"""A training that was stopped goes on where it was: what it takes for that, written after every epoch."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from fastai.torch_core import num_distrib, rank_distrib, set_seed
from torch import Tensor

from training.data.photos import LabelledPhoto
from training.fitting.one_cycle.callbacks import Epoch, ExponentialMovingAverage, KeepBest, unwrap
from training.recipe import Recipe
from training.whole_files import replace_whole

CHECKPOINT_FILE = "checkpoint.pth"
"""In the report's folder while it trains, and as long as a stopped training can be gone on with."""
TRIAL_FILE = "trial.pth"
"""Beside it, of the training without one source that decides which net is kept."""


class ResumeError(Exception):
    """A training cannot be resumed; the message says what to do."""


@dataclass
class _State:
    """What a checkpoint holds; tensors, numbers and texts alone, so that reading it runs no code."""

    run: dict[str, Any]
    """What must be the same in the command that goes on: `_describe_run`."""
    done: int
    """Epochs that are over."""
    seconds: float
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    average: dict[str, Any] | None
    history: list[dict[str, Any]]
    best: dict[str, Tensor]


class Checkpoint(Callback):
    """Writes after every epoch what the next one needs, and seeds each by its number: a resumed training is the same.

    To the bit on the CPU. Half precision on a GPU starts again with its loss scale, and so may leave out other steps;
    the smoothed training loss, a figure alone, starts again as well. Without a file it only seeds.
    """

    order = 70

    def __init__(self, file: Path | None, recipe: Recipe, photos: Sequence[LabelledPhoto]) -> None:
        self.file, self.recipe, self.kept = file, recipe, KeepBest()
        self.average = ExponentialMovingAverage(recipe.ema) if recipe.ema else None
        self.told = _describe_run(recipe, photos)
        self.done = 0
        self.earlier = 0.0
        """Seconds that the training took before it was stopped."""
        self.start = time.monotonic()
        self._found: _State | None = None

    @property
    def seconds(self) -> float:
        """How long the whole training has taken."""
        return self.earlier + time.monotonic() - self.start

    def read(self, device: torch.device) -> None:
        """Go on where the file says. Raises ResumeError if it is not there, damaged, or of another training."""
        assert self.file is not None
        found, self.kept.history = _read_state(self.file, self.told, device)
        self._found, self.done, self.earlier, self.kept.best = found, found.done, found.seconds, found.best

    def restore(self, learner: Learner) -> None:
        """Give the learner the weights and the optimiser that `read` found, once."""
        if self._found is None:
            return
        learner.model.load_state_dict(self._found.model)
        if learner.opt is None:
            learner.create_opt()
        learner.opt.load_state_dict(self._found.optimizer)
        if self.average is not None and self._found.average is not None:
            self.average.restore(learner.model, self._found.average)
        self._found = None

    def before_train(self) -> None:
        name = f"{self.recipe.seed} {self.learn.epoch}"
        self.learn.dls.train.rng = random.Random(name)  # the same in every process, which takes its share
        set_seed(random.Random(f"{name} {rank_distrib()}").getrandbits(32))

    def after_train(self) -> None:
        self.trained = True

    def after_epoch(self) -> None:
        if not self.__dict__.pop("trained", False):
            return
        self.done = self.learn.epoch + 1
        if rank_distrib() or self.file is None:
            return
        average = self.average.averaged if self.average else None
        optimizer = self.learn.opt.state_dict()
        hypers = [{name: float(value) for name, value in group.items()} for group in optimizer["hypers"]]
        assert self.kept.best is not None
        state = _State(
            run=self.told,
            done=self.done,
            seconds=self.seconds,
            model=unwrap(self.learn.model).state_dict(),
            optimizer={"state": list(optimizer["state"]), "hypers": hypers},
            average=average.state_dict() if average else None,
            history=[asdict(epoch) for epoch in self.kept.history],
            best=self.kept.best,
        )
        with replace_whole(self.file) as part:
            torch.save(vars(state), part)


def check_checkpoint(file: Path, recipe: Recipe, photos: Sequence[LabelledPhoto]) -> None:
    """Raises ResumeError where `Checkpoint.read` would, long before it is read to go on."""
    _read_state(file, _describe_run(recipe, photos), torch.device("cpu"))


def _read_state(file: Path, told: Mapping[str, Any], device: torch.device) -> tuple[_State, list[Epoch]]:
    if not file.is_file():
        raise ResumeError(f"there is no training to resume: {file} is not there. Start without --resume.")
    try:
        found = _State(**torch.load(file, map_location=device, weights_only=True))
        history = [Epoch(**epoch) for epoch in found.history]
    except Exception as error:  # torch.load raises many types
        raise ResumeError(f"{file} is damaged, the training cannot be resumed. Start without --resume.") from error
    changed = [option for option, value in told.items() if found.run.get(option) != value]
    if changed:
        raise ResumeError(f"the training to resume had another {', '.join(changed)}. Give the same options.")
    return found, history


def find_checkpoints(folder: Path) -> list[Path]:
    """What a stopped training left in the report's folder to go on with."""
    return [file for name in (CHECKPOINT_FILE, TRIAL_FILE) for file in _find_all(folder / name, ".pth")]


def delete_checkpoints(folder: Path) -> None:
    """Delete them, and what a training that was killed while it wrote left.

    The last net's first: what a kill leaves can be gone on with.
    """
    for name in (CHECKPOINT_FILE, TRIAL_FILE):
        for file in reversed(_find_all(folder / name, ".pth", ".pth.part")):
            file.unlink()


def name_checkpoint(file: Path, net: int) -> Path:
    """The file of one of a soup's nets, of which `file` is the first one's."""
    return file.with_stem(f"{file.stem}-{net + 1}") if net else file


def _find_all(file: Path, *suffixes: str) -> list[Path]:
    """Of all nets of a soup, the first one's first."""
    names = re.compile(rf"{re.escape(file.stem)}(-\d+)?({'|'.join(map(re.escape, suffixes))})")
    files = (path for path in file.parent.glob("*") if names.fullmatch(path.name))
    return sorted(files, key=lambda path: (len(path.name), path.name))


def _describe_run(recipe: Recipe, photos: Sequence[LabelledPhoto]) -> dict[str, Any]:
    """By the names of the options what makes a training: the recipe, the photos, and among how many processes."""
    lines = "\n".join(f"{photo.path.as_posix()} {photo.label} {photo.held_out}" for photo in photos)
    return {
        **{f"--{name.replace('_', '-')}": value for name, value in asdict(recipe).items()},
        "--data (its photos, labels or split)": hashlib.sha256(os.fsencode(lines)).hexdigest(),
        "number of processes": max(1, num_distrib()),
    }
