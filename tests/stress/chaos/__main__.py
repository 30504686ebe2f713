"""python -m tests.stress.chaos: one table of what becomes of the same photos in each mode, under kill -9 and faults.

It runs the bot with the interpreters that LABELGRAM_BOT_PYTHON and LABELGRAM_REDIS_PYTHON name (this one, without
them), and ends with status 1 if a photo stayed without an answer, or more were answered twice than there were kills.
aiogram's default polling is the reference, and bound to nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from tests.stress.chaos.fleet import MODES, find_missing
from tests.stress.chaos.run import MODEL, Result, run_mode

LEAST = 135.0
"""Seconds that are kept for each of the modes to come."""
TITLES = (
    "| bot | sent | answered | unanswered | answered twice | kills | ended by itself | faults | 429 for pace "
    "| wait, p50 | p95 | peak RSS |"
)


def main() -> int:
    options = _parse()
    missing = {mode: what for mode in options.modes if (what := find_missing(mode))}
    for mode, what in missing.items():
        print(f"{MODES[mode]} cannot run without {what}.", file=sys.stderr)
    if missing:
        return 2
    deadline = time.monotonic() + options.seconds
    results: dict[str, Result] = {}
    for number, mode in enumerate(options.modes, start=1):
        seconds = deadline - time.monotonic() - LEAST * (len(options.modes) - number)
        folder = options.logs and options.logs / mode
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        results[mode] = run_mode(
            mode,
            photos=options.photos,
            kills=options.kills,
            fault_rate=options.fault_rate,
            seed=options.seed,
            model=options.model,
            seconds=seconds,
            folder=folder,
        )
        print(f"{MODES[mode]}: {results[mode].seconds:.0f} s", file=sys.stderr)
    report = _report(results, options.fault_rate)
    print(report)
    if options.out:
        options.out.write_text(report + "\n")
    return 1 if _rule_breakers(results) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.chaos", description="The bot under kill -9, faults and load."
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), metavar="MODE", help=", ".join(MODES))
    parser.add_argument("--photos", type=int, default=1000, help="sent in each mode (%(default)s)")
    parser.add_argument("--kills", type=int, default=20, help="kill -9 in each mode (%(default)s)")
    parser.add_argument(
        "--fault-rate", type=float, default=0.1, help="share of calls that something goes wrong with (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of photos, faults and kills (%(default)s)")
    parser.add_argument("--model", type=Path, default=MODEL, help="the ONNX file (the shipped one)")
    parser.add_argument("--seconds", type=float, default=580, help="after which all ends (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there as well")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the bots' logs and state there")
    return parser.parse_args()


def _report(results: dict[str, Result], fault_rate: float) -> str:
    every = sum((result.faults for result in results.values()), Counter[str]())
    kinds = ", ".join(f"{kind} {count}" for kind, count in every.most_common())
    breakers = " and ".join(MODES[mode] for mode in _rule_breakers(results))
    verdict = f"broken by {breakers}" if breakers else "kept"
    lines = [
        *(TITLES, "| --- " * TITLES.count(" | ") + "| --- |"),
        *(_row(mode, result) for mode, result in results.items()),
        "",
        f"Something went wrong with {fault_rate:.0%} of all calls, each kind that is possible as often: {kinds}.",
        f"Nothing unanswered, and no more answered twice than kills: {verdict}.",
    ]
    return "\n".join(lines)


def _row(mode: str, result: Result) -> str:
    answered = f"{result.answered}, {result.refused} with an apology" if result.refused else str(result.answered)
    cells = (
        *(MODES[mode] if result.complete else f"{MODES[mode]} (ran out of time)", result.sent, answered),
        *(result.unanswered, result.twice, result.kills, result.ends, result.faults.total(), result.limited),
        *(f"{result.wait(0.5):.1f} s", f"{result.wait(0.95):.1f} s", f"{result.peak / 1000:.0f} MB"),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _rule_breakers(results: dict[str, Result]) -> list[str]:
    return [mode for mode, result in results.items() if mode != "reference" and not result.keeps_the_rules]


if __name__ == "__main__":
    sys.exit(main())
