"""`python -m tests.stress.fuzz`: mutated photos are decoded as the bot does it, in a process of its own interpreter.

Exit status 1 if one makes the process crash, compute for more than 2 s or raise anything but PhotoError, or if memory
grows by 50 MB from input to input or by 300 MB at its peak.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.stress.fuzz.mutate import build_corpus, mutate
from tests.stress.fuzz.process import Decoder
from tests.support.paths import MASKS

WARM_UP = 500
"""Inputs before memory is first looked at; half of all inputs if there are fewer than twice as many."""
MAX_GROWTH, MAX_PEAK = 50.0, 300.0
"""Megabytes, after warm-up."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.stress.fuzz", description="Decode mutated photos as the bot does it."
    )
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="same seed and photos: same inputs")
    parser.add_argument("--photos", type=Path, help="folder of JPEGs to mutate; drawn photos if there is none")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one input alone")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write inputs that break a rule here")
    options = parser.parse_args(arguments)
    photos = options.photos or (MASKS if MASKS.is_dir() else None)
    if photos and not any(photos.rglob("*.jpg")):
        parser.error(f"no JPEGs in {photos}")
    numbers = range(options.inputs) if options.only is None else [options.only]
    return _fuzz(build_corpus(photos), options.seed, numbers, options.keep)


def _fuzz(corpus: list[bytes], seed: int, numbers: Sequence[int], keep: Path | None) -> int:
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    slowest, start, rss, peak = (0.0, -1), 0.0, 0.0, 0.0
    decoder = Decoder()
    warm_up = min(WARM_UP, len(numbers) // 2)
    for done, number in enumerate(numbers):
        data = mutate(corpus, seed, number)
        answer = decoder(data)
        outcome = "decoded" if answer.outcome in ("red", "green", "blue") else answer.outcome
        outcomes[outcome] += 1
        slowest = max(slowest, (answer.seconds, number))
        if outcome in ("crash", "hang", "wrong"):
            broken.append(f"input {number}: {outcome} {answer.error}")
            print(broken[-1], file=sys.stderr, flush=True)
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}").write_bytes(data)
        if answer.rss:
            start = answer.rss if done <= warm_up else start
            rss, peak = answer.rss, answer.peak
        if sys.stderr.isatty() and done % 100 == 0:
            print(f"\r{done}", end="", file=sys.stderr)
    decoder.close()
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(outcomes.items()) if reason != "decoded")
    print(
        f"{len(numbers)} inputs (seed {seed}): {outcomes['decoded']} decoded, {refused or 'none refused'}; "
        f"slowest {slowest[0] * 1000:.0f} ms (input {slowest[1]}); "
        f"memory {rss - start:+.0f} MB after warm-up, peak {peak - start:+.0f} MB"
    )
    if rss - start > MAX_GROWTH or peak - start > MAX_PEAK:
        broken.append("memory")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
