"""The pictures of the report, of classes with names that Matplotlib would take for formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photos import draw
from training.data.photos import LabelledPhoto
from training.evaluation.examples import Answer
from training.report.plots import draw_confusion, draw_worst, write_views

LABELS = ("$a_{$", "$\\nothing$ " + 60 * "long ", "a_b^c")


@pytest.fixture
def answers(tmp_path: Path) -> list[Answer]:
    draw("red").save(tmp_path / "1.png")
    photos = [LabelledPhoto(tmp_path / "1.png", label) for label in LABELS]
    return [Answer(photo, LABELS[0], 0.5, 0.1) for photo in photos]


def test_a_name_that_the_font_lacks_warns_of_nothing(tmp_path: Path) -> None:
    """Warnings are errors in tests."""
    write_views(np.zeros((2, 8, 8, 3), np.float32), ("\U0001f436 dog", "猫"), tmp_path / "views.png")
    assert (tmp_path / "views.png").exists()


def test_a_name_that_looks_like_a_formula_is_a_name_in_every_picture(answers: list[Answer], tmp_path: Path) -> None:
    write_views(np.zeros((3, 8, 8, 3), np.float32), LABELS, tmp_path / "views.png")
    draw_confusion(answers, LABELS).savefig(tmp_path / "confusion.png")
    draw_worst(answers).savefig(tmp_path / "worst.png")
    with Image.open(tmp_path / "views.png") as picture:
        assert picture.width < 1500  # a long name makes no picture wider
