"""What the double answers: as the Bot API does, and as a bad network does."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from contextlib import suppress
from typing import Any

from aiohttp import web


def answer(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def refuse(status: int, description: str, **parameters: int) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return web.json_response(body | ({"parameters": parameters} if parameters else {}), status=status)


def refuse_for_now(seconds: int) -> web.Response:
    return refuse(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def hang_up(request: web.Request) -> web.Response:
    """Reset the connection. Nobody gets the response, but a handler has to return one."""
    if request.transport is not None:
        without_lingering = struct.pack("ii", 1, 0)  # so that the kernel sends RST, not FIN
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, without_lingering)
        request.transport.abort()
    return web.Response()


async def truncate(request: web.Request, body: bytes) -> web.StreamResponse:
    """Half of what is announced; then the connection closes."""
    response = await _announce(request, body)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def trickle(request: web.Request, body: bytes, seconds: float) -> web.StreamResponse:
    """The whole body, in 20 pieces."""
    response = await _announce(request, body)
    step = math.ceil(len(body) / 20)
    with suppress(ConnectionResetError):  # who asked is gone
        for start in range(0, len(body), step):
            await asyncio.sleep(seconds / 20)
            await response.write(body[start : start + step])
    return response


async def _announce(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    return response
