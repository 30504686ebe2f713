"""Which of a net's answers to look at: right and wrong ones of every class, and labels that it contradicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.photos import LabelledPhoto

ROWS = 12
"""Classes that are explained; where there are more, those with the most mistakes."""
RIGHT, WRONG = 2, 2
"""Photos of each class."""
MOST_SUSPECTS = 0.03
"""Share of the photos that the list of label errors names at most: a person looks at each."""


@dataclass(frozen=True)
class Answer:
    """What the net says of one photo."""

    photo: LabelledPhoto
    predicted: str
    probability: float
    """Of the predicted label."""
    truth: float
    """Probability of the true label."""

    @property
    def right(self) -> bool:
        return self.predicted == self.photo.label


def give_answers(
    photos: Sequence[LabelledPhoto], probabilities: NDArray[np.float32], labels: Sequence[str]
) -> list[Answer]:
    """The best label for each photo, from probabilities float32 `[photos, labels]`."""
    best, true = probabilities.argmax(1), [list(labels).index(photo.label) for photo in photos]
    return [
        Answer(photo, labels[number], float(row[number]), float(row[right]))
        for photo, number, right, row in zip(photos, best, true, probabilities, strict=True)
    ]


def find_suspects(answers: Sequence[Answer], probabilities: NDArray[np.float32], labels: Sequence[str]) -> list[Answer]:
    """Photos whose label is likely wrong, the likeliest first, at most MOST_SUSPECTS of them.

    `answers` and `probabilities`, float32 `[photos, labels]`, are of nets that did not learn from the photo: a net
    remembers the wrong labels that it learned. Candidates are the photos to which another label is likelier, ranked by
    how much likelier (cleanlab's normalised margin; Northcutt, Jiang and Chuang 2021, "Confident Learning").

    Some of them are mislabelled: correct such a photo by moving it into the right class folder, or by a line in the
    file of `--relabel`. The others are hard cases, and those must not be deleted: a set without them flatters the net
    and teaches it less.
    """
    from cleanlab.filter import find_label_issues  # with pandas it takes seconds to import

    if len({answer.photo.label for answer in answers}) < 2:
        return []
    ranked = find_label_issues(
        np.array([labels.index(answer.photo.label) for answer in answers]),
        probabilities.astype(np.float64) / probabilities.sum(1, dtype=np.float64, keepdims=True),
        filter_by="predicted_neq_given",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    return [answers[number] for number in ranked[: max(1, int(MOST_SUSPECTS * len(answers)))]]


def choose_samples(answers: Sequence[Answer], labels: Sequence[str]) -> list[list[Answer]]:
    """A row a class: right answers, a less sure one first, then the wrong ones that the net is surest of."""
    rows = []
    for label in labels:
        mine = sorted(
            (answer for answer in answers if answer.photo.label == label), key=lambda answer: answer.probability
        )
        right, wrong = [answer for answer in mine if answer.right], [answer for answer in mine if not answer.right]
        typical = [right[len(right) * part // 4] for part in (1, 3)] if len(right) >= RIGHT else right
        rows.append((len(wrong), [*typical, *wrong[::-1][:WRONG]]))
    chosen = sorted(range(len(rows)), key=lambda number: -rows[number][0])[:ROWS]
    return [rows[number][1] for number in sorted(chosen)]
