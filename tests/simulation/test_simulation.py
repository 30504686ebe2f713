"""The first seeds hold every invariant, and each run is the same twice, but for seeds whose fault is known."""

from __future__ import annotations

import pytest

from tests.simulation.run import run_seed

SEEDS = 300
CHUNK = 20
OPEN = frozenset({74, 78, 79, 82, 92, 98, 243})
"""Seeds that still fail: a 401 that is believed at once (78, 79, 98); a photo that was put down in a Redis that forgot
everything (82); answers given twice, or to another message (74, 92, 243). Each leaves this set with its fix."""


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_seeds_hold_the_invariants(first: int) -> None:
    results = [run_seed(seed) for seed in range(first, first + CHUNK) if seed not in OPEN]
    failed = [f"{result.plan}: {fault}" for result in results for fault in result.faults]
    assert not failed, "\n".join(["", *failed, "Replay: python -m tests.simulation --seed N"])


@pytest.mark.parametrize("seed", [3, 17, 42])
def test_a_seed_replays_exactly(seed: int) -> None:
    assert run_seed(seed).digest == run_seed(seed).digest
