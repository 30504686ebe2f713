"""`python -m bot benchmark`: the rounds, and where the results go."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.benchmark import machine
from bot.benchmark.matrix import Entry, list_entries
from bot.benchmark.measure import FORWARD, TOTAL, BenchmarkError
from bot.benchmark.page import make_page
from bot.benchmark.photos import Kind, Labelled, draw_kinds, read_folder
from bot.benchmark.process import Process, start
from bot.benchmark.summary import Sample, score, summarise
from bot.benchmark.table import make_table
from bot.settings import Settings
from bot.startup.cgroups import count_cpus

WARM = 3
"""Photos of each kind that are not timed in a round, after the very first one, which is a figure of its own."""
RUSH_SECONDS = 0.4
"""How long many photos at once are classified in a round, for each kind and for the forward pass alone."""


def benchmark(options: argparse.Namespace, settings: Settings) -> int:
    """Run the benchmark as `options.add_options` reads it; returns the exit status: 0, or 2 with the reason told."""
    models = options.model or [settings.model]
    threads = options.threads or sorted({1, settings.threads})
    try:
        entries = list_entries(list(dict.fromkeys(models)), threads, options.against, options.learner)
        with tempfile.TemporaryDirectory() as folder:
            if options.images:
                kind, labelled = read_folder(options.images, options.photos)
                kinds = [kind]
            else:
                kinds, labelled = draw_kinds(Path(folder)), []
            results = _compete(entries, kinds, labelled, options)
    except BenchmarkError as error:
        print(f"bot: {error}", file=sys.stderr)
        return 2
    print(make_table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(make_page(results), encoding="utf-8")
    return 0


def _compete(
    entries: Sequence[Entry], kinds: Sequence[Kind], labelled: Sequence[Labelled], options: argparse.Namespace
) -> dict[str, Any]:
    where, workers, begun = machine.describe(options.against), math.ceil(count_cpus()), time.perf_counter()
    samples: dict[Entry, list[Sample]] = {entry: [] for entry in entries}
    scores: dict[tuple[str, Path], dict[str, Any] | None] = {}
    for number in range(options.rounds):
        for entry in entries if number % 2 == 0 else reversed(entries):
            _tell(f"round {number + 1} of {options.rounds}: {entry.title}")
            with start(entry.command) as contender:
                samples[entry].append(_sample(contender, kinds, options.photos, workers))
                if (entry.engine, entry.file) not in scores:  # the answers do not hang on the threads
                    scores[entry.engine, entry.file] = _score(contender, labelled)
    _tell("")
    return {
        "machine": where,
        "rounds": options.rounds,
        "photos": options.photos,
        "workers": workers,
        "seconds": time.perf_counter() - begun,
        "kinds": [{"name": kind.name, "files": len(kind.files), "mean_bytes": kind.mean_bytes} for kind in kinds],
        "rows": summarise(samples, scores),
    }


def _sample(contender: Process, kinds: Sequence[Kind], photos: int, workers: int) -> Sample:
    """One round of one contender."""
    files = {kind.name: [str(file) for file in kind.files] for kind in kinds}
    all_files = [file for some in files.values() for file in some]
    first = contender.ask(do="time", files=all_files[:1], count=1, warm=0)["seconds"][TOTAL][0]
    times = {name: contender.ask(do="time", files=some, count=photos, warm=WARM) for name, some in files.items()}
    loads = {name: _rush(contender, TOTAL, some, workers) for name, some in files.items()}
    return Sample(
        start_seconds=contender.ready["start_seconds"],
        load_seconds=contender.ready["load_seconds"],
        first_photo_seconds=first,
        ready_bytes=contender.ready["ready_bytes"],
        seconds={name: found["seconds"] for name, found in times.items()},
        cpu_seconds={name: found["cpu_seconds"] / photos for name, found in times.items()},
        photos_per_second=loads,
        forward_per_second=_rush(contender, FORWARD, all_files, workers),
        peak_bytes=contender.ask(do="memory")["peak_bytes"],
    )


def _rush(contender: Process, stage: str, files: Sequence[str], workers: int) -> Any:
    return contender.ask(do="rush", stage=stage, files=files, seconds=RUSH_SECONDS, workers=workers)["per_second"]


def _score(contender: Process, labelled: Sequence[Labelled]) -> dict[str, Any] | None:
    known = [one for one in labelled if one.label in contender.ready["labels"]]
    if not known:
        return None
    named = contender.ask(do="name", files=[str(one.file) for one in known])["labels"]
    return score([one.label for one in known], named)


def _tell(progress: str) -> None:
    """A line that is written over, for who watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)
