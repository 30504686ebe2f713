"""Scores that tell outsiders from photos: on a learner trained for seconds, and on features drawn by hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from fastai.learner import load_learner

from training.data.split import read_split
from training.evaluation.out_of_distribution import CHOSEN, draw_unseen, fit_distance, measure_rejection
from training.recipe import Recipe


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


def test_every_score_is_measured_on_kinds_kept_out(trained: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner = load_learner(trained / "toy.pkl")
    photos = read_split(trained / "photos", trained / "toy-report" / "split.csv")
    found = measure_rejection(learner, photos, Recipe(weights="none"))
    assert found
    assert found["chosen"] == CHOSEN
    assert set(found["methods"]) == {"best probability", "energy", "feature distance", CHOSEN}
    assert all(0 <= one["auroc"] <= 1 and 0 <= one["rejected"] <= 1 for one in found["methods"].values())
    pictures = sum(kind["pictures"] for kind in found["kinds"].values())
    rejected = sum(kind["rejected"] * kind["pictures"] for kind in found["kinds"].values()) / pictures
    assert rejected == pytest.approx(found["methods"][CHOSEN]["rejected"])
