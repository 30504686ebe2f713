"""A double of the Telegram Bot API over real HTTP, with what the bot relies on: getUpdates' offsets above all.

An update is kept until a getUpdates with a higher offset confirms it, whoever asked before; a second poller ends the
first one's request with 409; an unknown token is a 401. Photos come in the variants that Telegram makes.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from PIL import Image

TOKEN = "123456:test-token-that-must-never-be-logged"
BOXES = (90, 320, 800, 1280)


class Telegram:
    """Runs in a thread of its own; every method may be called from the test's."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}
        self.downloads: list[str] = []
        self.fail_downloads = 0
        """As many of the next downloads answer 404."""
        self._updates: dict[int, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._poll: asyncio.Event | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def close(self) -> None:
        if self._poll is not None:
            self._loop.call_soon_threadsafe(self._poll.set)
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # What a user does.

    def send(self, message: dict[str, Any], user: int = 7, language: str | None = "en") -> int:
        """Put a message from a user into the bot's queue; returns its message_id."""
        number = next(self._numbers)
        sender = {"id": user, "is_bot": False, "first_name": "Ada", "language_code": language}
        chat = {"id": user, "type": "private", "first_name": "Ada"}
        full = {"message_id": number, "date": int(time.time()), "chat": chat, "from": sender} | message
        self._updates[number] = {"update_id": number, "message": full}
        return number

    def send_text(self, text: str, **sender: Any) -> int:
        entities = [{"type": "bot_command", "offset": 0, "length": len(text)}] if text.startswith("/") else []
        return self.send({"text": text, "entities": entities}, **sender)

    def send_photo(self, photo: Image.Image, **sender: Any) -> int:
        return self.send({"photo": [self._keep_variant(photo, box) for box in _boxes(photo)]}, **sender)

    def send_document(self, data: bytes, mime_type: str, name: str, **sender: Any) -> int:
        document = self._keep(data) | {"mime_type": mime_type, "file_name": name}
        return self.send({"document": document}, **sender)

    # What the bot did.

    def answers(self) -> dict[int, str]:
        """The text of each answer that is a reply, by the message it replies to."""
        sent = [fields for method, fields in self.calls if method == "sendMessage" and "reply_parameters" in fields]
        return {json.loads(fields["reply_parameters"])["message_id"]: fields["text"] for fields in sent}

    def texts(self) -> list[str]:
        """The texts of all messages that the bot sent."""
        return [fields["text"] for method, fields in self.calls if method == "sendMessage"]

    @property
    def unconfirmed(self) -> int:
        return len(self._updates)

    @staticmethod
    def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the bot did not do it in time"
            time.sleep(0.02)

    # The server.

    async def _start(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path}", self._download)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.match_info["token"] != TOKEN:
            return _refuse(401, "Unauthorized")
        fields = dict(await request.post())
        self.calls.append((method, fields))
        match method:
            case "getMe":
                return _answer({"id": 123456, "is_bot": True, "first_name": "Test", "username": "test_bot"})
            case "getUpdates":
                return await self._get_updates(fields)
            case "getFile" if fields.get("file_id") in self.files:
                return _answer({"file_id": fields["file_id"], "file_unique_id": "u", "file_path": fields["file_id"]})
            case "sendMessage" if str(fields.get("chat_id", "")).isdecimal() and fields.get("text"):
                chat = {"id": int(str(fields["chat_id"])), "type": "private"}
                sent = {"message_id": next(self._numbers), "date": int(time.time()), "chat": chat}
                return _answer(sent | {"text": fields["text"]})
            case "sendChatAction" | "setMyCommands":
                return _answer(True)
            case _:
                return _refuse(400, f"Bad Request: {method} with {sorted(fields)}")

    async def _get_updates(self, fields: dict[str, Any]) -> web.Response:
        if self._poll is not None:
            self._poll.set()
        self._poll = mine = asyncio.Event()
        offset, limit = int(fields.get("offset", 0)), int(fields.get("limit", 100))
        for number in [number for number in self._updates if number < offset]:
            del self._updates[number]
        deadline = time.monotonic() + float(fields.get("timeout", 0))
        while not self._updates and time.monotonic() < deadline and not mine.is_set():
            await asyncio.sleep(0.01)
        if mine.is_set():
            return _refuse(409, "Conflict: terminated by other getUpdates request")
        self._poll = None
        return _answer([self._updates[number] for number in sorted(self._updates)[:limit]])

    async def _download(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.downloads.append(path)
        if self.fail_downloads:
            self.fail_downloads -= 1
            return web.Response(status=404)
        return web.Response(body=self.files[path])

    def _keep(self, data: bytes) -> dict[str, Any]:
        name = f"file{len(self.files)}"
        self.files[name] = data
        return {"file_id": name, "file_unique_id": f"u{name}", "file_size": len(data)}

    def _keep_variant(self, photo: Image.Image, box: int) -> dict[str, Any]:
        variant = photo.copy()
        variant.thumbnail((box, box))
        buffer = io.BytesIO()
        variant.save(buffer, "JPEG", quality=87)
        return self._keep(buffer.getvalue()) | {"width": variant.width, "height": variant.height}


def _boxes(photo: Image.Image) -> list[int]:
    """Telegram never enlarges: the boxes below the photo's longer side, and the first that holds it."""
    side = max(photo.size)
    below = [box for box in BOXES if box < side]
    return [*below, *BOXES[len(below) : len(below) + 1]]


def _answer(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refuse(status: int, description: str) -> web.Response:
    return web.json_response({"ok": False, "error_code": status, "description": description}, status=status)
