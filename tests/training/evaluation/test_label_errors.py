"""Photos whose label is likely wrong, from answers of nets that did not learn from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from training.evaluation.label_errors import MOST, find_label_errors


def answer(truth: NDArray[np.int64], labels: int, seed: int) -> NDArray[np.float32]:
    """Probabilities of a net that is right on about nine in ten, and surer where it is right."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, (len(truth), labels))
    logits[np.arange(len(truth)), truth] += 3.5
    return softmax(logits, axis=1).astype(np.float32)


def test_planted_errors_come_first_and_the_list_is_short() -> None:
    """Two in a hundred labels are wrong; the net is right on nine of ten photos."""
    random = np.random.default_rng(1)
    truth = random.integers(0, 4, 2000)
    planted = random.choice(2000, 40, replace=False)
    targets = truth.copy()
    targets[planted] = (truth[planted] + random.integers(1, 4, 40)) % 4
    ranked = find_label_errors(targets, answer(truth, 4, seed=2))
    assert len(ranked) <= MOST * 2000
    assert len(set(ranked[:20]) & set(planted)) >= 18
    assert len(set(ranked) & set(planted)) / 40 > 0.8


def test_a_net_that_contradicts_no_label_names_none() -> None:
    truth = np.repeat([0, 1, 2], 50)
    sure = np.eye(3, dtype=np.float32)[truth] * np.float32(0.97) + np.float32(0.01)
    assert len(find_label_errors(truth, sure)) == 0


def test_a_class_of_few_photos_and_one_never_predicted_are_no_trouble() -> None:
    targets = np.array([0] * 95 + [1] * 5)
    probabilities = np.tile(np.array([0.9, 0.1], np.float32), (100, 1))
    ranked = find_label_errors(targets, probabilities)
    assert set(ranked) <= set(range(95, 100))
    assert len(ranked) == 3
