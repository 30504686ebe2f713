"""The page on 127.0.0.1, and the way of what is done in it to the dispatcher."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiogram import Bot, Dispatcher
from aiogram.types import Update
from aiohttp import web

from bot.preview.about import About
from bot.preview.chat import Chat
from bot.preview.exchange import TOKEN, Exchange
from bot.preview.forms import Form, read_form
from bot.preview.updates import Updates, person, read_variants
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.startup.signals import call_at_end
from bot.telegram.dispatcher import Parts, build_dispatcher
from bot.telegram.middlewares import LanguageMiddleware

HOST = "127.0.0.1"
LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?", re.ASCII)
"""Host headers of requests to this page."""
FOLDER = Path(__file__).parent
SCRIPTS = ("page.js", "messages.js", "photos.js", "camera.js", "card.js", "reply.js", "texts.js")
PAGE = {"/": "page.html"} | {f"/{name}": name for name in ("page.css", *SCRIPTS)}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(parts: Parts, settings: Settings, port: int, open_browser: bool) -> None:
    """Serve the preview until SIGINT or SIGTERM. Raises SettingsError if the port is taken."""
    dispatcher = build_dispatcher(parts, settings.owners, settings.channel_posts)
    about = About(settings.model, parts)
    runner = web.AppRunner(_build_app(dispatcher, parts, about), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            raise SettingsError(f"port {port} is not free ({error}). --port chooses another.") from error
        ended = asyncio.Event()
        call_at_end(ended.set)
        address = f"http://{HOST}:{runner.addresses[0][1]}"  # --port 0 is any free one
        print(f"Preview: {address} (Ctrl-C ends it)", flush=True)
        if open_browser and _has_screen():
            await asyncio.to_thread(webbrowser.open, address)
        await ended.wait()
    finally:
        await runner.cleanup()


def _has_screen() -> bool:
    """Without one, webbrowser would start a browser of text in this very terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _build_app(dispatcher: Dispatcher, parts: Parts, about: About) -> web.Application:
    chat = Chat()
    updates = Updates(chat)
    languages = LanguageMiddleware(parts.key_values, parts.pseudonymise)

    async def show(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(FOLDER / PAGE[request.path], headers=HEADERS)

    async def describe(request: web.Request) -> web.StreamResponse:
        language = await languages.find(person(request.query.get("language")))
        return web.json_response(about.describe(language), headers=HEADERS)

    async def show_example(request: web.Request) -> web.StreamResponse:
        example = about.examples.get(request.match_info["name"])
        return web.FileResponse(example, headers=HEADERS) if example else web.Response(status=404)

    async def answer(request: web.Request) -> web.StreamResponse:
        update = await _make_update(await read_form(request), updates)
        exchange = Exchange(chat)
        await dispatcher.feed_update(Bot(TOKEN, session=exchange), update)
        number = update.message.message_id if update.message else None
        return web.json_response({"number": number, "shown": exchange.shown}, headers=HEADERS)

    app = web.Application(middlewares=[_refuse_strangers])
    app.router.add_routes([web.get(path, show) for path in PAGE])
    app.router.add_get("/about", describe)
    app.router.add_get("/examples/{name}", show_example)
    app.router.add_post("/messages", answer)
    return app


@web.middleware
async def _refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Other sites' pages may know this address; what they send has their name in Host or Origin."""
    host = request.headers.get("Host", "").lower()
    origin = f"http://{host}"
    if not LOCAL.fullmatch(host) or request.headers.get("Origin", origin) != origin:
        raise web.HTTPForbidden(text="The preview answers its own page only.")
    return await handler(request)


async def _make_update(form: Form, updates: Updates) -> Update:
    match form:
        case Form(text=str(text)):
            return updates.from_text(text, form.reply_to, form.language)
        case Form(file=file) if file is not None:
            return updates.from_file(file, await asyncio.to_thread(read_variants, file.data), form.album, form.language)
        case Form(message=int(number), press=str(data)):
            return updates.from_press(number, data, form.language)
        case _:
            raise web.HTTPBadRequest(text="the message has neither text nor a file, and is no press of a button")
