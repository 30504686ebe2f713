"""The nets of the folds: what they say of each photo was learned without it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bot.inference.contract import SIZE, Preprocess
from bot.inference.decoding import decode
from training.data.photos import LabelledPhoto
from training.fitting.batches.augment import SQUISHED
from training.fitting.batches.pixels import normalize, scale
from training.fitting.precision import autocast

BATCH = 64


class FoldNets:
    """Answers for photos that were trained on in the end: each by the net of the fold in which it was held out."""

    def __init__(self, net: nn.Module, states: Sequence[Mapping[str, Tensor]], folds: Mapping[Path, int]) -> None:
        self.net, self.states, self.folds = copy.deepcopy(net).eval(), states, folds

    def __call__(self, pictures: Sequence[bytes], photos: Sequence[LabelledPhoto] | None = None) -> NDArray[np.float32]:
        """float32 `[pictures, outputs]`, logits for pictures' files; `photos` says which photos they are copies of.

        Without it they are no photos of the training, and the first fold's net answers.
        """
        folds = np.array([self.folds[photo.path] for photo in photos]) if photos else np.zeros(len(pictures), np.int64)
        logits = np.zeros((len(pictures), self._count_outputs()), np.float32)
        for fold in np.unique(folds):
            self.net.load_state_dict(self.states[fold])
            rows = np.flatnonzero(folds == fold)
            for part in np.array_split(rows, -(-len(rows) // BATCH)):
                logits[part] = self._compute([pictures[row] for row in part])
        return logits

    def _count_outputs(self) -> int:
        return len(list(self.states[0].values())[-1])  # the last layer's bias

    def _compute(self, files: Sequence[bytes]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(np.stack([decode(data, Preprocess(SIZE, SQUISHED)) for data in files]))
        device = next(self.net.parameters()).device
        with torch.inference_mode(), autocast(device):
            logits = self.net(normalize(scale(pixels.to(device))))
        return np.asarray(logits.float().cpu(), np.float32)
