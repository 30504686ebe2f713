"""The bot's process as the kernel sees it (man 5 proc): Linux alone."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.paths import ROOT
from tests.support.telegram import TOKEN, Telegram

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    folder: Path
    """/proc/PID."""
    started: float
    """On time.monotonic's clock."""

    @property
    def rss(self) -> int:
        """Resident bytes: its own, and those that it may share with other processes."""
        return self._bytes("status", "VmRSS")

    @property
    def pss(self) -> int:
        """Resident bytes, of shared ones its part."""
        return self._bytes("smaps_rollup", "Pss")

    @property
    def cpu(self) -> float:
        """Seconds of a processor so far, in steps of 1 / TICKS."""
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _bytes(self, file: str, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (self.folder / file).read_text(), re.MULTILINE)
        assert found, f"{self.folder / file} has no {name}"
        return int(found[1]) * 1024


@contextmanager
def run_bot(telegram: Telegram, module: str = "bot", **variables: str) -> Iterator[Process]:
    """The bot as it is deployed, with the shipped model and its bytecode kept; ended by SIGTERM."""
    with tempfile.TemporaryDirectory() as state:
        own = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "STATE_DIR": state, "LOG_LEVEL": "WARNING"}
        variables = environment(**own | variables)
        for name in ("PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE"):
            variables.pop(name, None)
        started = time.monotonic()
        process = subprocess.Popen([BOT_PYTHON, "-OO", "-m", module], cwd=ROOT, env=variables)
        try:
            yield Process(Path(f"/proc/{process.pid}"), started)
        finally:
            process.terminate()
            process.wait(30)
