"""python -m tests.measure.footprint: how soon the real bot answers after its start, and what it takes of the machine.

It prints the medians of several starts, and the figures of one longer run: `start_seconds` from the start of the
process to the first getUpdates and `first_answer_seconds` from there to the answer to a photo that was waiting;
resident memory (`rss`, `pss`) in millions of bytes, at the start, after all photos, and 2 s `rest` later;
`bytes_per_photo`, its slope over the last half; `idle_percent` of one processor while there is nothing to do;
`photo_cpu_ms`, the processor's time for each photo.

It runs the bot with the interpreter that LABELGRAM_BOT_PYTHON names (this one, without it) against the Bot API double.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.measure.footprint.process import Process, run_bot
from tests.support.datasets import CLASSES, draw_photo
from tests.support.telegram import Telegram

AT_ONCE = 50
"""Photos on their way to the bot at a time; each is from someone else, since the bot slows people down."""
PEOPLE = 1000
IDLE_SECONDS = 10.0
PHOTOS = [draw_photo(color, seed, (1280, 960)) for seed, color in enumerate(CLASSES.values())]


def main() -> int:
    options = _parse()
    variables = {"AIOGRAM_IMPORT": "plain" if options.plain else "deferred"}
    starts = [_start(variables) for _ in range(options.starts + 1)][1:]  # the first writes bytecode, and reads the disk
    found = {name: statistics.median(start[name] for start in starts) for name in starts[0]}
    found |= _work(variables, options.photos)
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:{width}} {value:10.3f}")
    if options.json:
        options.json.write_text(json.dumps(found | variables | {"photos": options.photos}, indent=2) + "\n")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.measure.footprint", description="What the bot's process takes."
    )
    parser.add_argument("--photos", type=int, default=1000, help="sent for the memory (%(default)s; 25 a second)")
    parser.add_argument("--starts", type=int, default=5, help="whose median counts (%(default)s)")
    parser.add_argument("--plain", action="store_true", help="aiogram imported in its own way (bot/startup)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures for programs, in the same units")
    return parser.parse_args()


def _start(variables: dict[str, str]) -> dict[str, float]:
    """One start, with a photo that is waiting."""
    telegram = Telegram()
    _send(telegram, range(1))
    with run_bot(telegram, **variables) as bot:
        _wait(lambda: telegram.queue.polled_at > 0)
        polled, used = telegram.queue.polled_at, bot.cpu
        _wait(lambda: bool(telegram.sent_at))
        answered = telegram.sent_at[0][0]
    telegram.close()
    return {
        "start_seconds": polled - bot.started,
        "start_cpu_seconds": used,
        "first_answer_seconds": answered - polled,
    }


def _work(variables: dict[str, str], photos: int) -> dict[str, float]:
    """What one process takes after its start, while it waits, and as it answers `photos`."""
    telegram = Telegram()
    with run_bot(telegram, **variables) as bot:
        _wait(lambda: telegram.queue.polled_at > 0)
        time.sleep(2)
        found = {"start_rss_mb": bot.rss / 1e6, "idle_percent": _measure_idle(bot)}
        sizes: dict[int, int] = {}
        used = bot.cpu
        for first in range(0, photos, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, photos))
            _send(telegram, numbers)
            while len(telegram.replies) < numbers.stop:
                time.sleep(0.02)
            sizes[numbers.stop] = bot.rss
        found |= {
            "photo_cpu_ms": (bot.cpu - used) * 1000 / photos,
            "rss_mb": bot.rss / 1e6,
            "pss_mb": bot.pss / 1e6,
        }
        time.sleep(2)
        found["rest_rss_mb"] = bot.rss / 1e6
        later = {number: size for number, size in sizes.items() if number > photos / 2}
        if len(later) > 1:
            found["bytes_per_photo"] = statistics.linear_regression(list(later), list(later.values())).slope
    telegram.close()
    return found


def _measure_idle(bot: Process) -> float:
    """Percent of one processor."""
    used = bot.cpu
    time.sleep(IDLE_SECONDS)
    return (bot.cpu - used) * 100 / IDLE_SECONDS


def _send(telegram: Telegram, numbers: range) -> None:
    for number in numbers:
        telegram.send_photo(PHOTOS[number % len(PHOTOS)], user=1 + number % PEOPLE)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the bot did not do it in time"
        time.sleep(0.001)


if __name__ == "__main__":
    sys.exit(main())
