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

from bot.inference.names import show_path
from training.data.photos import DataError, LabelledPhoto
from training.data.split import assign_folds, leave_source_out
from training.fitting.batches.dataloaders import (
    Pictures,
    get_labels,
    list_cells,
    make_training_loaders,
)
from training.fitting.choice import Choice, average, choose, is_ahead, is_varied, judge
from training.fitting.distributed import Share
from training.fitting.folds import FoldNets
from training.fitting.linear import Features, fit_head
from training.fitting.one_cycle.callbacks import Epoch
from training.fitting.one_cycle.checkpoint import CHECKPOINT_FILE, TRIAL_FILE
from training.fitting.one_cycle.fit import Fit, State, copy_state, fit_layers
from training.fitting.outputs import compute_outputs
from training.recipe import AUTO, LINEAR, MEAN, TUNED, Recipe


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
    """Accuracy of each net on what decided, see `choice.judge`; empty: nothing was compared yet."""
    folds: FoldNets | None = None
    """The nets that tell of every photo what was learned without it; None: the held-out photos tell it."""
    unseen: NDArray[np.float32] | None = None
    """Logits `[photos, outputs]` by nets that did not learn from the photo: last layers, which are quick since features
    are known, or two nets of all layers. With `folds` they are theirs. None: no such net was trained."""


class Steps:
    """One call of `train`: the parts that its steps share."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        learner: Learner,
        recipe: Recipe,
        pictures: Pictures,
        folder: Path,
        share: Share | None,
        check_labels: bool,
    ) -> None:
        self.learner, self.recipe, self.pictures, self.folder, self.share = learner, recipe, pictures, folder, share
        self.check_labels = check_labels
        self.features: Features | None = None
        self.kept_loaders = learner.dls
        self.classes = len(get_labels(learner.dls))
        self.start = copy_state(learner)

    def train_once(self, photos: Sequence[LabelledPhoto], resume: bool) -> Trained:
        """Train on the photos that are not held out. A source left out says what is kept, else those that are."""
        file, trial = self.folder / CHECKPOINT_FILE, self.folder / TRIAL_FILE
        choice = self._try_without_source(photos, resume and (trial.exists() or not file.exists()), trial)
        recipe = replace(self.recipe, epochs=0) if choice and choice.kept == LINEAR else self.recipe
        if choice and file.exists() and trial.exists() and file.stat().st_mtime < trial.stat().st_mtime:
            file.unlink()  # of a training before this one, which began again
        states, fit = self._fit_states(photos, resume and (file.exists() or not choice), recipe, file)
        if choice is None:
            sources = {side: {photo.collection for photo in photos if photo.held_out == side} for side in (True, False)}
            other_source = sources[True].isdisjoint(sources[False])
            right = {} if fit.interrupted else self._judge(states, _list_held_out(photos), other_source)
            choice = self._choose(right, photos, other_source)
        kept = TUNED if fit.interrupted else choice.kept
        try:
            unseen = self._compute_unseen(photos, LINEAR if fit.interrupted else kept)
        except DataError as error:
            print(f"labels are not judged: {error}")
            unseen = None
        self.learner.model.load_state_dict(states[kept])
        shares = choice.shares
        return Trained(self.learner, fit.history, fit.interrupted, fit.seconds, kept, shares, unseen=unseen)

    def _compute_unseen(self, photos: Sequence[LabelledPhoto], kept: str) -> NDArray[np.float32] | None:
        """Logits of each photo by a net that was trained without its fold; None: no such net was trained.

        By last layers, or by two nets like the one that is kept, if that was asked for.
        """
        if self.check_labels and kept != LINEAR:
            try:
                return self._train_halves(photos, kept)
            except KeyboardInterrupt:
                print("stopped: labels are judged by last layers" if self.features else "stopped")
        if self.features is None:
            return None
        folds = assign_folds(photos, self.recipe.split_seed)
        return self._fit_last_layers(_hold_out_each(photos, folds), folds)[1]

    def _train_halves(self, photos: Sequence[LabelledPhoto], kept: str) -> NDArray[np.float32]:
        """The logits of each half's photos by a net that learned from the other half, `[photos, outputs]`."""
        folds = assign_folds(photos, self.recipe.split_seed, most=2)
        logits = np.zeros((len(folds), len(self.kept_loaders.vocab)), np.float32)
        for number, part in enumerate(_hold_out_each(photos, folds)):
            print(f"all layers, half {number + 1} of 2: a net that judges the labels of the other half")
            states, fit = self._fit_states(part)
            if fit.interrupted:
                raise KeyboardInterrupt
            self.learner.model.load_state_dict(states[kept])
            rows = np.flatnonzero(folds == number)
            logits[rows] = compute_outputs(self.learner.model, self.pictures, rows.tolist()).numpy()
        return logits

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
        if self.recipe.last_layer_alone:
            return
        try:
            choice = self._try_without_source(everything)
            if choice is None or choice.kept != LINEAR:
                choice, states, history = self._try_folds(parted, choice)
            first.strange = choice.shares
            if choice.kept == LINEAR:
                return
            print("training the net that is kept, on all photos")
            final, fit = self._fit_states(everything)
            if fit.interrupted:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            print("stopped: keeping the net whose last layer alone was trained")
            return
        self.learner.model.load_state_dict(final[choice.kept])
        nets = FoldNets(self.learner.model, [state[choice.kept] for state in states], numbers)
        yield Trained(self.learner, history, False, kept=choice.kept, strange=choice.shares, folds=nets)

    def _try_without_source(
        self, photos: Sequence[LabelledPhoto], resume: bool = False, file: Path | None = None
    ) -> Choice | None:
        """Train without one of several sources, and choose by its photos. None: there is one alone, or no choice.

        `file`: see `fit_layers`. Raises KeyboardInterrupt after Ctrl-C.
        """
        parted = leave_source_out(photos) if self._chooses else None
        if parted is None:
            return None
        source, part = parted
        print(f"all layers without {show_path(source)}, whose photos decide which net is kept")
        states, fit = self._fit_states(part, resume, file=file)
        if fit.interrupted:
            raise KeyboardInterrupt(", no net is written. The same command with --resume goes on")
        # Not by photos that are held out: the report's figures are of those, and they shall have chosen nothing.
        rows = [row for row, photo in enumerate(photos) if photo.collection == source and not photo.held_out]
        return self._choose(self._judge(states, rows, other_source=True), part, other_source=True)

    def _try_folds(
        self, parted: Sequence[Sequence[LabelledPhoto]], choice: Choice | None
    ) -> tuple[Choice, list[dict[str, State]], list[Epoch]]:
        """Train all layers in fold after fold; without a choice so far, until none is far enough ahead of the last
        layer's.

        Gives what is kept, the nets of each fold, the first fold's history.
        """
        states, rights = [], []
        right: dict[str, NDArray[np.float64]] = {}
        history: list[Epoch] = []
        for number, part in enumerate(parted, 1):
            left_out = sum(photo.held_out for photo in part)
            print(f"all layers, fold {number} of {len(parted)}: a net that has not seen {left_out} of the photos")
            fold_states, fit = self._fit_states(part)
            if fit.interrupted:
                raise KeyboardInterrupt
            history = history or fit.history
            states.append(fold_states)
            if choice is None:
                rights.append(self._judge(fold_states, _list_held_out(part)))
                right = {name: np.concatenate([share[name] for share in rights]) for name in rights[0]}
                if right and not any(is_ahead(right[name], right[LINEAR]) for name in (MEAN, TUNED)):
                    break
        return choice or self._choose(right, parted[0]), states, history

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
            states[LINEAR] = copy_state(learner)
        if recipe.last_layer_alone:
            return states, Fit([], False, 0.0)
        learner.dls = make_training_loaders(self.pictures, photos, recipe)
        fit = fit_layers(learner, photos, recipe, file, resume, self.share)
        states[TUNED] = copy_state(learner)
        if LINEAR in states:
            states[MEAN] = average([states[LINEAR], states[TUNED]])
        return states, fit

    @property
    def _chooses(self) -> bool:
        """Whether there is a choice to make, and one process to make it."""
        return self.recipe.keep == AUTO and self.recipe.epochs > 0 and self.features is not None and num_distrib() <= 1

    def _judge(
        self, states: dict[str, State], rows: Sequence[int], other_source: bool = False
    ) -> dict[str, NDArray[np.float64]]:
        """How right each net is on these photos; nothing where there is no choice to make."""
        right = {}
        for name, state in states.items() if self._chooses and rows else ():
            self.learner.model.load_state_dict(state)
            right[name] = judge(self.learner.model, self.pictures, rows, self.classes, other_source)
        return right

    def _choose(
        self, right: dict[str, NDArray[np.float64]], photos: Sequence[LabelledPhoto], other_source: bool = False
    ) -> Choice:
        if not right:
            if not self.recipe.epochs:
                return Choice(LINEAR, right)
            return Choice(TUNED if self.recipe.keep == AUTO or self.features is None else self.recipe.keep, right)
        least = min(sum(photo.label == label for photo in photos) for label in {photo.label for photo in photos})
        choice = Choice(choose(right, least, other_source, other_source and is_varied(photos)), right)
        count = len(right[choice.kept])
        print(f"right on {count} photos {'of another source' if other_source else 'left out and changed'}: {choice}")
        return choice


def _hold_out_each(photos: Sequence[LabelledPhoto], folds: NDArray[np.int64]) -> list[list[LabelledPhoto]]:
    """The photos once for each fold, those of that fold held out; `folds` are `[photos]`."""
    return [
        [replace(photo, held_out=fold == number) for photo, fold in zip(photos, folds, strict=True)]
        for number in range(int(folds.max()) + 1)
    ]


def _list_held_out(photos: Sequence[LabelledPhoto]) -> list[int]:
    return [row for row, photo in enumerate(photos) if photo.held_out]
