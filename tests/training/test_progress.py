"""Progress on a terminal and elsewhere: a real terminal pair, a real pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.support.paths import ROOT

COMMAND = [sys.executable, "-c", "from training.progress import follow; print('done:', *follow('abc', 3))"]


def test_a_terminal_shows_a_bar() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(COMMAND, cwd=ROOT, stdout=theirs)
    process.wait(120)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "100.00% [3/3" in shown
    assert "done: a b c" in shown


def test_a_pipe_shows_none() -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "done: a b c\n"
