"""What a worker's process measures of itself."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bot.benchmark.engines import Classifier, PhotoClassifier, PixelClassifier
from bot.benchmark.resources import measure_energy, read_memory
from bot.inference.decoding import PhotoError, read
from bot.inference.photo_files import read_photo

DECODE, PREPROCESS, FORWARD, TOTAL = "decode", "preprocess", "forward", "total"
STAGES = (DECODE, PREPROCESS, FORWARD, TOTAL)
"""A photo's bytes to its pixels; these to the model's input; that to a label; all three."""


def time_photos(
    classifier: Classifier, files: list[str], count: int, warm: int, seconds: float | None = None
) -> dict[str, Any]:
    """Seconds of each stage of `count` batches, one after the other, after `warm` that do not count.

    With `seconds`, as many batches as fit into that time, and at least one. Times are those of one photo: a batch's
    share. `cpu_seconds` are a photo's, of all threads. Files are read before, and taken in turn.
    """
    photos = itertools.cycle(_read_all(files))
    for _ in range(warm):
        _time_batch(classifier, photos)
    cpu, start = time.process_time(), time.perf_counter()
    laps: list[dict[str, float]] = []
    while time.perf_counter() - start < seconds if seconds and laps else len(laps) < (1 if seconds else count):
        laps.append(_time_batch(classifier, photos))
    cpu_seconds = (time.process_time() - cpu) / len(laps) / classifier.batch
    return {"seconds": {stage: [lap[stage] for lap in laps] for stage in laps[0]}, "cpu_seconds": cpu_seconds}


def measure_throughput(
    classifier: Classifier, stage: str, files: list[str], seconds: float, threads: int
) -> dict[str, Any]:
    """Photos a second with `threads` threads that each run batches, of TOTAL or of FORWARD alone; joules a photo.

    A PhotoClassifier has one thread, and of FORWARD None. Joules are None where the processor does not tell them.
    """
    photos = _read_all(files)
    batch = classifier.batch
    if isinstance(classifier, PhotoClassifier):
        if stage == FORWARD:
            return {"per_second": None, "joules": None}
        threads = 1
        work: list[Callable[[], object]] = [partial(classifier.classify, data) for data in photos]
    elif stage == FORWARD:
        first = itertools.islice(itertools.cycle(photos), batch)
        pixels = np.stack([classifier.preprocess(read(data)) for data in first])
        work = [partial(classifier.name, pixels)]  # no photo takes longer than another
    else:
        turns = itertools.cycle(photos)
        batches = [[next(turns) for _ in range(batch)] for _ in photos]
        work = [partial(_name_batch, classifier, some) for some in batches]
    together = threading.Barrier(threads)

    def run(_: int) -> tuple[int, float]:
        turns = itertools.cycle(work)
        try:
            next(turns)()
        except BaseException:
            together.abort()  # the others would wait for ever
            raise
        together.wait()
        start, done = time.perf_counter(), 0
        while True:
            next(turns)()
            done, now = done + batch, time.perf_counter()
            if now >= start + seconds:
                return done, now - start

    with ThreadPoolExecutor(threads) as pool, measure_energy() as energy:
        try:
            running = [pool.submit(run, number) for number in range(threads)]
        except BaseException:  # a container that has no thread left
            together.abort()
            raise
    if errors := [error for one in running if (error := one.exception())]:
        raise min(errors, key=_is_broken)  # not of those that waited for it
    counts = [one.result() for one in running]
    joules = energy()
    photos_run = sum(done for done, _ in counts) + threads * batch
    return {
        "per_second": sum(done / taken for done, taken in counts),
        "joules": None if joules is None else joules / photos_run,
    }


def name_photos(classifier: Classifier, files: list[str]) -> dict[str, Any]:
    """The labels of photos, None where one cannot be read."""

    def name(file: str) -> str | None:
        try:
            return classifier.classify(read_photo(Path(file)))
        except (PhotoError, OSError):
            return None

    return {"labels": [name(file) for file in files]}


def tell_memory(classifier: Classifier) -> dict[str, Any]:
    return {"peak_bytes": read_memory("VmHWM")}


def _time_batch(classifier: Classifier, photos: Iterator[bytes]) -> dict[str, float]:
    """Seconds of a photo in each stage: a batch's, divided by its size."""
    data = list(itertools.islice(photos, classifier.batch))
    start = time.perf_counter()
    if isinstance(classifier, PhotoClassifier):
        classifier.classify(data[0])
        return {TOTAL: time.perf_counter() - start}
    decoding, rows = 0.0, []
    for some in data:  # one by one: a batch of decoded photos may not fit into memory
        before = time.perf_counter()
        image = read(some)
        decoding += time.perf_counter() - before
        rows.append(classifier.preprocess(image))
    pixels = np.stack(rows)
    ready = time.perf_counter()
    classifier.name(pixels)
    end = time.perf_counter()
    spans = {DECODE: decoding, PREPROCESS: ready - start - decoding, FORWARD: end - ready, TOTAL: end - start}
    return {stage: span / classifier.batch for stage, span in spans.items()}


def _name_batch(classifier: PixelClassifier, data: Sequence[bytes]) -> None:
    classifier.name(np.stack([classifier.preprocess(read(some)) for some in data]))


def _is_broken(error: BaseException) -> bool:
    return isinstance(error, threading.BrokenBarrierError)


def _read_all(files: Sequence[str]) -> list[bytes]:
    return [read_photo(Path(file)) for file in files]
