"""Scores that tell outsiders from photos: on a learner trained for seconds, and on features drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.inference.contract import Unsure
from training.data.photos import LabelledPhoto
from training.data.split import read_split
from training.evaluation.answers import Answers
from training.evaluation.out_of_distribution import (
    CHOSEN,
    compare_scores,
    draw_unseen,
    fit_distance,
    measure_rejection,
)
from training.fitting.learner import compute_logits
from training.recipe import Recipe
from training.runs import read_learner


def test_the_distance_is_to_the_nearest_class_in_the_spread_of_the_features() -> None:
    rng = np.random.default_rng(0)
    spread = rng.normal(0, (10, 0.1), (200, 2))
    features = np.concatenate([spread, spread + np.array([0, 5])]).astype(np.float32)
    distance = fit_distance(features, np.repeat([0, 1], 200))
    inside, along, across = distance(np.array([[0, 5], [10, 0], [0, 1]], np.float32))
    assert inside < along < across  # ten along the wide axis is nearer than one across


def test_the_unseen_kinds_are_the_same_each_time_and_never_trained_on() -> None:
    recipe = Recipe(unseen=("noise", "chart"))
    pictures = draw_unseen(recipe)
    assert sorted(pictures) == ["chart", "noise"]
    assert pictures == draw_unseen(recipe)
    assert len(set(pictures["noise"])) == 100


def test_every_score_is_compared_on_kinds_kept_out(trained: Path) -> None:
    learner = read_learner(trained / "toy.pkl")
    photos = read_split(trained / "photos", trained / "toy-report" / "split.csv")

    def ask(pictures: Sequence[bytes], photos: Sequence[LabelledPhoto] | None = None) -> NDArray[np.float32]:
        return compute_logits(learner, list(pictures))

    comparison = compare_scores(learner, ask, photos, draw_unseen(Recipe(weights="none")))
    assert comparison
    assert comparison.chosen == CHOSEN
    assert set(comparison.scores) == {"best probability", "energy", "feature distance", CHOSEN}
    assert all(0 <= one.auroc <= 1 and 0 <= one.rejected <= 1 for one in comparison.scores.values())


def test_pictures_above_the_limit_get_no_label() -> None:
    sure = Answers(np.array([[0.9, 0.1]] * 4, np.float32), np.array([0.1, 0.1, 0.1, 0.8], np.float32))
    close = Answers(np.array([[0.5, 0.5]] * 2, np.float32), np.array([0.1, 0.9], np.float32))
    rejection = measure_rejection({"cups": sure, "dogs": close}, Unsure(0.6, 0.5))
    assert rejection
    assert {kind: share.share for kind, share in rejection.kinds.items()} == {"cups": 0.25, "dogs": 1}
    assert (rejection.pictures.photos, rejection.pictures.share) == (6, 0.5)
    assert measure_rejection({}, Unsure(0.6)) is None
