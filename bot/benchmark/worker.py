"""A worker's own process: `python -m bot.benchmark.worker MODEL --threads N` runs a file as the bot does.

It speaks JSON, one object a line. First it says `{"labels", "preprocessing", "load_seconds", "ready_bytes"}`, or
`{"error"}` and ends with exit status 2. Then it answers requests on standard input until that ends, also by
`{"error"}`; `do` is of WORK:

    {"do": "time", "files", "count", "warm", "seconds"}           -> {"seconds": {stage: [a photo's]}, "cpu_seconds"}
    {"do": "throughput", "stage", "files", "seconds", "threads"}  -> {"per_second", "joules"}
    {"do": "name", "files"}                                       -> {"labels"}
    {"do": "memory"}                                              -> {"peak_bytes"}
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.benchmark import measure
from bot.benchmark.engines import CPU, Classifier, PixelClassifier
from bot.benchmark.resources import read_memory
from bot.errors import LabelgramError, describe_error, describe_os_error

Load = Callable[[], Classifier]
PAUSE = 1.0
"""Seconds between two looks at who started this process."""
WORK: dict[str, Callable[..., dict[str, Any]]] = {
    "time": measure.time_photos,
    "throughput": measure.measure_throughput,
    "name": measure.name_photos,
    "memory": measure.tell_memory,
}


def serve(prepare: Callable[[], Load]) -> int:
    """Be a worker: `prepare` imports what is needed, and what it returns loads the model, which is timed.

    Returns the exit status. A LabelgramError of either is told to the process that started this one.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print, too

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=lines, flush=True)

    try:
        load = prepare()
        start = time.perf_counter()
        classifier = load()
        seconds = time.perf_counter() - start
    except LabelgramError as error:
        say({"error": str(error)})
        return 2
    facts = {"labels": classifier.labels, "preprocessing": classifier.preprocessing}
    say({**facts, "load_seconds": seconds, "ready_bytes": read_memory("VmRSS")})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            say(WORK[request.pop("do")](classifier, **request))
        except LabelgramError as error:
            say({"error": str(error)})
        except OSError as error:
            say({"error": describe_os_error(error)})
        except Exception as error:  # a graph may run one photo and fail on the next; engines share no base class
            say({"error": f"it failed while it was measured: {describe_error(error)}"})
    return 0


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone: by a kill -9 it cannot end its workers."""
    while os.getppid() == parent:
        time.sleep(PAUSE)
    os._exit(1)


def prepare_onnxruntime(model: Path, threads: int, batch: int, size: int, provider: str) -> Load:
    """A file of the contract runs by the bot's own code; another one, or another provider, by what its graph says."""
    from bot.benchmark.onnx_graph import follows_contract, open_graph  # other engines' processes need no onnxruntime

    if provider == CPU and follows_contract(model):
        return lambda: _open_contract(model, threads, batch)
    return lambda: open_graph(model, threads, batch, size, provider)


def _open_contract(model: Path, threads: int, batch: int) -> PixelClassifier:
    from bot.benchmark.onnx_graph import check_batch
    from bot.inference.classifier import Classifier
    from bot.inference.contract import SIZE
    from bot.inference.decoding import fit

    check_batch(model, batch * 3 * SIZE * SIZE)
    classifier = Classifier(model, threads)
    labels, preprocess = classifier.contract.labels, classifier.contract.preprocess

    def name(rows: Any) -> list[int]:
        if len(rows) == 1:
            return [labels.index(classifier.predict(rows[0]).label)]
        return [int(best) for best in classifier.probabilities(rows).argmax(axis=1)]

    stated = f"by the file's contract: {preprocess.to_json()}"
    return PixelClassifier(labels, lambda image: fit(image, preprocess), name, stated, batch)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bot.benchmark.worker")
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--provider", default=CPU)
    options = parser.parse_args()
    settings = (options.model, options.threads, options.batch, options.size, options.provider)
    return serve(lambda: prepare_onnxruntime(*settings))


if __name__ == "__main__":
    sys.exit(main())
