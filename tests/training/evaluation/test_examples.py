"""Which answers are shown: suspects, right ones and wrong ones of every class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from training.data.photos import LabelledPhoto
from training.evaluation.examples import MOST_SUSPECTS, Answer, choose_samples, find_suspects, give_answers


def answer(label: str, predicted: str, probability: float, name: str = "1.jpg") -> Answer:
    return Answer(LabelledPhoto(Path(label) / name, label), predicted, probability, 1 - probability)


def test_planted_label_errors_come_first_and_the_list_is_short() -> None:
    """Two labels in a hundred are wrong, and the net is right on about nine photos of ten."""
    random, labels = np.random.default_rng(1), ("cat", "dog", "hen", "owl")
    truth = random.integers(0, 4, 2000)
    logits = random.normal(0, 1, (2000, 4))
    logits[np.arange(2000), truth] += 3.5
    probabilities = softmax(logits, axis=1).astype(np.float32)
    planted = random.choice(2000, 40, replace=False)
    given = truth.copy()
    given[planted] = (truth[planted] + random.integers(1, 4, 40)) % 4
    photos = [LabelledPhoto(Path(f"{number}.jpg"), labels[label]) for number, label in enumerate(given)]
    suspects = [int(one.photo.path.stem) for one in find_suspects(*judge(photos, probabilities, labels))]
    assert len(suspects) <= MOST_SUSPECTS * 2000
    assert len(set(suspects[:20]) & set(planted)) >= 18
    assert len(set(suspects) & set(planted)) > 0.8 * 40


def judge(
    photos: list[LabelledPhoto], probabilities: NDArray[np.float32], labels: tuple[str, ...]
) -> tuple[list[Answer], NDArray[np.float32], tuple[str, ...]]:
    return give_answers(photos, probabilities, labels), probabilities, labels


def test_there_are_no_suspects_where_no_label_is_contradicted() -> None:
    labels = ("cat", "dog", "hen")
    photos = [LabelledPhoto(Path(f"{number}.jpg"), labels[number % 3]) for number in range(90)]
    sure = np.eye(3, dtype=np.float32)[np.arange(90) % 3] * np.float32(0.97) + np.float32(0.01)
    assert find_suspects(*judge(photos, sure, labels)) == []
    assert find_suspects(*judge(photos[:1], sure[:1], labels)) == []
    assert find_suspects([], sure[:0], labels) == []


def test_an_answer_is_the_best_label_with_its_probability() -> None:
    photos = [LabelledPhoto(Path("1.jpg"), "dog"), LabelledPhoto(Path("2.jpg"), "cat")]
    wrong, right = give_answers(photos, np.array([[0.75, 0.25], [0.5, 0.25]], np.float32), ("cat", "dog"))
    assert (wrong.predicted, wrong.probability, wrong.truth, wrong.right) == ("cat", 0.75, 0.25, False)
    assert (right.predicted, right.probability, right.truth, right.right) == ("cat", 0.5, 0.5, True)


def test_samples_are_right_ones_and_the_worst_wrong_of_each_class() -> None:
    right = [answer("cat", "cat", 0.5 + number / 10) for number in range(4)]
    wrong = [answer("cat", "dog", probability) for probability in (0.6, 0.9, 0.7)]
    only = answer("dog", "dog", 0.8)
    cats, dogs = choose_samples([*right, only, *wrong], ["cat", "dog"])
    assert [(one.predicted, one.probability) for one in cats] == [
        ("cat", 0.6),
        ("cat", 0.8),
        ("dog", 0.9),
        ("dog", 0.7),
    ]
    assert dogs == [only]
