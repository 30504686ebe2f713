"""A short form of `make chaos`: every way of receiving photos, under faults and kill -9."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stress.chaos.fleet import find_missing
from tests.stress.chaos.run import run_mode

MOST_IN_BETWEEN = 5


@pytest.mark.parametrize("mode", ["polling", "webhook", "replicas"])
def test_every_photo_is_answered_whatever_is_killed(mode: str, color_model: Path, tmp_path: Path) -> None:
    if missing := find_missing(mode):
        pytest.skip(f"not without {missing}")
    result = run_mode(mode, photos=60, kills=2, fault_rate=0.1, model=color_model, folder=tmp_path, seconds=400)
    assert result.complete
    assert (result.sent, result.unanswered, result.refused, result.kills) == (60, 0, 0, 2)
    # A kill comes between answer and note for some of those in work: for more of them where the machine is busy.
    assert result.twice <= MOST_IN_BETWEEN * result.kills
