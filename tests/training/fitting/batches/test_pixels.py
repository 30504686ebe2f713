"""Photos decoded once: in memory, or in a file that is mapped into it."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import IO

import pytest
import torch

from tests.support.datasets import draw_photo
from training.fitting.batches import pixels


def test_many_photos_lie_in_a_file_that_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [partial(draw_photo, (1, 0.8, 0.6), seed) for seed in range(5)]
    in_memory = pixels.decode_all(draws, tmp_path)
    made: list[Path] = []
    temporary_file = tempfile.TemporaryFile

    def note(**named: Path) -> IO[bytes]:
        made.append(named["dir"])
        return temporary_file(dir=named["dir"])

    monkeypatch.setattr(pixels, "IN_MEMORY", in_memory.nbytes - 1)
    monkeypatch.setattr(tempfile, "TemporaryFile", note)
    in_file = pixels.decode_all(draws, tmp_path)
    assert made == [tmp_path]
    assert torch.equal(in_memory, in_file)
    assert not list(tmp_path.iterdir())
