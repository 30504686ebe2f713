"""The page on 127.0.0.1, and its messages' way to the dispatcher."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiogram import Bot, Dispatcher
from aiohttp import BodyPartReader, web

from bot.download import MAX_BYTES
from bot.preview.exchange import Exchange
from bot.preview.updates import Incoming, Updates
from bot.settings import SettingsError

HOST = "127.0.0.1"
LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?", re.ASCII)
"""Host headers of requests to this page."""
PAGE = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
TOKEN = "1:preview"
"""aiogram wants a token of the right form; it goes nowhere."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(dispatcher: Dispatcher, port: int, open_browser: bool) -> None:
    """Serve the preview until SIGINT or SIGTERM. Raises SettingsError if the port cannot be had."""
    runner = web.AppRunner(_build_app(dispatcher), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except (OSError, OverflowError) as error:
            raise SettingsError(f"port {port} cannot be had ({error}). --port chooses another.") from error
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        address = f"http://{HOST}:{port}"
        print(f"Preview: {address} (Ctrl-C ends it)", flush=True)
        if open_browser and _has_screen():
            await asyncio.to_thread(webbrowser.open, address)
        await ended.wait()
    finally:
        await runner.cleanup()


def _has_screen() -> bool:
    """Without one, webbrowser would start a browser of text in this very terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _build_app(dispatcher: Dispatcher) -> web.Application:
    updates = Updates()

    async def show(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(Path(__file__).parent / PAGE[request.path], headers=HEADERS)

    async def answer(request: web.Request) -> web.StreamResponse:
        incoming = await _receive(request, updates)
        exchange = Exchange(incoming.files)
        await dispatcher.feed_update(Bot(TOKEN, session=exchange), incoming.update)
        return web.json_response(
            [{"text": sent.text, "is_reply": sent.reply_parameters is not None} for sent in exchange.answers]
        )

    app = web.Application(middlewares=[_refuse_strangers])
    app.router.add_routes([web.get(path, show) for path in PAGE])
    app.router.add_post("/messages", answer)
    return app


@web.middleware
async def _refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Other sites' pages may know this address; what they send has their name in Host or Origin."""
    host = request.headers.get("Host", "").lower()
    own = f"http://{host}"
    if not LOCAL.fullmatch(host) or request.headers.get("Origin", own) != own:
        raise web.HTTPForbidden(text="The preview answers its own page only.")
    return await handler(request)


async def _receive(request: web.Request, updates: Updates) -> Incoming:
    """Read a message from the page: fields `language`, then `text` or `file`, in memory."""
    if request.content_type != "multipart/form-data":
        raise web.HTTPBadRequest(text="multipart/form-data is expected")
    language = None
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                break
            if part.name == "language":
                language = await part.text() or None
            elif part.name == "text" and (text := (await part.text()).strip()):
                return updates.from_text(text, language)
            elif part.name == "file":
                data, size = await _read_bounded(part)
                kind = part.headers.get("Content-Type", "application/octet-stream")
                name = part.filename or "file"
                return await asyncio.to_thread(updates.from_file, data, name, kind, size, language)
    except web.HTTPException:
        raise
    except Exception as error:  # aiohttp's reader raises half a dozen types on a body that is cut or no form
        raise web.HTTPBadRequest(text=f"the message cannot be read: {error}") from error
    raise web.HTTPBadRequest(text="the message has neither text nor a file")


async def _read_bounded(part: BodyPartReader) -> tuple[bytes, int]:
    """The part's bytes and how many there are; above Telegram's limit, none are kept."""
    data, size = bytearray(), 0
    while chunk := await part.read_chunk(2**16):
        size += len(chunk)
        if size <= MAX_BYTES:
            data += chunk
        else:
            data.clear()
    return bytes(data), size
