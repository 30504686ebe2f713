"""The steps of a training: the last layer, then all layers, then the choice of what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from fastai.learner import Learner
from fastai.torch_core import num_distrib
from numpy.typing import NDArray
from torch import Tensor

from training.data.photos import LabelledPhoto
from training.data.split import assign_folds
from training.fitting.batches.dataloaders import (
    Pictures,
    get_labels,
    list_cells,
    make_training_loaders,
)
from training.fitting.callbacks import Epoch
from training.fitting.checkpoint import CHECKPOINT_FILE
from training.fitting.choice import average, choose, judge
from training.fitting.distributed import Share
from training.fitting.fit import Fit, fit_layers
from training.fitting.folds import FoldNets
from training.fitting.linear import Features, fit_head
from training.recipe import AUTO, LINEAR, MEAN, TUNED, Recipe

State = dict[str, Tensor]


@dataclass
class Trained:
    learner: Learner
    history: list[Epoch]
    interrupted: bool
    """Ctrl-C ended the training; the learner holds the best epoch before it."""
    seconds: float = 0.0
    """How long it took, with what it took before it was stopped and resumed."""
    kept: str = TUNED
    """Which net it is, of `recipe.KEEPS`."""
    strange: dict[str, float] = field(default_factory=dict)
    """Accuracy of each net on left-out photos that were changed as strangers' are; empty: nothing was compared yet."""
    folds: FoldNets | None = None
    """The nets that tell of every photo what was learned without it; None: the held-out photos tell it."""
    unseen: NDArray[np.float32] | None = None
    """Logits `[photos, outputs]` by last layers, each fitted without the photo: quick, since features are known. With
    `folds` they are theirs. None: of other nets, or without weights to start from."""


class Steps:
    """One call of `train`: the parts that its steps share."""

    def __init__(self, learner: Learner, recipe: Recipe, pictures: Pictures, folder: Path, share: Share | None) -> None:
        self.learner, self.recipe, self.pictures, self.folder, self.share = learner, recipe, pictures, folder, share
        self.features: Features | None = None
        self.kept_loaders = learner.dls
        self.classes = len(get_labels(learner.dls))
        self.start = _copy_state(learner)

    def train_once(self, photos: Sequence[LabelledPhoto], resume: bool) -> Trained:
        """Train on the photos that are not held out, and choose by those that are."""
        states, fit = self._fit_states(photos, resume, file=self.folder / CHECKPOINT_FILE)
        right = self._judge(states, photos)
        kept = TUNED if fit.interrupted else self._choose(right, photos)
        unseen = self._compute_unseen(photos)
        self.learner.model.load_state_dict(states[kept])
        return Trained(self.learner, fit.history, fit.interrupted, fit.seconds, kept, _mean(right), unseen=unseen)

    def _compute_unseen(self, photos: Sequence[LabelledPhoto]) -> NDArray[np.float32] | None:
        """Logits of each photo by a last layer that was fitted without its fold."""
        if self.features is None:
            return None
        folds = assign_folds(photos, self.recipe.split_seed)
        return self._fit_last_layers(_hold_out_each(photos, folds), folds)[1]

    def _fit_last_layers(
        self, parted: Sequence[Sequence[LabelledPhoto]], folds: NDArray[np.int64]
    ) -> tuple[list[State], NDArray[np.float32]]:
        """A last layer fitted without each fold, and the logits of each photo, `[photos, outputs]`, by its fold's."""
        assert self.features is not None
        states, last_layer = [], replace(self.recipe, epochs=0)
        logits = np.zeros((len(folds), len(self.kept_loaders.vocab)), np.float32)
        for number, part in enumerate(parted):
            states.append(self._fit_states(part, recipe=last_layer)[0][LINEAR])
            rows, layer = np.flatnonzero(folds == number), self.learner.model[1][-1]
            with torch.inference_mode():
                values = torch.from_numpy(self.features.values[rows]).to(layer.weight.device)
                logits[rows] = layer(values).cpu().numpy()
        return states, logits

    def train_folds(self, photos: Sequence[LabelledPhoto], folds: NDArray[np.int64]) -> Iterator[Trained]:
        """Fit the last layer in each fold without its photos, and on all; then see if all layers do better."""
        parted = _hold_out_each(photos, folds)
        everything = [replace(photo, held_out=False) for photo in photos]
        linear, unseen = self._fit_last_layers(parted, folds)
        final = self._fit_states(everything, recipe=replace(self.recipe, epochs=0))[0]
        numbers = {photo.path: int(fold) for photo, fold in zip(photos, folds, strict=True)}
        self.learner.model.load_state_dict(final[LINEAR])
        nets = FoldNets(self.learner.model, linear, numbers)
        first = Trained(self.learner, [], False, kept=LINEAR, folds=nets, unseen=unseen)
        yield first
        if self.recipe.epochs == 0 or self.recipe.keep == LINEAR:
            return
        try:
            kept, right, states, history = self._try_all_layers(parted)
            first.strange = _mean(right)
            if kept == LINEAR:
                return
            print("training the net that is kept, on all photos")
            final, fit = self._fit_states(everything)
            if fit.interrupted:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            print("stopped: keeping the net whose last layer alone was trained")
            return
        self.learner.model.load_state_dict(final[kept])
        nets = FoldNets(self.learner.model, [state[kept] for state in states], numbers)
        yield Trained(self.learner, history, False, kept=kept, strange=_mean(right), folds=nets)

    def _try_all_layers(
        self, parted: Sequence[Sequence[LabelledPhoto]]
    ) -> tuple[str, dict[str, NDArray[np.float64]], list[dict[str, State]], list[Epoch]]:
        """Train all layers in fold after fold, until none of the nets is ahead of the last layer's.

        Gives what is kept, how right each net was on each photo, the nets of each fold, the first fold's history.
        """
        states, rights = [], []
        history: list[Epoch] = []
        for number, part in enumerate(parted, 1):
            left_out = sum(photo.held_out for photo in part)
            print(f"all layers, fold {number} of {len(parted)}: a net that has not seen {left_out} of the photos")
            fold_states, fit = self._fit_states(part)
            if fit.interrupted:
                raise KeyboardInterrupt
            history = history or fit.history
            states.append(fold_states)
            rights.append(self._judge(fold_states, part))
            right = {name: np.concatenate([share[name] for share in rights]) for name in rights[0]}
            if right and max(right, key=lambda name: float(right[name].mean())) == LINEAR:
                self._tell_choice(right, LINEAR)
                return LINEAR, right, states, history
        return self._choose(right, parted[0]), right, states, history

    def _fit_states(
        self,
        photos: Sequence[LabelledPhoto],
        resume: bool = False,
        recipe: Recipe | None = None,
        file: Path | None = None,
    ) -> tuple[dict[str, State], Fit]:
        """The weights of the nets that there are to choose from. `file`: see `fit_layers`."""
        recipe, learner = recipe or self.recipe, self.learner
        learner.model.load_state_dict(self.start)
        states: dict[str, State] = {}
        if self.features is not None:
            fit_head(learner.model, self.features, self.pictures, list_cells(photos), recipe.outsider_share)
            states[LINEAR] = _copy_state(learner)
        if recipe.epochs == 0 or (recipe.keep == LINEAR and states):
            return states, Fit([], False, 0.0)
        learner.dls = make_training_loaders(self.pictures, photos, recipe)
        fit = fit_layers(learner, photos, recipe, file, resume, self.share)
        states[TUNED] = _copy_state(learner)
        if LINEAR in states:
            states[MEAN] = average(states[LINEAR], states[TUNED])
        return states, fit

    def _judge(self, states: dict[str, State], photos: Sequence[LabelledPhoto]) -> dict[str, NDArray[np.float64]]:
        """How right each net is on the held-out photos, changed; nothing where there is no choice to make."""
        rows = [row for row, photo in enumerate(photos) if photo.held_out]
        if self.recipe.keep != AUTO or len(states) < 2 or not rows or num_distrib() > 1:
            return {}
        right = {}
        for name, state in states.items():
            self.learner.model.load_state_dict(state)
            right[name] = judge(self.learner.model, self.pictures, rows, self.classes)
        return right

    def _choose(self, right: dict[str, NDArray[np.float64]], photos: Sequence[LabelledPhoto]) -> str:
        if not right:
            usual = TUNED if self.recipe.epochs else LINEAR
            return usual if self.recipe.keep == AUTO or self.features is None else self.recipe.keep
        least = min(sum(photo.label == label for photo in photos) for label in {photo.label for photo in photos})
        kept = choose(right, least)
        self._tell_choice(right, kept)
        return kept

    @staticmethod
    def _tell_choice(right: dict[str, NDArray[np.float64]], kept: str) -> None:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in _mean(right).items())
        print(f"right on {len(right[kept])} photos left out and changed as strangers' are: {shares}. Kept: {kept}.")


def _hold_out_each(photos: Sequence[LabelledPhoto], folds: NDArray[np.int64]) -> list[list[LabelledPhoto]]:
    """The photos once for each fold, those of that fold held out; `folds` are `[photos]`."""
    return [
        [replace(photo, held_out=fold == number) for photo, fold in zip(photos, folds, strict=True)]
        for number in range(int(folds.max()) + 1)
    ]


def _mean(right: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(share.mean()) for name, share in right.items()}


def _copy_state(learner: Learner) -> State:
    return {name: value.detach().clone() for name, value in learner.model.state_dict().items()}
