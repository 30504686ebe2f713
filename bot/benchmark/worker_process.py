"""The other end of a worker's process: starts it, asks, and sees to it that it is gone."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from bot.benchmark.engines import BenchmarkError


class Worker:
    """A worker that is ready to be asked. Made by `start`."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[bytes], start: float) -> None:
        self._process = process
        self._errors = errors
        self.ready = self._receive() | {"start_seconds": time.perf_counter() - start}
        """What it said when the model was loaded, and how long that took from nothing."""

    def ask(self, **request: Any) -> dict[str, Any]:
        """What it answers to a request of `bot.benchmark.worker`. Raises BenchmarkError if it has ended."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended; why is told where its answer is missed
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"the process that ran the model ended early: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(answer["error"])
        return answer

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), f"exit status {status}")


@contextmanager
def start(command: Sequence[str]) -> Iterator[Worker]:
    """Run a worker for as long as the block lasts. Raises BenchmarkError with what it says is wrong.

    Where even the kill at the end is missed, as by a kill -9 of this process, it sees that its parent is gone.
    """
    now, pipe = time.perf_counter(), subprocess.PIPE
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, encoding="utf-8") as process,
    ):
        try:
            yield Worker(process, errors, now)
        finally:
            process.kill()
