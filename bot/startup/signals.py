"""What ends the process in order: Ctrl-C, and the SIGTERM that hosts send."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable


def call_at_end(callback: Callable[[], None]) -> None:
    """Have SIGINT and SIGTERM call `callback` in the running event loop, in place of ending the process."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, callback)
        except NotImplementedError:  # Windows' loops have none
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback))


def end_after(seconds: float) -> None:
    """End the process then, whatever it still waits for: a net, a state that does not answer. A kill loses nothing."""
    timer = threading.Timer(seconds, os._exit, [0])
    timer.daemon = True
    timer.start()
