"""All layers of a net learn, under one one-cycle schedule ("Super-Convergence", Smith and Topin 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import fastai.callback.schedule  # noqa: F401  # gives Learner fit_one_cycle
from fastai.callback.channelslast import ChannelsLast
from fastai.learner import Learner
from torch import Tensor

from training.data.photos import LabelledPhoto
from training.fitting.choice import average
from training.fitting.distributed import Share
from training.fitting.one_cycle.callbacks import (
    DivergedError,
    Epoch,
    SkipEmptyValidation,
    interrupt_between_batches,
    show_epochs,
    unwrap,
)
from training.fitting.one_cycle.checkpoint import Checkpoint, name_checkpoint
from training.fitting.one_cycle.focus import Focus
from training.fitting.precision import half_precision
from training.recipe import Recipe

State = dict[str, Tensor]

FIRST_STAGES, HEAD = 1 / 3, 3
"""Their learning rates, in those of the body's last stages: first stages know most already, a new head nothing."""
RISE, START = 0.25, 25
"""Share of the training in which the learning rate rises, and what it begins at, as a divisor of the highest."""


@dataclass(frozen=True)
class Fit:
    history: list[Epoch]
    interrupted: bool
    """Ctrl-C ended it; the learner holds the nets that were done before it, or the first one's best epoch."""
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
    """Train the recipe's soup with the loaders that the learner has; it ends with the mean of the nets' weights.

    `file` holds the last epoch of the first net, for `resume`, and others beside it those of the next ones; None: so
    short a training is not resumed. Raises ResumeError, DivergedError, and KeyboardInterrupt if Ctrl-C came before the
    first epoch's end.
    """
    start, states, fits = copy_state(learner), list[State](), list[Fit]()
    if file and not resume:
        for net in range(1, recipe.soup):
            name_checkpoint(file, net).unlink(missing_ok=True)  # of a training before this one
    interrupted = False
    # Around all nets: Ctrl-C that comes between two, or while an epoch is saved, ends the next one's first batch.
    with interrupt_between_batches(learner) as interrupt:
        while len(states) < recipe.soup and not interrupted:
            net = len(states)
            net_file = name_checkpoint(file, net) if file else None
            resume = resume and (net == 0 or (net_file is not None and net_file.exists()))
            if recipe.soup > 1:
                print(f"net {net + 1} of {recipe.soup}, whose weights are averaged")
            try:
                learner.model.load_state_dict(start)
                checkpoint = Checkpoint(net_file, replace(recipe, seed=recipe.seed + net), photos)
                if resume:
                    checkpoint.read(learner.dls.device)
                fit = _fit_net(learner, len({photo.label for photo in photos}), checkpoint, share)
            except KeyboardInterrupt:
                if not states:
                    raise
                interrupted = True
            else:
                interrupted = fit.interrupted
            if not states or not interrupted:  # half a net is no part of a mean
                states.append(copy_state(learner))
                fits.append(fit)
        interrupted = interrupted or interrupt.agreed  # while the last epoch was saved: what comes next shall not begin
    learner.model.load_state_dict(average(states))
    history = [epoch for fit in fits for epoch in fit.history]
    return Fit(history, interrupted, sum(fit.seconds for fit in fits))


def copy_state(learner: Learner) -> State:
    return {name: value.detach().clone() for name, value in learner.model.state_dict().items()}


def _fit_net(learner: Learner, classes: int, checkpoint: Checkpoint, share: Share | None) -> Fit:
    """Train one net, from where its checkpoint is; it ends with the weights' moving average, or with the last.

    Raises KeyboardInterrupt as `fit_layers` does, and DivergedError.
    """
    recipe, epochs, moving = checkpoint.recipe, checkpoint.kept, checkpoint.average
    callbacks = [
        epochs,
        moving,
        checkpoint,
        ChannelsLast(),
        SkipEmptyValidation(),
        Focus(recipe.focus, classes) if recipe.focus else None,
        share,
    ]
    callbacks = [callback for callback in callbacks if callback]
    learner.add_cbs(callbacks)
    interrupted = False
    try:
        with half_precision(learner), show_epochs(learner):
            _fit(learner, checkpoint)
        if epochs.diverged:
            raise DivergedError(
                f"the training failed in epoch {learner.epoch + 1}: its loss is no number any more. "
                "Give a lower --lr, and leave out --focus and --weight-decay."
            )
        if moving and moving.averaged:
            learner.model.load_state_dict(moving.averaged.module.state_dict())
    except KeyboardInterrupt:
        if epochs.best is None:
            raise KeyboardInterrupt(" before the first epoch was over, nothing is written") from None
        unwrap(learner.model).load_state_dict(epochs.best)
        interrupted = True
    finally:
        learner.model = unwrap(learner.model)  # after Ctrl-C, what distributed training put around it is still there
        learner.remove_cbs(callbacks)
    return Fit(epochs.history, interrupted, checkpoint.seconds)


def _fit(learner: Learner, checkpoint: Checkpoint) -> None:
    recipe = checkpoint.recipe
    learner.create_opt()
    checkpoint.restore(learner)
    if checkpoint.done == recipe.epochs:
        return
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
