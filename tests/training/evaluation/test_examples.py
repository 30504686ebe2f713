"""Which answers are shown: suspects, right ones and wrong ones of every class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.photos import LabelledPhoto
from training.evaluation.examples import MAX_SUSPECTS, Answer, choose_samples, find_suspects, give_answers


def answer(label: str, predicted: str, probability: float, name: str = "1.jpg") -> Answer:
    return Answer(LabelledPhoto(Path(label) / name, label), predicted, probability, 1 - probability)


def test_suspects_are_the_surest_contradictions_first() -> None:
    sure, surer = answer("cat", "dog", 0.6), answer("dog", "cat", 0.9)
    answers = [answer("cat", "cat", 0.99), sure, answer("cat", "dog", 0.49), surer]
    assert find_suspects(answers) == [surer, sure]
    assert len(find_suspects([sure] * (MAX_SUSPECTS + 1))) == MAX_SUSPECTS


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
