"""Real proxies, each in a thread of its own: HTTP (absolute addresses and CONNECT) and SOCKS5, with a password."""

from __future__ import annotations

import base64
import socket
import socketserver
import struct
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

USER, PASSWORD = "ada", "p%23ss"
"""As they stand in an address; the password is p#ss."""


class Proxy(socketserver.ThreadingTCPServer):
    """Counts the connections that it has passed on."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, scheme: str) -> None:
        super().__init__(("127.0.0.1", 0), {"http": _Http, "socks5": _Socks}[scheme])
        self.url = f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{self.server_address[1]}"
        self.passed = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no news."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Http(socketserver.StreamRequestHandler):
    rbufsize = 0  # what follows the headers is passed on as it is
    server: Proxy

    def handle(self) -> None:
        method, target, version = self.rfile.readline().decode().split()
        headers = list(iter(self.rfile.readline, b"\r\n"))
        wanted = b"basic " + base64.b64encode(b"ada:p#ss").lower()
        if not any(
            line.lower().split(b": ", 1)[1].strip() == wanted for line in headers if b"authorization" in line.lower()
        ):
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        self.server.passed += 1
        if method == "CONNECT":
            host, _, port = target.partition(":")
            with socket.create_connection((host, int(port))) as far:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                _join(self.connection, far)
            return
        address = urlsplit(target)
        assert address.hostname
        with socket.create_connection((address.hostname, address.port or 80)) as far:
            path = (address.path or "/") + (f"?{address.query}" if address.query else "")
            kept = [line for line in headers if not line.lower().startswith((b"proxy-", b"connection"))]
            far.sendall(f"{method} {path} {version}\r\n".encode() + b"".join(kept) + b"Connection: close\r\n\r\n")
            _join(self.connection, far)


class _Socks(socketserver.StreamRequestHandler):
    rbufsize = 0
    server: Proxy

    def handle(self) -> None:
        _, count = self.rfile.read(2)
        assert 2 in self.rfile.read(count)
        self.wfile.write(b"\x05\x02")  # RFC 1929: user and password
        _, size = self.rfile.read(2)
        user = self.rfile.read(size)
        password = self.rfile.read(self.rfile.read(1)[0])
        is_known = (user, password) == (b"ada", b"p#ss")
        self.wfile.write(b"\x01" + (b"\0" if is_known else b"\1"))
        if not is_known:
            return
        kind = self.rfile.read(4)[3]
        host = socket.inet_ntoa(self.rfile.read(4)) if kind == 1 else self.rfile.read(self.rfile.read(1)[0]).decode()
        (port,) = struct.unpack(">H", self.rfile.read(2))
        self.server.passed += 1
        with socket.create_connection((host, port)) as far:
            self.wfile.write(b"\x05\0\0\x01" + bytes(6))
            _join(self.connection, far)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on, both ways, until one side ends."""
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join(60)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
