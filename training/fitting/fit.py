"""All layers of a net learn, under one one-cycle schedule ("Super-Convergence", Smith and Topin 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fastai.callback.schedule  # noqa: F401  # gives Learner fit_one_cycle
from fastai.callback.channelslast import ChannelsLast
from fastai.learner import Learner

from training.data.photos import LabelledPhoto
from training.fitting.callbacks import (
    Epoch,
    ExponentialMovingAverage,
    KeepBest,
    SkipEmptyValidation,
    interrupt_between_batches,
    show_epochs,
    unwrap,
)
from training.fitting.checkpoint import Checkpoint
from training.fitting.distributed import Share
from training.fitting.focus import Focus
from training.fitting.precision import use_half_precision
from training.recipe import Recipe

FIRST_STAGES, HEAD = 1 / 3, 3
"""Their learning rates, in those of the body's last stages: first stages know most already, a new head nothing."""
RISE, START = 0.25, 25
"""Share of the training in which the learning rate rises, and what it begins at, as a divisor of the highest."""


@dataclass(frozen=True)
class Fit:
    history: list[Epoch]
    interrupted: bool
    """Ctrl-C ended it; the learner holds the best epoch before it."""
    seconds: float
    """How long it took, with what it took before it was stopped and resumed."""


def fit_layers(  # noqa: PLR0913, PLR0917
    learner: Learner,
    photos: Sequence[LabelledPhoto],
    recipe: Recipe,
    file: Path | None,
    resume: bool,
    share: Share | None,
) -> Fit:
    """Train the learner's net with the loaders that it has; it ends with the weights' average, or with the last.

    `file` holds the last epoch, for `resume`; None: so short a training is not resumed.
    Raises ResumeError, and KeyboardInterrupt if Ctrl-C came before the first epoch's end.
    """
    epochs = KeepBest()
    average = ExponentialMovingAverage(recipe.ema) if recipe.ema else None
    checkpoint = Checkpoint(file, recipe, photos, epochs, average)
    if resume:
        checkpoint.read(learner.dls.device)
    callbacks = [
        epochs,
        average,
        checkpoint,
        ChannelsLast(),
        SkipEmptyValidation(),
        Focus(recipe.focus, len({photo.label for photo in photos})) if recipe.focus else None,
        *use_half_precision(learner),
        share,
    ]
    callbacks = [callback for callback in callbacks if callback]
    learner.add_cbs(callbacks)
    interrupted = False
    try:
        with interrupt_between_batches(learner), show_epochs(learner):
            _fit(learner, recipe, checkpoint)
        if average and average.averaged:
            learner.model.load_state_dict(average.averaged.module.state_dict())
    except KeyboardInterrupt:
        if epochs.best is None:
            raise KeyboardInterrupt(" before the first epoch was over, nothing is written") from None
        learner.model = unwrap(learner.model)  # what distributed training put around it is still there
        learner.model.load_state_dict(epochs.best)
        interrupted = True
    finally:
        learner.remove_cbs(callbacks)
    return Fit(epochs.history, interrupted, checkpoint.seconds)


def _fit(learner: Learner, recipe: Recipe, checkpoint: Checkpoint) -> None:
    learner.create_opt()
    checkpoint.restore(learner)
    groups = len(learner.opt.param_lists)
    by_group = [1.0] * groups if recipe.weights == "none" else [*[FIRST_STAGES] * (groups > 2), 1.0, HEAD]
    learner.fit_one_cycle(
        recipe.epochs,
        [recipe.highest_lr * factor for factor in by_group],
        pct_start=RISE,
        div=START,
        wd=recipe.weight_decay,
        start_epoch=checkpoint.done,
    )
