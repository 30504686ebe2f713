"""Many seeds, on all processors."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import Result, run_seed

CHUNK = 10
"""Seeds that a process is given at a time."""
BATCH = 400
"""Seeds after which the processes are new: libraries keep some of what dead bots leave in memory."""
PROCESSORS = os.cpu_count() or 1
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_CONTEXT = multiprocessing.get_context(_METHOD)
_CONTEXT.set_forkserver_preload(["tests.simulation.run"])  # imported once for all processes


def run_seeds(seeds: Sequence[int], processes: int = PROCESSORS) -> Iterator[Result]:
    """Run each seed, and yield the results in order. Raises BrokenProcessPool if a run brings its process down."""
    for first in range(0, len(seeds), BATCH):
        with ProcessPoolExecutor(processes, _CONTEXT) as pool:
            yield from pool.map(run_seed, seeds[first : first + BATCH], chunksize=CHUNK)
