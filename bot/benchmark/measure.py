"""What a contender's process measures of itself."""

from __future__ import annotations

import itertools
import platform
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.errors import LabelgramError
from bot.inference import decoding as photo
from bot.inference.contract import Preprocess

DECODE, PREPROCESS, FORWARD, TOTAL = "decode", "preprocess", "forward", "total"
STAGES = (DECODE, PREPROCESS, FORWARD, TOTAL)
"""`photo.read`; what else `photo.decode` does; pixels to label; all three, a photo's bytes to its label."""


class BenchmarkError(LabelgramError):
    """There is nothing to measure; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Pixels:
    """A contender that takes pixels. Photos are decoded for it as the bot does."""

    labels: tuple[str, ...]
    preprocess: Preprocess
    predict: Callable[[NDArray[np.uint8]], str]
    """Pixels, uint8 `[224, 224, 3]` -> label; called from many threads at once."""

    def classify(self, data: bytes) -> str:
        return self.predict(photo.decode(data, self.preprocess))


@dataclass(frozen=True)
class Whole:
    """A contender that takes a photo's bytes, and can neither be taken apart nor called from several threads."""

    labels: tuple[str, ...]
    classify: Callable[[bytes], str]


def time_photos(contender: Pixels | Whole, files: list[str], count: int, warm: int) -> dict[str, Any]:
    """Seconds of each stage of `count` photos, one after the other, after `warm` that do not count.

    `cpu_seconds` are of all of them and of all threads. Files are read before, and taken in turn.
    """
    photos = itertools.cycle(_read_all(files))
    stopwatch = _Stopwatch(contender)
    for data in itertools.islice(photos, warm):
        stopwatch.run(data)
    cpu = time.process_time()
    laps = [stopwatch.run(data) for data in itertools.islice(photos, count)]
    cpu = time.process_time() - cpu
    return {"seconds": {stage: [lap[stage] for lap in laps] for stage in laps[0]}, "cpu_seconds": cpu}


def rush(contender: Pixels | Whole, stage: str, files: list[str], seconds: float, workers: int) -> dict[str, Any]:
    """Photos a second with `workers` threads at once, of TOTAL or of FORWARD alone.

    A Whole has one worker, and of FORWARD None.
    """
    photos = _read_all(files)
    if isinstance(contender, Whole) and stage == FORWARD:
        return {"per_second": None}
    work: list[Callable[[], str]] = [partial(contender.classify, data) for data in photos]
    if isinstance(contender, Pixels) and stage == FORWARD:
        work = [partial(contender.predict, photo.decode(data, contender.preprocess)) for data in photos]
    workers = 1 if isinstance(contender, Whole) else workers
    together = threading.Barrier(workers)

    def run(_: int) -> float:
        turns = itertools.cycle(work)
        next(turns)()
        together.wait()
        start = now = time.perf_counter()
        done = 0
        while now < start + seconds:
            next(turns)()
            done, now = done + 1, time.perf_counter()
        return done / (now - start)

    with ThreadPoolExecutor(workers) as pool:
        return {"per_second": sum(pool.map(run, range(workers)))}


def name_photos(contender: Pixels | Whole, files: list[str]) -> dict[str, Any]:
    """The labels of photos, None where one cannot be read."""

    def name(file: str) -> str | None:
        try:
            return contender.classify(Path(file).read_bytes())
        except (photo.PhotoError, OSError):
            return None

    return {"labels": [name(file) for file in files]}


def tell_memory(contender: Pixels | Whole) -> dict[str, Any]:
    return {"peak_bytes": read_memory("VmHWM")}


def read_memory(field: str) -> int:
    """Resident bytes of this process: VmRSS (now) or VmHWM (the most so far), proc_pid_status(5).

    Elsewhere than on Linux the most so far stands for both. On Linux `ru_maxrss` would not do: it outlives exec, so
    that a child starts with its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else most * 1024


class _Stopwatch:
    """Classifies photos and says how many seconds each stage of each took."""

    def __init__(self, contender: Pixels | Whole) -> None:
        self._contender = contender
        self._read = photo.read
        self._has_read = 0.0

    def run(self, data: bytes) -> dict[str, float]:
        start = time.perf_counter()
        if isinstance(self._contender, Whole):
            self._contender.classify(data)
            return {TOTAL: time.perf_counter() - start}
        pixels = self._decode(data, self._contender.preprocess)
        decoded = time.perf_counter()
        self._contender.predict(pixels)
        end = time.perf_counter()
        read = self._has_read
        return {DECODE: read - start, PREPROCESS: decoded - read, FORWARD: end - decoded, TOTAL: end - start}

    def _decode(self, data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
        """The bot's own `photo.decode`, which looks at the clock in its middle: no copy of it that could differ."""
        photo.read = self._read_and_look
        try:
            return photo.decode(data, preprocess)
        finally:
            photo.read = self._read

    def _read_and_look(self, data: bytes) -> Image.Image:
        image = self._read(data)
        self._has_read = time.perf_counter()
        return image


def _read_all(files: Sequence[str]) -> list[bytes]:
    return [Path(file).read_bytes() for file in files]
