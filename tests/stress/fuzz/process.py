"""The decoder's process, from outside."""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.bot_process import BOT_PYTHON
from tests.support.paths import ROOT

MAX_SECONDS = 2.0
"""Of computing, for one photo."""
MAX_WAIT = 300.0
"""Seconds without an answer: a busy machine may let the process compute little; in a deadlock it computes nothing."""


@dataclass(frozen=True)
class Answer:
    """What became of one photo."""

    outcome: str
    """`red`, `green` or `blue` of a photo that was decoded; a `decoding.Reason`; `wrong`, `crash` or `hang`."""
    error: str = ""
    seconds: float = 0.0
    """Of computing."""
    rss: float = 0.0
    """Memory of the process after the photo, in megabytes."""
    peak: float = 0.0
    """Most memory since the process was started, in megabytes."""


class Decoder:
    """A process of decoder.py beside this file, or what `arguments` say; a new one follows a crash or a hang."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments or ("-m", "tests.stress.fuzz.decoder")
        self._process = self._start()

    def __call__(self, data: bytes) -> Answer:
        """Have one photo's bytes decoded, and wait for what becomes of them."""
        process = self._process
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):
            process.stdin.write(struct.pack(">I", len(data)) + data)
            process.stdin.flush()
        asked, computed = time.monotonic(), _computed(process.pid)
        while not select.select([process.stdout], [], [], 0.2)[0]:
            if _computed(process.pid) - computed > MAX_SECONDS or time.monotonic() - asked > MAX_WAIT:
                process.kill()
                self._restart()
                return Answer("hang", seconds=time.monotonic() - asked)
        line = process.stdout.readline()
        if not line:
            return Answer("crash", f"ended with {self._restart()}")
        answer = Answer(**json.loads(line))
        return answer if answer.seconds <= MAX_SECONDS else Answer("hang", seconds=answer.seconds)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)

    def _restart(self) -> int:
        status = self._process.wait(60)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            with suppress(BrokenPipeError):
                pipe.close()
        self._process = self._start()
        return status

    def _start(self) -> subprocess.Popen[bytes]:
        # Warnings as on a server, not as in tests, where they would end as errors what is to be reached behind them.
        command = [BOT_PYTHON, "-W", "ignore", *self._arguments]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _computed(process: int) -> float:
    """Seconds that a process has computed so far, from Linux' account of it; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
