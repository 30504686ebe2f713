"""Labelled photos -> a trained fastai Learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fastai.callback.schedule  # noqa: F401  # gives Learner fit_one_cycle and lr_find
import numpy as np
import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback
from fastai.callback.mixup import CutMix, MixHandler, MixUp
from fastai.learner import Learner
from fastai.losses import LabelSmoothingCrossEntropyFlat
from fastai.torch_core import num_distrib, set_seed
from fastai.vision.learner import vision_learner
from numpy.typing import NDArray
from torch import Tensor, nn

from bot.inference.contract import SIZE
from training.data.outsiders import Kind
from training.data.photos import DataError, LabelledPhoto
from training.data.split import read_split
from training.fitting.architectures import WeightsError, explain_download, find_arch, load_body, make_head
from training.fitting.callbacks import (
    Average,
    Bfloat16,
    Distill,
    Epoch,
    KeepBest,
    bare,
    interrupt_between_batches,
)
from training.fitting.checkpoint import CHECKPOINT_FILE, Checkpoint
from training.fitting.dataloaders import Share, alone, find_training_kinds, get_labels, make_dataloaders
from training.recipe import Phase, Recipe, plan
from training.runs import SPLIT_FILE, find_report, read_learner

FALLBACK_LR = 2e-3
"""fastai's own default for fine_tune."""


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
    if the starting weights or the teacher cannot be had, ResumeError. `folder` is for files that live while it trains.

    One of several processes (`accelerate launch`) trains on its share. All end with the same weights, if not the same
    statistics of batch norm, and fastai takes each for one of several until told otherwise (`batches.alone`).
    """
    share = Share() if num_distrib() > 1 else None  # first, since it chooses this process's GPU
    set_seed(recipe.seed, reproducible=True)
    kinds = find_training_kinds(recipe)
    learner = _build(photos, recipe, folder, kinds)
    loss = learner.loss_func
    epochs = KeepBest()
    average = Average(recipe.ema) if recipe.ema else None
    checkpoint = Checkpoint(folder / CHECKPOINT_FILE, recipe, photos, epochs, average)
    if resume:
        checkpoint.read(learner.dls.device)
    callbacks = [
        epochs,
        average,
        checkpoint,
        ChannelsLast(),
        *_half_precision(learner),
        *_targets(recipe, photos, learner),
    ]
    callbacks = [callback for callback in callbacks if callback]
    learner.add_cbs(callbacks)
    interrupted = False
    try:
        with interrupt_between_batches(learner):
            if checkpoint.highest_lr is None:
                checkpoint.highest_lr = _find_lr(learner)
            if share:
                callbacks.append(share)
                learner.add_cb(share)
            _fit(learner, photos, recipe, kinds, checkpoint)
        if average and average.averaged:
            learner.model.load_state_dict(average.averaged.module.state_dict())
    except KeyboardInterrupt:
        if epochs.best is None:
            raise KeyboardInterrupt(" before the first epoch was over, nothing is written") from None
        # What fastai and its callbacks put around the net and the loss for the time of an epoch is still there.
        learner.model, learner.loss_func = bare(learner.model), loss
        learner.model.load_state_dict(epochs.best)
        interrupted = True
    learner.remove_cbs(callbacks)
    with alone():
        learner.dls = make_dataloaders(photos, recipe, SIZE, kinds)  # whatever it was trained at, the bot sees SIZE
    learner.to_fp32()
    learner.model.to(memory_format=torch.contiguous_format)
    return Trained(learner, epochs.history, interrupted, checkpoint.seconds)


def build_learner(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path) -> Learner:
    """An untrained Learner with the recipe's starting weights. Raises WeightsError if they cannot be had."""
    return _build(photos, recipe, folder, find_training_kinds(recipe))


def _build(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path, kinds: Sequence[Kind]) -> Learner:
    arch = find_arch(recipe.arch)
    dls = make_dataloaders(photos, recipe, recipe.size, kinds)
    make = {
        "dls": dls,
        "arch": arch,
        "custom_head": make_head(arch, dls.c),
        "metrics": partial(label_accuracy, labels=len(get_labels(dls))),
        "path": folder,
        "model_dir": ".",
        "loss_func": LabelSmoothingCrossEntropyFlat(recipe.label_smoothing) if recipe.label_smoothing else None,
    }
    if recipe.weights == "imagenet":
        with explain_download(recipe.arch):
            return vision_learner(**make, pretrained=True)
    learner = vision_learner(**make, pretrained=False)
    if recipe.pretrained:
        learner.model[0].load_state_dict(load_body(Path(recipe.weights), arch).state_dict())
    if recipe.goes_on:
        earlier = load_net(Path(recipe.weights), photos, dls.vocab)
        try:
            learner.model.load_state_dict(earlier.state_dict())
        except RuntimeError as error:
            raise WeightsError(f"{recipe.weights} holds no {recipe.arch}. Choose its own with --arch.") from error
    return learner


def label_accuracy(outputs: Tensor, targets: Tensor, labels: int) -> Tensor:
    """Share of photos whose label has the highest of the first `labels` outputs (an outsider class comes after)."""
    return (outputs[:, :labels].argmax(1) == targets).float().mean()


def load_net(file: Path, photos: Sequence[LabelledPhoto], vocab: Sequence[str]) -> nn.Module:
    """The net of another training run.

    Raises WeightsError if it knows other classes than `vocab`, or was trained on photos that are held out here.
    """
    try:
        learner = read_learner(file)
        split = read_split(Path(), find_report(file) / SPLIT_FILE)
    except (DataError, OSError) as error:
        wanted = "a NAME.pkl with its report"
        raise WeightsError(f"{file} is no learner to learn from: {error}. What is taken is {wanted}.") from error
    if list(learner.dls.vocab) != list(vocab):
        raise WeightsError(f"{file} knows {', '.join(learner.dls.vocab)}, this training {', '.join(vocab)}.")
    taught = {photo.path.as_posix() for photo in split if not photo.held_out}
    ends = [
        {"/".join(photo.path.parts[-n:]) for n in range(1, len(photo.path.parts) + 1)}
        for photo in photos
        if photo.held_out
    ]
    seen = sum(not taught.isdisjoint(one) for one in ends)
    if seen:
        raise WeightsError(f"{file} has seen {seen} of the photos held out here. Train it with the same --data.")
    net: nn.Module = learner.model
    return net


def _targets(recipe: Recipe, photos: Sequence[LabelledPhoto], learner: Learner) -> list[Callback]:
    """What stands in for the plain labels."""
    mixes = {"mixup": [MixUp(0.4)], "cutmix": [CutMix(1.0)]}.get(recipe.mix, [])
    if recipe.teacher is None:
        return mixes
    teacher = load_net(Path(recipe.teacher), photos, learner.dls.vocab)
    return [*mixes, Distill(teacher.to(learner.dls.device, memory_format=torch.channels_last))]


def _fit(
    learner: Learner, photos: Sequence[LabelledPhoto], recipe: Recipe, kinds: Sequence[Kind], checkpoint: Checkpoint
) -> None:
    assert checkpoint.highest_lr is not None
    for number, phase in enumerate(plan(recipe, checkpoint.highest_lr)):
        if number < checkpoint.phase:
            continue
        start = checkpoint.done if number == checkpoint.phase else 0
        checkpoint.phase = number
        if start < phase.epochs:
            learner.dls = make_dataloaders(photos, recipe, phase.size, kinds)
            _fit_phase(learner, phase, start, checkpoint)
        else:
            checkpoint.restore(learner)


def _fit_phase(learner: Learner, phase: Phase, start: int, checkpoint: Checkpoint) -> None:
    if phase.frozen:
        learner.freeze()
    else:
        learner.unfreeze()
    checkpoint.restore(learner)  # only now: freezing and unfreezing clear the optimiser's state
    with learner.removed_cbs([one for one in learner.cbs if isinstance(one, MixHandler) and not phase.mixed]):
        learner.fit_one_cycle(phase.epochs, phase.lr, pct_start=phase.rise, div=phase.start_divisor, start_epoch=start)


def _find_lr(learner: Learner) -> float:
    """The same in all processes, each of which looks alone: fastai's finder saves and loads in one process only."""
    print("looking for a learning rate, in 100 batches")
    try:
        with alone():
            lr = float(learner.lr_find(show_plot=False).valley)
        origin = "from the learning-rate finder"
    except IndexError:  # fastai's way of saying that the loss went up within a few batches
        lr, origin = FALLBACK_LR, "fastai's usual one: with these photos the finder found none"
    if num_distrib() > 1:
        shared = torch.tensor(lr, dtype=torch.float64, device=learner.dls.device)
        torch.distributed.broadcast(shared, 0)
        lr = shared.item()
    print(f"\nlearning rate {lr:.2g}, {origin}")
    return lr


def _half_precision(learner: Learner) -> list[Callback]:
    if learner.dls.device.type == "cuda":
        learner.to_fp16()
        return []
    # Without AVX512-BF16 or AMX bfloat16 is emulated, and slower than float32.
    return [Bfloat16()] if torch.cpu._is_avx512_bf16_supported() else []


def compute_logits(learner: Learner, photos: list[bytes]) -> NDArray[np.float32]:
    """What the learner itself says of photo files, through fastai's validation transforms.

    float32 `[photos, outputs]`: an output for each label, and one more for outsiders if it was trained with them.
    """
    loader = learner.dls.test_dl(photos, num_workers=0)
    with learner.no_bar():
        logits, _ = learner.get_preds(dl=loader, act=torch.nn.Identity())
    return np.asarray(logits, np.float32)
