"""Programs that are killed and started again."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.paths import ROOT

RESTART_PAUSE = 1.0
"""Least seconds between two starts, so that a program that cannot start is not started all the time."""


class Process:
    """A program that is always there: it is started again when it ends, by itself or killed."""

    def __init__(
        self, command: list[str], environment: dict[str, str], log: Path, serves: Callable[[float], bool]
    ) -> None:
        """`serves` tells if the program is at work, given when it was started (on time.monotonic's clock)."""
        self.ends = 0
        """Times that it ended by itself."""
        self._command = command
        self._environment = environment
        self._log = log
        self._serves = serves
        self._memory = 0
        self._is_up, self._started_at = False, 0.0
        self._process = self._start()

    def tend(self) -> None:
        """Start it again if it has ended."""
        if self._process.poll() is not None and time.monotonic() - self._started_at > RESTART_PAUSE:
            self.ends += 1
            self._process = self._start()

    def is_up(self) -> bool:
        if not self._is_up and self._process.poll() is None:
            self._is_up = self._serves(self._started_at)
        return self._is_up and self._process.poll() is None

    def wait_until_up(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_up():
            assert time.monotonic() < deadline, f"{self._command[0]} is not up after {seconds} s: see {self._log}"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, and start it again."""
        self.end()
        self._process = self._start()

    def limit_files(self, size: int | None) -> None:
        """Have no file of its own grow beyond `size` bytes: 0 is a full disk; None takes that back."""
        _, most = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))

    def end(self) -> None:
        self._memory = self.peak()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def peak(self) -> int:
        """The most memory that it held at any time, in kB."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except FileNotFoundError:
            return self._memory
        lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]  # a zombie has none
        return max(self._memory, *(int(line[1]) for line in lines), 0)

    def _start(self) -> subprocess.Popen[bytes]:
        self._is_up = False
        self._started_at = time.monotonic()
        with self._log.open("a") as log:
            return subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
