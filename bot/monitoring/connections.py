"""A server's connections: few at a time, and none that keeps silent for long.

Anybody may connect to a public port and say nothing. Each connection takes one of the process's 1,024 files.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler

MAX_CONNECTIONS = 200
"""At a time. Telegram opens 100 at most (Bot API, setWebhook)."""
SILENT_SECONDS = 15.0
"""Time for a request's headers, and between two requests of one connection."""


class Door:
    """Lets connections in. Where there are too many, the one that has been silent for longest goes."""

    def __init__(self, limit: int = MAX_CONNECTIONS, silent_seconds: float = SILENT_SECONDS) -> None:
        self._limit = limit
        self._silent_seconds = silent_seconds
        self._connections: dict[object, _Connection] = {}
        """By aiohttp's protocol of each."""
        self._silent: dict[_Connection, asyncio.TimerHandle] = {}
        """Those without a request in work, the longest first, and what ends each."""

    def make_factory(self, server: web.Server) -> Any:
        """What `loop.create_server` makes each connection's protocol by."""
        return lambda: _Connection(self, server())

    @web.middleware
    async def attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """While a request is answered, its connection is not silent."""
        connection = self._connections.get(request.protocol)
        if connection:
            self._hear(connection)
        try:
            return await handler(request)
        finally:
            if connection and request.protocol in self._connections:
                self._watch(connection)

    def enter(self, connection: _Connection) -> None:
        self._connections[connection.inner] = connection
        self._watch(connection)
        if len(self._connections) > self._limit:
            next(iter(self._silent), connection).close()

    def leave(self, connection: _Connection) -> None:
        self._connections.pop(connection.inner, None)
        self._hear(connection)

    def _watch(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        self._silent[connection] = loop.call_later(self._silent_seconds, connection.close)

    def _hear(self, connection: _Connection) -> None:
        timer = self._silent.pop(connection, None)
        if timer:
            timer.cancel()


class _Connection(asyncio.Protocol):
    """aiohttp's protocol, whose coming and going is told to the door."""

    def __init__(self, door: Door, inner: asyncio.Protocol) -> None:
        self._door = door
        self.inner = inner
        self._transport: asyncio.Transport | None = None

    def close(self) -> None:
        if self._transport:
            self._transport.abort()
            self._door.leave(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.inner.connection_made(transport)
        self._door.enter(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.leave(self)
        self.inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
