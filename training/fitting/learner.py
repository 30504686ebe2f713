"""Labelled photos -> a trained fastai Learner."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import num_distrib, set_seed
from numpy.typing import NDArray
from torch import Tensor

from training.data.photos import LabelledPhoto
from training.data.split import leave_source_out
from training.fitting.architectures import WeightsError, make_net, split_layers
from training.fitting.batches.augment import STRENGTHS
from training.fitting.batches.dataloaders import (
    decode_pictures,
    find_training_kinds,
    get_labels,
    list_vocab,
    make_dataloaders,
)
from training.fitting.distributed import Share, alone
from training.fitting.estimate import estimate
from training.fitting.linear import compute_features
from training.fitting.one_cycle.checkpoint import CHECKPOINT_FILE, TRIAL_FILE, check_checkpoint
from training.fitting.steps import Steps, Trained
from training.recipe import AUTO, LINEAR, MEAN, Recipe


def train(  # noqa: PLR0913, PLR0917
    photos: Sequence[LabelledPhoto],
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    folds: NDArray[np.int64] | None = None,
    check_labels: bool = False,
) -> Iterator[Trained]:
    """Train a net on the photos that are not held out. With `folds`, on all of them, and maybe two nets.

    `folds` are the number of the fold in which each photo is held out, `[photos]`: there is a training in each of them,
    and all figures are of its photos. The first net has its last layer fitted to the features of a body that stays as
    it is. Then all layers are trained from there, and `Recipe.keep` says what is kept. A second net follows only if it
    replaces the first. `check_labels`: without `folds`, two more nets of all layers judge the labels.

    No epoch is chosen by the held-out photos. Only after Ctrl-C the epoch with the lowest validation loss so far is
    kept, and with `folds` the first net. Before there is either it raises KeyboardInterrupt. Raises WeightsError if
    there are no such starting weights, ResumeError. `folder` is for files that live while it trains.

    One of several processes (`accelerate launch`) trains on its share. All end with the same weights, if not the same
    statistics of batch norm, and fastai takes each for one of several until told otherwise (`distributed.alone`).
    """
    if resume and folds is None and not recipe.last_layer_alone:
        _check_resumed(photos, recipe, folder)
    share = Share() if num_distrib() > 1 else None  # before all else, since it chooses this process's GPU
    start = time.monotonic()
    set_seed(recipe.seed, reproducible=True)
    kinds = find_training_kinds(recipe)
    learner = build_learner(photos, recipe, folder, list_vocab(photos, kinds))
    pictures = decode_pictures(photos, recipe, kinds, folder)
    one_process = num_distrib() <= 1
    sources = one_process and leave_source_out(photos) is not None
    if not one_process and recipe.keep == AUTO and recipe.epochs and recipe.weights != "none":
        print("all layers are kept without asking: only a training in one process chooses what is kept")
    for line in estimate(learner.model[0], recipe, len(photos), len(pictures.targets), folds, sources, check_labels):
        print(line)
    run = Steps(learner, recipe, pictures, folder, share, check_labels)
    if recipe.weights != "none":
        print(f"computing the features of {len(pictures.targets)} pictures")
        run.features = compute_features(learner.model[0], pictures.pixels, STRENGTHS[recipe.augment], recipe.seed)
    for trained in [run.train_once(photos, resume)] if folds is None else run.train_folds(photos, folds):
        learner.dls = run.kept_loaders
        learner.model.to(memory_format=torch.contiguous_format)
        pause = time.monotonic()
        trained.seconds = max(trained.seconds, pause - start)
        yield trained
        start += time.monotonic() - pause  # what is done with a net is no part of its training


def is_memory_full(error: Exception) -> bool:
    """PyTorch has an error of its own for a GPU's memory; for others and the processor's it has words."""
    full = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(map(str(error).__contains__, full))
    )


def check_net(recipe: Recipe) -> None:
    """Raises WeightsError where the recipe's net cannot start to learn: told before any photo is read."""
    if recipe.weights == "none" and (recipe.epochs == 0 or recipe.keep in {LINEAR, MEAN}):
        raise WeightsError(
            "with --weights none the net knows nothing that a last layer could be fitted to. "
            "Give it weights, or leave out --keep and --epochs 0."
        )
    net = make_net(recipe.arch, recipe.weights, outputs=2).train()
    if recipe.last_layer_alone:
        return
    pictures = torch.zeros(min(recipe.batch_size, 2), 3, recipe.size, recipe.size)  # no batch has fewer
    try:
        with torch.no_grad():
            net(pictures)
    except (RuntimeError, ValueError) as error:
        if is_memory_full(error):
            raise
        raise WeightsError(
            f"{recipe.arch} cannot learn from batches of {recipe.batch_size} at {recipe.size} pixels: {error}. "
            "Give a larger --size or --batch-size, or another --arch."
        ) from error


def _check_resumed(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path) -> None:
    """Raises ResumeError before any work, where the checkpoint that is read first cannot be gone on with."""
    chooses = recipe.keep == AUTO and recipe.weights != "none" and num_distrib() <= 1
    parted = leave_source_out(photos) if chooses else None
    file, trial = folder / CHECKPOINT_FILE, folder / TRIAL_FILE
    if parted and trial.exists():
        check_checkpoint(trial, recipe, parted[1])
    elif file.exists() or not parted:
        check_checkpoint(file, recipe, photos)


def build_learner(photos: Sequence[LabelledPhoto], recipe: Recipe, folder: Path, vocab: Sequence[str]) -> Learner:
    """An untrained Learner with the recipe's starting weights. Raises WeightsError if they are missing."""
    with alone():
        dls = make_dataloaders(photos, vocab, recipe.batch_size)
    return Learner(
        dls,
        make_net(recipe.arch, recipe.weights, len(vocab), recipe.dropout).to(dls.device),
        loss_func=CrossEntropyLossFlat(),
        splitter=partial(split_layers, recipe.arch),
        metrics=partial(label_accuracy, labels=len(get_labels(dls))),
        path=folder,
        model_dir=".",
    )


def label_accuracy(outputs: Tensor, targets: Tensor, labels: int) -> Tensor:
    """Share of photos whose label has the highest of the first `labels` outputs (an outsider class comes after)."""
    return (outputs[:, :labels].argmax(1) == targets).float().mean()


def compute_logits(learner: Learner, photos: list[bytes]) -> NDArray[np.float32]:
    """What the learner itself says of photo files, through fastai's validation transforms.

    float32 `[photos, outputs]`: an output for each label, and one more for outsiders if it was trained with them.
    """
    loader = learner.dls.test_dl(photos, num_workers=0)
    with learner.no_bar():
        logits, _ = learner.get_preds(dl=loader, act=torch.nn.Identity())
    return np.asarray(logits, np.float32)
