"""python -m tests.measure.footprint.load: photos a second from end to end, beside what the forward pass alone allows.

For each number of threads the real bot answers photos that are all waiting for it, without the limits on its pace.
Before and after it the net alone runs, with the same interpreter and threads, and then the decoding alone. Medians of
several rounds are printed, since what else a machine does comes and goes. The double of Telegram shares the machine
with the bot, so the processor's time of each is given.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bot.inference.contract import SIZE
from bot.inference.variants import make_variants, smallest_covering
from tests.measure.footprint.__main__ import PHOTOS
from tests.measure.footprint.process import run_bot
from tests.stress.chaos.run import MODEL
from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.paths import ROOT
from tests.support.telegram import Telegram

PARTS = """
import json, sys, time
import numpy as np
from pathlib import Path
from bot.inference.classifier import Classifier
from bot.inference.decoding import decode
classifier = Classifier(Path(sys.argv[1]), int(sys.argv[2]))
photos = [Path(name).read_bytes() for name in sys.argv[3:]]

def measure(step, seconds):
    step(0)
    count, start, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < start + seconds:
        step(count)
        count += 1
    return count / (time.perf_counter() - start), (time.process_time() - used) * 1000 / count

pixels = np.zeros((224, 224, 3), np.uint8)
forward = measure(lambda count: classifier.predict(pixels), 3)
decoding = measure(lambda count: decode(photos[count % len(photos)], classifier.contract.preprocess), 1)
print(json.dumps([*forward, decoding[1]]))
"""
FIELDS = (
    *("threads", "rate", "forward_rate", "cpu_ms", "forward_cpu_ms", "decode_cpu_ms", "rest_cpu_ms"),
    *("double_cpu_ms", "share"),
)
"""Rates in photos a second, the processor's time in milliseconds a photo; `share` is the one rate over the other.
`rest_cpu_ms` is what a photo costs beside net and decoding. `decode_cpu_ms` includes the preprocessing."""
ROUNDS = 4


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.measure.footprint.load", description="Photos a second, at most."
    )
    parser.add_argument("--photos", type=int, default=2000, help="for each number of threads (%(default)s)")
    parser.add_argument("--threads", default="1,2", help="for one photo, several numbers (%(default)s)")
    options = parser.parse_args()
    print("  ".join(FIELDS))
    for threads in map(int, options.threads.split(",")):
        found = measure_load(options.photos, threads)
        print("  ".join(f"{found[name]:>{len(name)}.{2 if name == 'share' else 1}f}" for name in FIELDS), flush=True)
    return 0


def measure_load(photos: int, threads: int) -> dict[str, float]:
    """FIELDS, of the bot and of its parts alone."""
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        files = _save_variants(Path(name))
        parts = [_run_parts(threads, files)]
        for _ in range(ROUNDS):
            rate, cpu, double = _answer(photos // ROUNDS, str(threads))
            parts.append(_run_parts(threads, files))
            alone, forward, decoding = ((before + after) / 2 for before, after in zip(*parts[-2:], strict=True))
            rest = cpu - forward - decoding
            rounds.append((threads, rate, alone, cpu, forward, decoding, rest, double, rate / alone))
    return dict(zip(FIELDS, map(statistics.median, zip(*rounds, strict=True)), strict=True))


def _save_variants(folder: Path) -> list[Path]:
    """The files of PHOTOS that the bot fetches from Telegram."""
    files = []
    for number, photo in enumerate(PHOTOS):
        files.append(folder / f"{number}.jpg")
        files[-1].write_bytes(smallest_covering(list(make_variants(photo)), SIZE).jpeg)
    return files


def _run_parts(threads: int, files: list[Path]) -> tuple[float, float, float]:
    """Photos a second of the net alone, and the processor's milliseconds for each; those of decoding."""
    command = [BOT_PYTHON, "-c", PARTS, str(MODEL), str(threads), *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=True)
    rate, forward, decoding = json.loads(done.stdout)
    return rate, forward, decoding


def _answer(photos: int, threads: str) -> tuple[float, float, float]:
    """Photos a second, and the processor's milliseconds for each in the bot and in the double."""
    with closing(Telegram()) as telegram:
        for number in range(photos):
            telegram.send_photo(PHOTOS[number % len(PHOTOS)], user=1 + number)
        with run_bot(telegram, module="tests.measure.footprint.unpaced", THREADS=threads) as bot:
            while len(telegram.replies) < photos // 10:  # the start does not count
                time.sleep(0.01)
            begun, start, used, own = len(telegram.replies), time.monotonic(), bot.cpu, time.process_time()
            while len(telegram.replies) < photos:
                time.sleep(0.01)
            done, seconds = photos - begun, time.monotonic() - start
            return done / seconds, (bot.cpu - used) * 1000 / done, (time.process_time() - own) * 1000 / done


if __name__ == "__main__":
    sys.exit(main())
