"""On PYTHONPATH, this takes from a process what Linux has and other systems have not.

LABELGRAM_SYSTEM is `macos` or `windows`: no /proc, no affinity, no mallopt; on Windows also no signals in event loops,
no `resource`, no sysconf and no load average. The rest of the system stays this one's.
"""

# mypy: ignore-errors

import asyncio
import ctypes
import io
import os
import pathlib
import sys

HIDDEN = ("/proc/", "/sys/")
SYSTEM = os.environ["LABELGRAM_SYSTEM"]


class Library:
    def __init__(self, name):
        if name is None and SYSTEM == "windows":
            raise TypeError("LoadLibrary() argument 1 must be str, not None")

    def __getattr__(self, name):
        raise AttributeError(f"symbol not found: {name}")


def hide(function, refuse):
    def answer(path, *arguments, **options):
        is_hidden = isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(HIDDEN)
        return refuse(path) if is_hidden else function(path, *arguments, **options)

    return answer


def refuse(path):
    raise FileNotFoundError(2, "No such file or directory", os.fspath(path))


def add_signal_handler(self, number, callback, *arguments):
    raise NotImplementedError


io.open = hide(io.open, refuse)
os.stat = hide(os.stat, refuse)
pathlib.Path.is_file = hide(pathlib.Path.is_file, lambda path: False)
pathlib.Path.is_dir = hide(pathlib.Path.is_dir, lambda path: False)
ctypes.CDLL = Library
del os.sched_getaffinity
os.process_cpu_count = os.cpu_count  # from Python 3.13 on, by way of the affinity where there is one
if SYSTEM == "windows":
    asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler = add_signal_handler  # noqa: SLF001
    sys.modules["resource"] = None
    del os.sysconf, os.getloadavg, os.O_NONBLOCK
