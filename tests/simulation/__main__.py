"""Runs seeds in virtual time: `python -m tests.simulation [--seeds 10000] [--first 0] [--processes N]`.

A seed whose run breaks an invariant is printed; `--seed N` replays it and prints what happened.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.run import Result, run_seed
from tests.simulation.seeds import PROCESSORS, run_seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=PROCESSORS)
    parser.add_argument("--seed", type=int, help="replay this one, with its trace and the bot's log")
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    started = time.monotonic()
    failed = 0
    seeds = range(options.first, options.first + options.seeds)
    for done, result in enumerate(run_seeds(seeds, options.processes), start=1):
        if result.faults:
            failed += 1
            print(f"{result.plan}\n" + "".join(f"    {fault}\n" for fault in result.faults), flush=True)
        if done % 1000 == 0:
            print(f"{done} seeds, {failed} failed, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    minutes = (time.monotonic() - started) / 60
    print(f"{options.seeds} seeds, {failed} failed, {options.seeds / minutes:.0f} seeds a minute")
    return 1 if failed else 0


def replay(seed: int) -> int:
    result: Result = run_seed(seed, log=True)
    print("\n".join(result.lines))
    print(f"{result.plan}\ndigest {result.digest}")
    for fault in result.faults:
        print(f"    {fault}")
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
