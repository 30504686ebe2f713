"""Commands of training and export, each in a process of its own, forked from one that has imported PyTorch.

PyTorch and fastai take longer to import than most commands take on small data, and there are dozens. So the standard
library's fork server imports them once; what a command imports of the repository, it imports itself.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import ROOT

HEAVY = ["fastai.vision.all", "matplotlib.pyplot", "onnxscript", "skimage.color", "sklearn.model_selection"]
"""Not onnxruntime: it starts threads as it is imported, and they do not come along."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(HEAVY)


class Command:
    """`python -m COMMAND...`, started in the repository."""

    def __init__(self, *command: str, **environment: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._files = out, errors = Path(self._folder.name, "out"), Path(self._folder.name, "errors")
        out.touch()
        self._process = CONTEXT.Process(target=_become, args=(command, os.environ | environment, out, errors))
        self._process.start()

    def read_until(self, text: str, after: int = 0, seconds: float = 120) -> int:
        """Wait until it prints a text behind the first `after` characters; returns where that text ends."""
        deadline = time.monotonic() + seconds
        while (at := self._files[0].read_text(errors="replace").find(text, after)) < 0:
            assert time.monotonic() < deadline, self._files[0].read_text(errors="replace")
            assert self._process.is_alive(), self._files[1].read_text()
            time.sleep(0.01)
        return at + len(text)

    def interrupt_at(self, text: str, seconds: float = 900, after: int = 0) -> subprocess.CompletedProcess[str]:
        """Ctrl-C as soon as it prints a text behind the first `after` characters, and the end of it."""
        self.read_until(text, after)
        assert self._process.pid
        os.kill(self._process.pid, signal.SIGINT)
        return self.wait(seconds)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, seconds: float = 900) -> subprocess.CompletedProcess[str]:
        """The end of it; a machine may be busy."""
        self._process.join(seconds)
        ended = self._process.exitcode
        if ended is None:
            self._process.kill()
            self._process.join()
        out, errors = (file.read_text() for file in self._files)
        assert ended is not None, f"it did not end: {out}\n{errors}"
        self._folder.cleanup()
        return subprocess.CompletedProcess((), ended, out, errors)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m COMMAND...` in the repository to its end."""
    return Command(*command, **environment).wait()


def _become(command: Sequence[str], environment: dict[str, str], out: Path, errors: Path) -> None:
    """Do in this process what `python -u -W ignore -m COMMAND...` does in a new one."""
    for file, number in ((out, 1), (errors, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [str(ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = list(command)
    warnings.simplefilter("ignore")
    multiprocessing.set_start_method(None, force=True)  # the usual one again, for PyTorch's loaders
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
