"""Photos beside a file that knows their classes: folders are read as training read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.labelled import find_known
from export.metadata import TrainedOn
from tests.support.photos import draw
from training.data.photos import DataError
from training.runs import SplitFacts

TRAINED_ON = TrainedOn({}, {}, SplitFacts("groups.csv", 0, 0, 1), {})


def test_a_folder_is_the_class_that_training_made_of_its_name(tmp_path: Path) -> None:
    """Here: letters in two parts, as macOS writes them, a line break, and a sign without width."""
    for number, name in enumerate(("cafe\u0301", "a\nb", "re\u200bd")):
        (tmp_path / name).mkdir()
        draw("red").save(tmp_path / name / f"{number}.png")
    photos = find_known(tmp_path, ("caf\u00e9", "a b", "red"), TRAINED_ON)
    assert sorted(photo.label for photo in photos.new) == ["a b", "caf\u00e9", "red"]
    with pytest.raises(DataError, match="does not know"):
        find_known(tmp_path, ("red",), TRAINED_ON)
