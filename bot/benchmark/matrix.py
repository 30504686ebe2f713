"""The rows of the results: every model and baseline, on every number of threads and size of batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bot.benchmark.engines import BenchmarkError
from bot.inference.names import show_path

ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True)
class Entry:
    """One row of the results."""

    engine: str
    file: Path
    name: str
    """The file's, short."""
    threads: int
    batch: int
    command: tuple[str, ...]
    """Starts its process."""

    @property
    def title(self) -> str:
        engine = "" if self.engine == ONNXRUNTIME else f"{self.engine}, "
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        return f"{engine}{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}{batch}"


def list_entries(  # noqa: PLR0913, PLR0917  # an axis of the matrix each
    models: Sequence[Path],
    threads: Sequence[int],
    batches: Sequence[int],
    baselines: Sequence[str],
    learner: Path | None,
    options: Sequence[str],
) -> list[Entry]:
    """The models in the bot's engine first; others are compared to the first of them. Baselines take no batches.

    `options` are further ones of `bot.benchmark.worker`. Raises BenchmarkError for a baseline without a file to run.
    """
    if learner is None and (without := [baseline for baseline in baselines if baseline != "openvino"]):
        raise BenchmarkError(f"--against {','.join(without)} needs --learner artifacts/NAME.pkl, of `make train`.")
    sources = [(ONNXRUNTIME, model) for model in models]
    for baseline in baselines:
        sources += [(baseline, file) for file in (models if baseline == "openvino" else [learner]) if file]
    names = [file.name for file in dict.fromkeys(file for _, file in sources)]
    entries = []
    for (engine, file), count, batch in product(sources, threads, batches):
        name = show_path(file.name if names.count(file.name) == 1 else file)
        python = (sys.executable, "-m")
        if engine == ONNXRUNTIME:
            settings = ("--threads", str(count), "--batch", str(batch), *options)
            command = (*python, "bot.benchmark.worker", *settings, "--", str(file))
            entries.append(Entry(engine, file, name, count, batch, command))
        elif batch == batches[0]:
            command = (*python, "export.baseline_engines", "--threads", str(count), engine, "--", str(file))
            entries.append(Entry(engine, file, name, count, 1, command))
    return entries
