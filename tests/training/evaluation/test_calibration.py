"""Temperature and calibration error, on logits whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from training.evaluation.answers import Answers
from training.evaluation.calibration import (
    BINS,
    calibrate_unseen,
    chance_of_error,
    choose_unsure,
    expected_calibration_error,
    fit_temperature,
    measure_calibration,
    reliability,
)


def draw(photos: int = 20_000, classes: int = 3) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits, and targets drawn with the very probabilities that they stand for."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (photos, classes)).astype(np.float32)
    targets = (softmax(logits, axis=1).cumsum(1) > rng.random((photos, 1))).argmax(1)
    return logits, targets


def test_the_temperature_is_the_one_that_the_logits_were_made_with() -> None:
    logits, targets = draw()
    assert fit_temperature(logits * np.float32(3), targets) == pytest.approx(3, rel=0.05)
    assert fit_temperature(logits / np.float32(3), targets) == pytest.approx(1 / 3, rel=0.05)


@pytest.mark.parametrize("classes", [2, 20])
def test_few_right_answers_do_not_make_the_next_ones_certain(classes: int) -> None:
    """Of ten right ones of ten the next is right with 11 of 12."""
    targets = np.arange(10) % classes
    logits = 4 * np.eye(classes, dtype=np.float32)[targets]
    sure = softmax(logits / fit_temperature(logits, targets), axis=1).max(axis=1)
    assert sure == pytest.approx(11 / 12, abs=1e-3)


def test_few_photos_of_many_classes_are_not_doubted_more_than_they_say() -> None:
    """Logits whose truth is known, with wrong answers among 40 photos: the doubt is of one more, not of each class."""
    fitted = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 6, (40, 37)).astype(np.float32)
        logits[np.arange(40), rng.integers(0, 37, 40)] += 6
        targets = (softmax(logits, axis=1).cumsum(1) > rng.random((40, 1))).argmax(1)
        fitted.append(fit_temperature(logits, targets))
    assert np.mean(fitted) == pytest.approx(1, abs=0.15)


def test_true_probabilities_have_no_calibration_error_and_overconfident_ones_do() -> None:
    logits, targets = draw()
    assert expected_calibration_error(reliability(softmax(logits, axis=1), targets)) < 0.01
    assert expected_calibration_error(reliability(softmax(3 * logits, axis=1), targets)) > 0.1


def test_the_error_is_the_textbooks() -> None:
    """Four photos at 0.9 of which three are right, and one at 0.6 that is wrong: (4 x 0.15 + 0.6) / 5."""
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]], np.float32)
    bins = reliability(probabilities, np.array([0, 0, 0, 1, 0]))
    assert len(bins) == BINS
    assert [one.photos for one in bins if one.photos] == [1, 4]
    assert expected_calibration_error(bins) == pytest.approx(0.24, abs=1e-6)


def test_a_certain_answer_lies_in_the_last_bin() -> None:
    bins = reliability(np.array([[1.0, 0.0]], np.float32), np.array([0]))
    assert bins[-1].photos == 1


def test_no_photo_is_judged_by_a_temperature_it_helped_to_fit() -> None:
    """The wrong answers are all in one group: where they are judged, nothing warned of them."""
    logits = np.full((400, 2), (4.0, 0.0), np.float32)
    logits[200:] = 0.0, 4.0
    targets = np.array([1] * 40 + [0] * 160 + [1] * 200)
    groups = ["wrong"] * 40 + [str(index) for index in range(40, 400)]
    unseen = calibrate_unseen(logits, targets, groups)
    assert unseen[:40].max() > 0.99  # by the half with no wrong answer
    assert 0.7 < unseen.max(axis=1).min() < 0.95  # by the half with 40


def say(logits: NDArray[np.float32], outsider: list[float] | None = None) -> Answers:
    rows = softmax(logits, axis=1).astype(np.float32)
    return Answers(rows, np.array(outsider or [np.nan] * len(rows), np.float32))


def test_too_few_photos_have_no_halves() -> None:
    few = measure_calibration(say(np.array([[2, 0], [0, 2]], np.float32)), np.array([0, 1]), ["a", "b"], 1.0)
    assert few.error_cross_fitted is None
    logits, targets = draw(100)
    many = measure_calibration(say(logits), targets, [str(index) for index in range(100)], 1.5)
    assert many.error_cross_fitted is not None
    assert many.temperature == 1.5


def test_chance_takes_the_error_of_few_photos_far_from_nothing() -> None:
    """Of 100 draws of photos from a calibrated net, about 95 lie below; an overconfident one's error lies above."""
    logits, targets = draw(20_000)
    parts = [slice(start, start + 200) for start in range(0, 20_000, 200)]
    bins = [reliability(softmax(logits[part], axis=1), targets[part]) for part in parts]
    below = sum(expected_calibration_error(part) <= chance_of_error(part) for part in bins)
    assert 88 <= below <= 100
    assert 0.03 < chance_of_error(bins[0]) < 0.15
    assert chance_of_error(reliability(softmax(logits, axis=1), targets)) < 0.015
    wrong = reliability(softmax(3 * logits[:200], axis=1), targets[:200])
    assert expected_calibration_error(wrong) > chance_of_error(wrong)


def tell(probabilities: list[float], outsider: list[float] | None = None) -> Answers:
    """Answers about two classes, from the first one's probabilities."""
    rows = np.array([[first, 1 - first] for first in probabilities], np.float32)
    return Answers(rows, np.array(outsider or [np.nan] * len(rows), np.float32))


def test_two_in_a_hundred_photos_are_unsure() -> None:
    best = np.linspace(0.5, 1, 1001).tolist()
    assert choose_unsure(tell(best)).threshold == pytest.approx(0.502, abs=1e-3)
    assert choose_unsure(tell(best)).outsider is None
    assert choose_unsure(tell([0.999] * 100)).threshold == 0.9
    answers = tell(best, np.linspace(1, 0, 1001).tolist())
    rule = choose_unsure(answers)
    assert rule.outsider == pytest.approx(0.984, abs=1e-3)
    assert 0.015 <= answers.unsure(rule).mean() <= 0.021
    assert choose_unsure(tell(best, [0.0] * 1001)).outsider == 0.05
