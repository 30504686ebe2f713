"""What a net, or a file made of it, says of photos: in the same form from both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from bot.inference.classifier import Classifier, Prediction
from bot.inference.contract import Unsure
from training.data.photos import LabelledPhoto

PART = 256
"""Photos whose files are in memory at a time."""


@dataclass(frozen=True)
class Answers:
    """What is said of some photos."""

    probabilities: NDArray[np.float32]
    """`[photos, classes]`"""
    outsider: NDArray[np.float32]
    """Probability of something else, `[photos]`; NaN where none is given."""

    def __getitem__(self, part: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Answers:
        return Answers(self.probabilities[part], self.outsider[part])

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The best class's number, also where the rule would be unsure, `[photos]`."""
        return self.probabilities.argmax(axis=1)

    @property
    def numbers(self) -> NDArray[np.float32]:
        """Both side by side, `[photos, classes + 1]`; 0 for an outsider of which nothing is said."""
        return np.column_stack([self.probabilities, np.nan_to_num(self.outsider)]).astype(np.float32)

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits of the classes up to a constant a photo, `[photos, classes]`."""
        return np.log(np.maximum(self.probabilities, np.finfo(np.float32).tiny))

    def unsure(self, rule: Unsure) -> NDArray[np.bool_]:
        """Photos that get no label under a rule, `[photos]`."""
        pairs = zip(self.probabilities.max(axis=1), self.outsider, strict=True)
        return np.array([rule(float(best), float(outsider)) is not None for best, outsider in pairs], bool)


class Ask(Protocol):
    """Answers to pictures: a file's, a net's, or of each photo those of a net that was not trained on it."""

    def __call__(self, pictures: Iterable[bytes], photos: Sequence[LabelledPhoto] | None = None) -> Answers:
        """`pictures` are files' bytes. `photos` says which photos they are, or are copies of; None: other pictures."""
        ...


class AskLogits(Protocol):
    """A net's logits for pictures, or of each photo those of a net that was not trained on it."""

    def __call__(self, pictures: Sequence[bytes], photos: Sequence[LabelledPhoto] | None = None) -> NDArray[np.float32]:
        """float32 `[pictures, outputs]`; the arguments are those of `Ask`."""
        ...


def read_logits(logits: NDArray[np.float32], classes: int, temperature: float) -> Answers:
    """The answers that the exported graph gives for logits `[photos, outputs]`.

    The first `classes` outputs are the classes', divided by the temperature. An output behind them is something else's;
    its probability is that of a softmax over all outputs, at temperature 1.
    """
    probabilities = softmax(logits[:, :classes] / np.float32(temperature), axis=1)
    more = softmax(logits, axis=1)[:, -1] if logits.shape[1] > classes else np.full(len(logits), np.nan)
    return Answers(probabilities.astype(np.float32), more.astype(np.float32))


def ask_net(logits: AskLogits, classes: int, temperature: float) -> Ask:
    """The answers that a net's logits give, PART pictures at a time."""

    def ask(pictures: Iterable[bytes], photos: Sequence[LabelledPhoto] | None = None) -> Answers:
        rows, rest, start = [], iter(pictures), 0
        while part := list(islice(rest, PART)):
            rows.append(logits(part, photos[start : start + len(part)] if photos else None))
            start += len(part)
        return read_logits(np.concatenate(rows), classes, temperature)

    return ask


def ask_file(classifier: Classifier) -> Ask:
    """The answers of a model file, to one photo after another as the bot gets them."""

    def ask(pictures: Iterable[bytes], photos: Sequence[LabelledPhoto] | None = None) -> Answers:
        return read_predictions([classifier.classify(picture) for picture in pictures], classifier.contract.labels)

    return ask


def read_predictions(predictions: Sequence[Prediction], labels: Sequence[str]) -> Answers:
    """What the bot's classifier said of photos one after another; `labels` are its classes."""
    rows = np.array([list(prediction.probabilities.values()) for prediction in predictions], np.float32)
    outsider = [np.nan if prediction.outsider is None else prediction.outsider for prediction in predictions]
    return Answers(rows.reshape(-1, len(labels)), np.array(outsider, np.float32))
