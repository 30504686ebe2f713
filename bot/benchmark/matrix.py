"""Who competes: every model and rival, on every number of threads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.benchmark.measure import BenchmarkError


@dataclass(frozen=True)
class Entry:
    """One row of the results."""

    engine: str
    file: Path
    name: str
    """The file's, short."""
    threads: int
    command: tuple[str, ...]
    """Starts its process."""

    @property
    def title(self) -> str:
        engine = "" if self.engine == "onnxruntime" else f"{self.engine}, "
        return f"{engine}{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def list_entries(
    models: Sequence[Path], threads: Sequence[int], rivals: Sequence[str], learner: Path | None
) -> list[Entry]:
    """The models in the bot's engine first, the first of them the one that others are compared to.

    Raises BenchmarkError for a rival that has nothing to run.
    """
    if learner is None and (without := [rival for rival in rivals if rival != "openvino"]):
        raise BenchmarkError(f"--against {','.join(without)} needs --learner artifacts/NAME.pkl, of `make train`.")
    sources = [("onnxruntime", model) for model in models]
    for rival in rivals:
        sources += [(rival, file) for file in (models if rival == "openvino" else [learner]) if file]
    names = [file.name for file in dict.fromkeys(file for _, file in sources)]
    return [
        Entry(
            engine,
            file,
            file.name if names.count(file.name) == 1 else str(file),
            count,
            (sys.executable, "-m", *_module(engine), str(file), "--threads", str(count)),
        )
        for engine, file in sources
        for count in threads
    ]


def _module(engine: str) -> tuple[str, ...]:
    return ("bot.benchmark.worker",) if engine == "onnxruntime" else ("export.baseline_engines", engine)
