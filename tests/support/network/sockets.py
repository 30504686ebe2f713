"""Ports to listen on, and servers that listen."""

from __future__ import annotations

import socket
import time
from pathlib import Path


def find_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(address: int | Path) -> bool:
    """Whether a server accepts connections at a port of 127.0.0.1, or at the path of a Unix socket."""
    is_port = isinstance(address, int)
    with socket.socket(socket.AF_INET if is_port else socket.AF_UNIX) as client:
        return client.connect_ex(("127.0.0.1", address) if is_port else str(address)) == 0


def wait_for_server(address: int | Path, seconds: float = 30) -> None:
    """Wait until a server accepts connections. A Unix socket's file is there before that."""
    deadline = time.monotonic() + seconds
    while not accepts(address):
        assert time.monotonic() < deadline, f"no server accepts connections at {address}"
        time.sleep(0.02)
