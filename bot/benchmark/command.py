"""`python -m bot benchmark`: the rounds, and where the results go."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot.benchmark import machine
from bot.benchmark.engines import NAMELESS, BenchmarkError
from bot.benchmark.matrix import Entry, list_entries
from bot.benchmark.measure import FORWARD, TOTAL
from bot.benchmark.results.compare import check_rows, check_workloads, compare, read_results
from bot.benchmark.results.formats import make_csv, make_markdown
from bot.benchmark.results.page import make_page
from bot.benchmark.results.summary import Sample, score, summarise
from bot.benchmark.results.table import make_table
from bot.benchmark.worker_process import Worker, start
from bot.benchmark.workloads import Labelled, Workload, draw_workloads, read_folder
from bot.inference.names import lies_in, show_path
from bot.inference.onnx_file import holds_any
from bot.settings.settings import Settings
from bot.startup.cgroups import count_cpus
from bot.whole_files import write_whole

THROUGHPUT_SECONDS = 0.4
"""How long many photos at once are classified in a round, for each workload and for the forward pass alone."""
SHOWN_FOLDERS = 10
"""Of folders that are no class of a model."""


def benchmark(options: argparse.Namespace, settings: Settings) -> int:
    """Run the benchmark as `options.add_options` reads it.

    Returns the exit status: 0, or 1 if a row is slower than in the file of `--compare`. Raises BenchmarkError.
    """
    before = read_results(options.compare) if options.compare else None
    models = list(dict.fromkeys(options.model or [settings.model]))
    threads = options.threads or sorted({1, settings.threads})
    further = ("--size", str(options.size), f"--provider={options.provider}")
    entries = list_entries(models, threads, options.batch, options.against, options.learner, further)
    _check_outputs(options, list(dict.fromkeys(entry.file for entry in entries)))
    if before:
        check_rows(before, [entry.title for entry in entries], options.provider)
    with tempfile.TemporaryDirectory() as folder:
        if options.images:
            workload, labelled = read_folder(options.images, options.photos)
            workloads = [workload]
        else:
            workloads, labelled = draw_workloads(Path(folder)), []
        described = [_describe(workload, bool(options.images)) for workload in workloads]
        if before:
            check_workloads(before, [entry.title for entry in entries], described)
        results = _measure(entries, workloads, labelled, options) | {"workloads": described}
    try:
        _write(results, options)  # first, since nobody may be reading what is printed
    finally:
        print(make_table(results))
    if before is None:
        return 0
    lines, is_slower = compare(before, results)
    print("", *lines, sep="\n")
    if is_slower is None:
        raise BenchmarkError("--compare: nothing in both runs is alike enough to be compared.")
    return 1 if is_slower else 0


def _describe(workload: Workload, is_given: bool) -> dict[str, Any]:
    """`is_given`: by --images. Drawn photos are other bytes by another version of Pillow."""
    return {
        "name": workload.name,
        "files": len(workload.files),
        "mean_bytes": workload.mean_bytes,
        "digest": workload.digest if is_given else None,
    }


def _write(results: dict[str, Any], options: argparse.Namespace) -> None:
    makers: tuple[tuple[Path | None, Callable[[dict[str, Any]], str]], ...] = (
        (options.json, lambda results: json.dumps(results, indent=1, ensure_ascii=False) + "\n"),
        (options.csv, make_csv),
        (options.markdown, make_markdown),
        (options.html, make_page),
    )
    failed = []
    for file, make in makers:
        if file:
            content = make(results).encode()  # before the file is opened, which empties one that is there
            try:
                write_whole(file, content)
            except OSError as error:
                failed.append(f"{file} cannot be written: {error.strerror}")
    if failed:
        raise BenchmarkError(". ".join(failed))


def _check_outputs(options: argparse.Namespace, models: Sequence[Path]) -> None:
    """Raises BenchmarkError where a file would be written over what is read, or over another one."""
    taken = {os.path.realpath(file) for file in models}
    for file in filter(None, (options.json, options.csv, options.markdown, options.html)):
        if file.exists() and not file.is_file():
            continue  # such as /dev/null
        if os.path.realpath(file) in taken:
            raise BenchmarkError(f"{file} is named twice, as a file to write and as another one. Name a new file.")
        if options.images and lies_in(file, options.images):
            raise BenchmarkError(f"{file} is in the folder of --images. Name a file elsewhere.")
        if file.exists() and any(holds_any(model, [os.fsencode(file.name)]) for model in models):
            raise BenchmarkError(f"{file} may hold weights of a model, which names such a file. Name a new file.")
        taken.add(os.path.realpath(file))


def _measure(
    entries: Sequence[Entry], workloads: Sequence[Workload], labelled: Sequence[Labelled], options: argparse.Namespace
) -> dict[str, Any]:
    where, concurrency, begun = machine.describe(options.against), math.ceil(count_cpus()), time.perf_counter()
    samples: dict[Entry, list[Sample]] = {entry: [] for entry in entries}
    facts: dict[Entry, dict[str, Any]] = {}
    for number in range(options.rounds):
        for entry in entries if number % 2 == 0 else reversed(entries):
            _tell(f"round {number + 1} of {options.rounds}: {entry.title}")
            try:
                with start(entry.command) as worker:
                    samples[entry].append(_sample(worker, workloads, concurrency, options))
                    if entry not in facts:
                        accuracy = _score(worker, labelled, entry.name)
                        facts[entry] = {"preprocessing": worker.ready["preprocessing"], "accuracy": accuracy}
            except BenchmarkError as error:
                if str(entry.file) in str(error):
                    raise
                raise BenchmarkError(f"{entry.file}: {error}") from error
    _tell("")
    return {
        "machine": where,
        "provider": options.provider,
        "rounds": options.rounds,
        "photos": options.photos,
        "seconds_a_round": options.seconds,
        "concurrency": concurrency,
        "seconds": time.perf_counter() - begun,
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


def _score(worker: Worker, labelled: Sequence[Labelled], name: str) -> dict[str, Any] | None:
    labels = worker.ready["labels"]
    known = [photo for photo in labelled if photo.label in labels]
    others = Counter(photo.label for photo in labelled if photo.label not in labels)
    if others and labels[0] != f"{NAMELESS}0":
        folders = ", ".join(show_path(label) for label in sorted(others)[:SHOWN_FOLDERS])
        _tell("")
        print(f"{name} has no class {folders}: {others.total()} photos are not counted", file=sys.stderr)
    if not known:
        return None
    named = worker.ask(do="name", files=[str(photo.file) for photo in known])["labels"]
    return score([photo.label for photo in known], named)


def _tell(progress: str) -> None:
    """A line that is written over, where standard error is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
