"""A contender's own process: `python -m bot.benchmark.worker MODEL --threads N` runs a file as the bot does.

It speaks JSON, one object a line. First it says `{"labels", "load_seconds", "ready_bytes"}`, or `{"error"}` and ends
with exit status 2. Then it answers what it is asked on standard input until that ends; `do` is one of WORK:

    {"do": "time", "files", "count", "warm"}                  -> {"seconds": {stage: [of each photo]}, "cpu_seconds"}
    {"do": "rush", "stage", "files", "seconds", "workers"}    -> {"per_second"}
    {"do": "name", "files"}                                   -> {"labels"}
    {"do": "memory"}                                          -> {"peak_bytes"}
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.benchmark import measure
from bot.benchmark.measure import BenchmarkError, Pixels, Whole
from bot.inference.contract import ModelError

Load = Callable[[], Pixels | Whole]
WORK: dict[str, Callable[..., dict[str, Any]]] = {
    "time": measure.time_photos,
    "rush": measure.rush,
    "name": measure.name_photos,
    "memory": measure.tell_memory,
}


def serve(prepare: Callable[[], Load]) -> int:
    """Be a contender: `prepare` imports what is needed, and what it returns loads the model, which is timed.

    Returns the exit status. ModelError and BenchmarkError of both are told to who started this process.
    """
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print, too

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=lines, flush=True)

    try:
        load = prepare()
        start = time.perf_counter()
        contender = load()
        seconds = time.perf_counter() - start
    except (ModelError, BenchmarkError) as error:
        say({"error": str(error)})
        return 2
    say({"labels": contender.labels, "load_seconds": seconds, "ready_bytes": measure.read_memory("VmRSS")})
    for line in sys.stdin:
        request = json.loads(line)
        say(WORK[request.pop("do")](contender, **request))
    return 0


def prepare_onnxruntime(model: Path, threads: int) -> Load:
    from bot.inference.classifier import Classifier  # here, so that other engines' processes do without onnxruntime

    def load() -> Pixels:
        classifier = Classifier(model, threads)
        contract = classifier.contract
        return Pixels(contract.labels, contract.preprocess, lambda pixels: classifier.predict(pixels).label)

    return load


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bot.benchmark.worker")
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    return serve(lambda: prepare_onnxruntime(options.model, options.threads))


if __name__ == "__main__":
    sys.exit(main())
