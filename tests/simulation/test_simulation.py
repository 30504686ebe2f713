"""The first seeds hold every invariant, and each run is the same twice, but for seeds whose fault is known."""

from __future__ import annotations

import pytest

from tests.simulation.run import run_seed
from tests.simulation.seeds import run_seeds

SEEDS = 300
OPEN = frozenset({78, 79, 82, 98})
"""Seeds that still fail: a 401 that is believed at once (78, 79, 98); a photo that was put down in a Redis that forgot
everything (82). Each leaves this set with its fix."""


def test_seeds_hold_the_invariants() -> None:
    failed = [
        f"{result.plan}: {fault}"
        for result in run_seeds(range(SEEDS))
        if result.seed not in OPEN
        for fault in result.faults
    ]
    assert not failed, "\n".join(["", *failed, "Replay: python -m tests.simulation --seed N"])


@pytest.mark.parametrize("seed", [3, 17, 42])
def test_a_seed_replays_exactly(seed: int) -> None:
    assert run_seed(seed).digest == run_seed(seed).digest
