"""A machine that is gone in the middle of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from training.fitting.one_cycle.checkpoint import Checkpoint


class PowerCutError(Exception):
    """The machine is gone."""


@contextmanager
def cut_power_after(epochs: int) -> Iterator[None]:
    """What trains in the block ends after so many epochs of all its trainings together, once the last one is saved."""
    after_epoch, done = Checkpoint.after_epoch, 0

    def cut(self: Checkpoint) -> None:
        nonlocal done
        after_epoch(self)
        done += 1
        if done == epochs:
            raise PowerCutError("power cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "after_epoch", cut)
        with pytest.raises(PowerCutError):
            yield
