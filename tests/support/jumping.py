"""The hasty bot, whose clock is ahead by the seconds that the file CLOCK_AHEAD holds, and jumps when these change."""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

read_clock = time.time


def read_jumping_clock() -> float:
    return read_clock() + float(Path(os.environ["CLOCK_AHEAD"]).read_text())


if __name__ == "__main__":
    time.time = read_jumping_clock
    runpy.run_module("tests.support.hasty", run_name="__main__")
