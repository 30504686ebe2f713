"""python -m tests.stress.held: what others wait while chats are held, downloads stall, and people press without end.

Prints a line for each mode: photos answered, the median and the 95th percentile of their waits in seconds, answers
given twice, stalled photos that were lost. Exit status 1 if any was, or if the percentile is above two seconds.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from tests.stress.held.run import Plan, run

GOAL = 2.0
"""Seconds: the 95th percentile."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.held", description="Nobody waits for another's chat.")
    parser.add_argument("--modes", default="polling,webhook", help="%(default)s")
    parser.add_argument("--others", type=int, default=300, help="photos of others (%(default)s)")
    parser.add_argument("--kills", type=int, default=0, help="kill -9 in the meantime (%(default)s)")
    parser.add_argument("--model", type=Path, help="an ONNX file (a small one that explains its answers)")
    parser.add_argument("--none", action="store_true", help="nobody is held: what the machine itself takes")
    options = parser.parse_args()
    is_good = True
    plan = Plan(others=options.others, kills=options.kills, model=options.model and options.model.resolve())
    if options.none:
        plan = replace(plan, held=0, stalled=0, pressers=0)
    for mode in options.modes.split(","):
        result = run(mode, plan)
        answered = options.others - result.unanswered
        print(
            f"{mode}: {answered} of {options.others} answered, p50 {result.wait(0.5):.2f} s, "
            f"p95 {result.wait(0.95):.2f} s, longest {result.wait(1):.2f} s, twice {result.twice}, lost {result.lost}",
            flush=True,
        )
        is_good &= not result.unanswered and not result.lost and (bool(options.kills) or result.wait(0.95) < GOAL)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
