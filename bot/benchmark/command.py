"""`python -m bot benchmark`: the rounds, and where the results go."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot.benchmark import machine
from bot.benchmark.engines import BenchmarkError
from bot.benchmark.matrix import Entry, list_entries
from bot.benchmark.measure import FORWARD, TOTAL
from bot.benchmark.results.compare import compare, read_results
from bot.benchmark.results.formats import make_csv, make_markdown
from bot.benchmark.results.page import make_page
from bot.benchmark.results.summary import Sample, score, summarise
from bot.benchmark.results.table import make_table
from bot.benchmark.worker_process import Worker, start
from bot.benchmark.workloads import Labelled, Workload, draw_workloads, read_folder
from bot.settings import Settings
from bot.startup.cgroups import count_cpus

THROUGHPUT_SECONDS = 0.4
"""How long many photos at once are classified in a round, for each workload and for the forward pass alone."""


def benchmark(options: argparse.Namespace, settings: Settings) -> int:
    """Run the benchmark as `options.add_options` reads it.

    Returns the exit status: 0, or 1 if a row is slower than in the file of `--compare`. Raises BenchmarkError.
    """
    before = read_results(options.compare) if options.compare else None
    models = list(dict.fromkeys(options.model or [settings.model]))
    threads = options.threads or sorted({1, settings.threads})
    further = ("--size", str(options.size), "--provider", options.provider)
    entries = list_entries(models, threads, options.batch, options.against, options.learner, further)
    with tempfile.TemporaryDirectory() as folder:
        if options.images:
            workload, labelled = read_folder(options.images, options.photos)
            workloads = [workload]
        else:
            workloads, labelled = draw_workloads(Path(folder)), []
        results = _measure(entries, workloads, labelled, options)
    print(make_table(results))
    _write(results, options)
    if before is None:
        return 0
    lines, is_slower = compare(before, results)
    print("", *lines, sep="\n")
    return 1 if is_slower else 0


def _write(results: dict[str, Any], options: argparse.Namespace) -> None:
    makers: tuple[tuple[Path | None, Callable[[dict[str, Any]], str]], ...] = (
        (options.json, lambda results: json.dumps(results, indent=1, ensure_ascii=False) + "\n"),
        (options.csv, make_csv),
        (options.markdown, make_markdown),
        (options.html, make_page),
    )
    for file, make in makers:
        if file:
            content = make(results).encode()  # before the file is opened, which empties one that is there
            try:
                file.write_bytes(content)
            except OSError as error:
                raise BenchmarkError(f"{file} cannot be written: {error.strerror}") from error


def _measure(
    entries: Sequence[Entry], workloads: Sequence[Workload], labelled: Sequence[Labelled], options: argparse.Namespace
) -> dict[str, Any]:
    where, concurrency, begun = machine.describe(options.against), math.ceil(count_cpus()), time.perf_counter()
    samples: dict[Entry, list[Sample]] = {entry: [] for entry in entries}
    facts: dict[Entry, dict[str, Any]] = {}
    for number in range(options.rounds):
        for entry in entries if number % 2 == 0 else reversed(entries):
            _tell(f"round {number + 1} of {options.rounds}: {entry.title}")
            with start(entry.command) as worker:
                samples[entry].append(_sample(worker, workloads, concurrency, options))
                if entry not in facts:
                    accuracy = _score(worker, labelled)
                    facts[entry] = {"preprocessing": worker.ready["preprocessing"], "accuracy": accuracy}
    _tell("")
    return {
        "machine": where,
        "provider": options.provider,
        "rounds": options.rounds,
        "photos": options.photos,
        "seconds_a_round": options.seconds,
        "concurrency": concurrency,
        "seconds": time.perf_counter() - begun,
        "workloads": [
            {"name": workload.name, "files": len(workload.files), "mean_bytes": workload.mean_bytes}
            for workload in workloads
        ],
        "rows": summarise(samples, facts),
    }


def _sample(worker: Worker, workloads: Sequence[Workload], concurrency: int, options: argparse.Namespace) -> Sample:
    """One round of one row."""
    files = {workload.name: [str(file) for file in workload.files] for workload in workloads}
    all_files = [file for some in files.values() for file in some]
    first = worker.ask(do="time", files=all_files[:1], count=1, warm=0)["seconds"][TOTAL][0]
    how_long = {"count": options.photos, "warm": options.warmup, "seconds": options.seconds}
    times = {name: worker.ask(do="time", files=some, **how_long) for name, some in files.items()}
    seconds = options.seconds or THROUGHPUT_SECONDS

    def measure(stage: str, some: Sequence[str]) -> dict[str, Any]:
        return worker.ask(do="throughput", stage=stage, files=some, seconds=seconds, threads=concurrency)

    loads = {name: measure(TOTAL, some) for name, some in files.items()}
    return Sample(
        start_seconds=worker.ready["start_seconds"],
        load_seconds=worker.ready["load_seconds"],
        first_photo_seconds=first,
        ready_bytes=worker.ready["ready_bytes"],
        seconds={name: time_["seconds"] for name, time_ in times.items()},
        cpu_seconds={name: time_["cpu_seconds"] for name, time_ in times.items()},
        photos_per_second={name: load["per_second"] for name, load in loads.items()},
        joules={name: load["joules"] for name, load in loads.items()},
        forward_per_second=measure(FORWARD, all_files)["per_second"],
        peak_bytes=worker.ask(do="memory")["peak_bytes"],
    )


def _score(worker: Worker, labelled: Sequence[Labelled]) -> dict[str, Any] | None:
    known = [photo for photo in labelled if photo.label in worker.ready["labels"]]
    if not known:
        return None
    named = worker.ask(do="name", files=[str(photo.file) for photo in known])["labels"]
    return score([photo.label for photo in known], named)


def _tell(progress: str) -> None:
    """A line that is written over, where standard error is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
