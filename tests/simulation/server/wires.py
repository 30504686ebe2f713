"""Connections without a network: the real HTTP client and server of the bot, and raw bytes in between."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tests.simulation.loop import VirtualLoop

Protocol = Any
"""What aiohttp's client or server makes for a connection: an asyncio.Protocol."""


@dataclass(frozen=True)
class Request:
    """An HTTP request that the bot has sent."""

    path: str
    fields: dict[str, str]


class _Wire(asyncio.Transport, ABC):
    """The bot's end of a connection."""

    def __init__(self, loop: VirtualLoop, protocol: Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self._loop = loop
        self._protocol = protocol
        self._closing = False
        loop.call_soon(protocol.connection_made, self)

    def feed(self, data: bytes) -> None:
        """Bytes come in."""
        self._loop.call_soon(self._hand_over, data)

    def cut(self, error: Exception | None = None) -> None:
        """The other end is gone."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, error)

    def _hand_over(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def write(self, data: Any) -> None:
        if not self._closing:
            self.take(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Bytes go out."""

    def close(self) -> None:
        self.cut()

    def abort(self) -> None:
        self.cut()

    @property
    def is_dead(self) -> bool:
        """The process that had it is dead."""
        return self._loop.is_dead

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Protocol:
        return self._protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Photos are small: what has come is taken all the same."""

    def resume_reading(self) -> None:
        """See pause_reading."""


class ClientWire(_Wire):
    """From the bot's HTTP client to a server: `serve` is called with each complete request."""

    def __init__(self, loop: VirtualLoop, protocol: Protocol, serve: Callable[[ClientWire, Request], None]) -> None:
        super().__init__(loop, protocol)
        self._serve = serve
        self._received = b""

    def take(self, data: bytes) -> None:
        self._received += data
        head, mark, body = self._received.partition(b"\r\n\r\n")
        if not mark:
            return
        first, *lines = head.decode("latin1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            if not body.endswith(b"0\r\n\r\n"):
                return
        elif len(body) < int(headers.get("content-length", 0)):
            return
        self._received = b""
        self._serve(self, Request(first.split(" ")[1], _parse_form(headers.get("content-type", ""), body)))


class ServerWire(_Wire):
    """From Telegram to the bot's HTTP server: `answered` is called with the status, None if the bot hangs up."""

    def __init__(
        self,
        loop: VirtualLoop,
        protocol: Protocol,
        answered: Callable[[int | None, Mapping[str, str]], None],
    ) -> None:
        super().__init__(loop, protocol)
        self._answered = answered
        self._received = b""
        self._done = False

    def take(self, data: bytes) -> None:
        self._received += data
        head, mark, _ = self._received.partition(b"\r\n\r\n")
        if mark:
            first, *lines = head.decode("latin1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            self._finish(int(first.split(" ")[1]), headers)

    def cut(self, error: Exception | None = None) -> None:
        super().cut(error)
        self._finish(None, {})

    def _finish(self, status: int | None, headers: Mapping[str, str]) -> None:
        if not self._done:
            self._done = True
            self._answered(status, headers)


def build_request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A POST request as Telegram sends it to a webhook."""
    fields = {"Host": "bot", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    return f"POST {path} HTTP/1.1\r\n{_join(fields)}\r\n".encode("latin1") + body


def build_response(status: int, body: bytes, headers: Mapping[str, str] = {}) -> bytes:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    return f"HTTP/1.1 {status} Status\r\n{_join(fields)}\r\n".encode("latin1") + body


def _join(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())


def _parse_form(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a form; of a file only that it is there."""
    if not kind.startswith("multipart/"):
        return dict(parse_qsl(body.decode()))
    fields = {}
    for part in body.split(b"--" + kind.partition("boundary=")[2].strip('"').encode()):
        head, _, value = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        if name:
            fields[name] = "file" if b"filename=" in head else value.removesuffix(b"\r\n").decode()
    return fields
