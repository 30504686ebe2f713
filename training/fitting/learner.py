"""Labelled photos -> a trained fastai Learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fastai.callback.schedule  # noqa: F401  # gives Learner fit_one_cycle
import numpy as np
import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import num_distrib, set_seed
from numpy.typing import NDArray
from torch import Tensor

from training.data.photos import LabelledPhoto
from training.fitting.architectures import make_net, split_layers
from training.fitting.callbacks import (
    Bfloat16,
    Epoch,
    ExponentialMovingAverage,
    KeepBest,
    interrupt_between_batches,
    unwrap,
)
from training.fitting.checkpoint import CHECKPOINT_FILE, Checkpoint
from training.fitting.dataloaders import (
    find_training_kinds,
    get_labels,
    list_vocab,
    make_dataloaders,
    make_training_loaders,
)
from training.fitting.distributed import Share, alone
from training.recipe import Recipe

FIRST_STAGES, HEAD = 1 / 3, 3
"""Their learning rates, in those of the body's last stages: first stages know most already, a new head nothing."""
RISE, START = 0.25, 25
"""Share of the training in which the learning rate rises, and what it begins at, as a divisor of the highest."""


@dataclass
class Trained:
    learner: Learner
    history: list[Epoch]
    interrupted: bool
    """Ctrl-C ended the training; the learner holds the best epoch before it."""
    seconds: float = 0.0
    """How long it took, with what it took before it was stopped and resumed."""


def train(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path, resume: bool = False) -> Trained:
    """Train a net on the photos that are not held out; it ends with the last weights, or with their moving average.

    No epoch is chosen by the held-out photos, so that their figures stay honest. Only after Ctrl-C the epoch with the
    lowest validation loss so far is kept; before the first epoch's end it raises KeyboardInterrupt. Raises WeightsError
    if there are no such starting weights, ResumeError. `folder` is for files that live while it trains.

    One of several processes (`accelerate launch`) trains on its share. All end with the same weights, if not the same
    statistics of batch norm, and fastai takes each for one of several until told otherwise (`distributed.alone`).
    """
    share = Share() if num_distrib() > 1 else None  # first, since it chooses this process's GPU
    set_seed(recipe.seed, reproducible=True)
    kinds = find_training_kinds(recipe)
    vocab = list_vocab(photos, kinds)
    learner = build_learner(photos, recipe, folder, vocab)
    kept_loaders = learner.dls
    epochs = KeepBest()
    average = ExponentialMovingAverage(recipe.ema) if recipe.ema else None
    checkpoint = Checkpoint(folder / CHECKPOINT_FILE, recipe, photos, epochs, average)
    if resume:
        checkpoint.read(learner.dls.device)
    learner.dls = make_training_loaders(photos, recipe, kinds, folder)
    callbacks = [epochs, average, checkpoint, ChannelsLast(), *_half_precision(learner), share]
    callbacks = [callback for callback in callbacks if callback]
    learner.add_cbs(callbacks)
    interrupted = False
    try:
        with interrupt_between_batches(learner):
            _fit(learner, recipe, checkpoint)
        if average and average.averaged:
            learner.model.load_state_dict(average.averaged.module.state_dict())
    except KeyboardInterrupt:
        if epochs.best is None:
            raise KeyboardInterrupt(" before the first epoch was over, nothing is written") from None
        learner.model = unwrap(learner.model)  # what distributed training put around it is still there
        learner.model.load_state_dict(epochs.best)
        interrupted = True
    learner.remove_cbs(callbacks)
    learner.dls = kept_loaders
    learner.to_fp32()
    learner.model.to(memory_format=torch.contiguous_format)
    return Trained(learner, epochs.history, interrupted, checkpoint.seconds)


def build_learner(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path, vocab: Sequence[str]) -> Learner:
    """An untrained Learner with the recipe's starting weights. Raises WeightsError if they are missing."""
    with alone():
        dls = make_dataloaders(photos, vocab, recipe.batch_size)
    return Learner(
        dls,
        make_net(recipe.arch, recipe.weights, len(vocab), recipe.dropout),
        loss_func=CrossEntropyLossFlat(),
        splitter=partial(split_layers, recipe.arch),
        metrics=partial(label_accuracy, labels=len(get_labels(dls))),
        path=folder,
        model_dir=".",
    )


def label_accuracy(outputs: Tensor, targets: Tensor, labels: int) -> Tensor:
    """Share of photos whose label has the highest of the first `labels` outputs (an outsider class comes after)."""
    return (outputs[:, :labels].argmax(1) == targets).float().mean()


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


def _half_precision(learner: Learner) -> list[Callback]:
    """bfloat16 where the hardware has it: emulated it is slower than float32. Else float16 on a GPU."""
    if learner.dls.device.type == "cuda":
        (learner.to_bf16 if torch.cuda.is_bf16_supported(including_emulation=False) else learner.to_fp16)()
        return []
    return [Bfloat16()] if torch.cpu._is_avx512_bf16_supported() else []


def compute_logits(learner: Learner, photos: list[bytes]) -> NDArray[np.float32]:
    """What the learner itself says of photo files, through fastai's validation transforms.

    float32 `[photos, outputs]`: an output for each label, and one more for outsiders if it was trained with them.
    """
    loader = learner.dls.test_dl(photos, num_workers=0)
    with learner.no_bar():
        logits, _ = learner.get_preds(dl=loader, act=torch.nn.Identity())
    return np.asarray(logits, np.float32)
