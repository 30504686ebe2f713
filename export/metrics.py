"""What a file of the contract scores on labelled photos, from their bytes through the bot's own classifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.inference.classifier import Classifier
from bot.inference.contract import Unsure
from training.evaluation.calibration import BINS, calibrate_unseen, expected_calibration_error, reliability
from training.evaluation.subgroups import Traits, break_down, find_worst, wilson

DIGITS = 4
"""Decimals of a share in the metadata: a photo in ten thousand."""


@dataclass(frozen=True)
class Answers:
    """What a classifier says of some photos."""

    probabilities: NDArray[np.float32]
    """`[photos, classes]`"""
    outsider: NDArray[np.float32]
    """`[photos]`; NaN from a model that does not say."""

    def __getitem__(self, part: slice) -> Answers:
        return Answers(self.probabilities[part], self.outsider[part])

    @property
    def labels(self) -> NDArray[np.int64]:
        """The best class's number, also where the rule would be unsure, `[photos]`."""
        return self.probabilities.argmax(axis=1)

    @property
    def numbers(self) -> NDArray[np.float32]:
        """Both side by side, `[photos, classes + 1]`; 0 for an outsider of which the model does not speak."""
        return np.column_stack([self.probabilities, np.nan_to_num(self.outsider)]).astype(np.float32)

    def unsure(self, rule: Unsure) -> NDArray[np.bool_]:
        """Photos that get no label under a rule, `[photos]`."""
        best = self.probabilities.max(axis=1)
        pairs = zip(best, self.outsider, strict=True)
        return np.array([rule(float(one), float(other)) is not None for one, other in pairs], bool)


def ask(classifier: Classifier, photos: Iterable[bytes]) -> Answers:
    """The classifier's answers to photo files, one by one as the bot gets them."""
    found = [classifier.classify(photo) for photo in photos]
    rows = np.array([list(one.probabilities.values()) for one in found], np.float32)
    outsider = [np.nan if one.outsider is None else one.outsider for one in found]
    return Answers(rows.reshape(len(found), len(classifier.contract.labels)), np.array(outsider, np.float32))


def score(answers: Answers, targets: NDArray[np.int64], rule: Unsure, labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy with its 95 % interval (Wilson), recall per label, and the share without a label.

    Unsure answers count by their best class. `targets` is the right class's number, `[photos]`.
    """
    right = answers.labels == targets
    return {
        "photos": len(right),
        "accuracy": round(float(right.mean()), DIGITS),
        "interval": _interval(right),
        "recall": {
            label: round(float(right[targets == number].mean()), DIGITS)
            for number, label in enumerate(labels)
            if (targets == number).any()
        },
        "unsure": round(float(answers.unsure(rule).mean()), DIGITS),
    }


def calibration(answers: Answers, targets: NDArray[np.int64], groups: Sequence[str]) -> dict[str, Any]:
    """Expected calibration error in BINS equal bins, and the same with each half's temperature fitted on the other."""
    facts: dict[str, Any] = {"bins": BINS}
    facts["error"] = round(expected_calibration_error(reliability(answers.probabilities, targets)), DIGITS)
    if min(np.bincount(targets)) > 1 and len(set(groups)) > 1:  # else there are no two halves
        logits = np.log(np.maximum(answers.probabilities, np.finfo(np.float32).tiny))
        unseen = calibrate_unseen(logits, targets, groups).astype(np.float32)
        facts["error_cross_fitted"] = round(expected_calibration_error(reliability(unseen, targets)), DIGITS)
    return facts


def rejection(kinds: Mapping[str, Answers], rule: Unsure) -> dict[str, Any]:
    """Which share of the outsiders of each kind gets no label, and of all of them."""
    unsure = {kind: answers.unsure(rule) for kind, answers in kinds.items()}
    everything = np.concatenate(list(unsure.values()))
    return {
        "pictures": len(everything),
        "rejected": round(float(everything.mean()), DIGITS),
        "interval": _interval(everything),
        "kinds": {
            kind: {"pictures": len(one), "rejected": round(float(one.mean()), DIGITS)} for kind, one in unsure.items()
        },
    }


def fairness(answers: Answers, targets: NDArray[np.int64], labels: Sequence[str], traits: Traits) -> dict[str, Any]:
    """Accuracy of every group of photos, and the worst group of at least 50."""
    right = answers.labels == targets
    groups = break_down(right, targets, labels, traits)
    worst = find_worst(groups, float(right.mean()))
    return {
        "groups": [
            {
                "trait": group.trait,
                "value": group.value,
                "photos": group.photos,
                "accuracy": round(group.accuracy, DIGITS),
                "interval": [round(end, DIGITS) for end in group.interval],
                "recall": {label: round(one.recall, DIGITS) for label, one in group.recall.items()},
            }
            for group in groups
        ],
        "worst": worst and asdict(worst),
    }


def _interval(hits: NDArray[np.bool_]) -> list[float]:
    return [round(end, DIGITS) for end in wilson(int(hits.sum()), len(hits))]
