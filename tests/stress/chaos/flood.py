"""python -m tests.stress.chaos.flood: what one person's flood of photos costs others.

One person sends 1,000 photos, ten a second; another sends one every two seconds, for half a minute before the flood and
all through it. Printed are the seconds for which the second one waits. Telegram's limits are enforced by its double.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from tests.stress.chaos.fleet import start_fleet
from tests.stress.chaos.run import MODEL
from tests.support.photos import draw
from tests.support.telegram import Telegram

FLOODER = 1
PER_SECOND = 10.0
EVERY = 2.0
"""Seconds between the other person's photos."""
ALONE = 15
"""Photos that the other one sends before the flood."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.chaos.flood", description="What a flood costs others."
    )
    parser.add_argument("--mode", choices=("polling", "webhook"), default="polling")
    parser.add_argument("--photos", type=int, default=1000, help="of the flood (%(default)s)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Telegram()) as telegram,
        start_fleet(options.mode, telegram, MODEL, Path(folder)) as (bot,),
    ):
        telegram.enforce_limits = True
        bot.wait_until_up()
        before = [_send_one(telegram) for _ in range(ALONE)]
        flood = threading.Thread(target=_flood, args=(telegram, options.photos))
        flood.start()
        during = []
        while flood.is_alive():
            during.append(_send_one(telegram))
        time.sleep(EVERY)
        waits = telegram.waits()
    print(f"alone:     {_describe([waits.get(message) for message in before])}")
    print(f"in flood:  {_describe([waits.get(message) for message in during])}")
    return 0 if all(message in waits for message in before + during) else 1


def _send_one(telegram: Telegram) -> int:
    message = telegram.send_photo(draw("green"), user=FLOODER + 1)
    time.sleep(EVERY)
    return message


def _flood(telegram: Telegram, photos: int) -> None:
    photo = draw("red")
    start = time.monotonic()
    for number in range(photos):
        time.sleep(max(0.0, start + number / PER_SECOND - time.monotonic()))
        telegram.send_photo(photo, user=FLOODER)


def _describe(waits: list[float | None]) -> str:
    known = sorted(wait for wait in waits if wait is not None)
    if not known:
        return f"none of {len(waits)} photos was answered"
    p50, p95 = (known[int(share * (len(known) - 1))] for share in (0.5, 0.95))
    lost = len(waits) - len(known)
    return f"{len(waits)} photos, {lost} unanswered, wait p50 {p50:.2f} s, p95 {p95:.2f} s, most {known[-1]:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
