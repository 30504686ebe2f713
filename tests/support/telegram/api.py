"""A double of the Telegram Bot API over real HTTP, with what the bot relies on: getUpdates' offsets above all.

An update is kept until a getUpdates with a higher offset confirms it, whoever asked before, or until a webhook answers
it with 2xx. A second poller ends the first one's request with 409, as a webhook does; an unknown token is a 401. Photos
come in the variants that Telegram makes.
"""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from PIL import Image

from tests.support.telegram.chats import Chats
from tests.support.telegram.excess import find_excess
from tests.support.telegram.faults import WEBHOOK_FAULTS, Faults
from tests.support.telegram.queue import Conflict, UpdateQueue
from tests.support.telegram.refusals import DOWNLOAD, Refusal
from tests.support.telegram.responses import answer, refuse

TOKEN = "123456:test-token-that-must-never-be-logged"


class Telegram(Chats):
    """Runs in a thread of its own; every method may be called from the test's."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.downloads: list[str] = []
        self.fail_downloads = 0
        """As many of the next downloads answer 404."""
        self.hold_downloads = threading.Event()
        """Downloads wait while it is cleared."""
        self.hold_downloads.set()
        self.faults: Faults | None = None
        """What goes wrong; None: nothing."""
        self.profile_photos: list[list[dict[str, Any]]] = []
        """The bot's own, each in its variants."""
        self.blocked: set[int] = set()
        """Users who have blocked the bot."""
        self.photoless: set[int] = set()
        """Chats where the bot may not send photos."""
        self.refusals: list[Refusal] = []
        """What is answered in place of what would be; the first that takes a call."""
        self.excesses: list[str] = []
        """Why calls were refused that carried more than Telegram takes, or nothing."""
        self._loop = asyncio.new_event_loop()
        super().__init__(UpdateQueue(self._loop, lambda: bool(self.faults and self.faults.draw(WEBHOOK_FAULTS))))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def webhook(self) -> dict[str, Any] | None:
        """What setWebhook was given, if one is set."""
        return self.queue.couriers.webhook

    @property
    def unconfirmed(self) -> int:
        return len(self.queue.updates)

    @staticmethod
    def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
        """Return as soon as it is so. The limit is for a machine that is busy with other tests."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the bot did not do it in time"
            time.sleep(0.02)

    # The server.

    async def _start(self) -> str:
        await self.queue.couriers.start()
        app = web.Application(middlewares=[self._fail_or])
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path}", self._download)
        self._runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        self.queue.end_poll("terminated by the end of the test")
        await self.queue.couriers.stop()
        await self._runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}  # calls held up by a fault
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    @web.middleware
    async def _fail_or(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        return await (self.faults.handle(request, handler) if self.faults else handler(request))

    async def _call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.match_info["token"] != self.token:
            return refuse(401, "Unauthorized")
        fields = dict(await request.post())
        self.calls.append((method, fields))
        if refusal := self._find_refusal(method, fields):
            await asyncio.sleep(refusal.seconds)
            if refusal.carried_out:
                await self._carry_out(method, fields)
            return refusal.answer()
        return await self._carry_out(method, fields)

    def _find_refusal(self, method: str, fields: dict[str, Any]) -> Refusal | None:
        for refusal in self.refusals:
            if refusal.takes(method, fields):
                refusal.answered += 1
                return refusal
        return None

    async def _carry_out(self, method: str, fields: dict[str, Any]) -> web.Response:
        chat = _number(fields.get("chat_id"))
        if excess := find_excess(method, fields):
            self.excesses.append(f"{method}: {excess}")
            return refuse(400, f"Bad Request: {excess}")
        match method:
            case "getMe":
                return answer({"id": 123456, "is_bot": True, "first_name": "Test", "username": "test_bot"})
            case "getUpdates":
                return await self._get_updates(fields)
            case "setWebhook" | "deleteWebhook":
                return self._set_webhook(fields)
            case "getWebhookInfo":
                known = {name: value for name, value in (self.webhook or {"url": ""}).items() if name != "secret_token"}
                return answer(known | {"has_custom_certificate": False, "pending_update_count": self.unconfirmed})
            case "getFile" if fields.get("file_id") in self.files:
                path = self.files.locate(str(fields["file_id"]))
                return answer({"file_id": fields["file_id"], "file_unique_id": "u", "file_path": path})
            case "getUserProfilePhotos":
                return answer({"total_count": len(self.profile_photos), "photos": self.profile_photos})
            case "sendMessage" | "sendPhoto" | "sendChatAction" if chat in self.blocked:
                return refuse(403, "Forbidden: bot was blocked by the user")
            case "sendMessage" if chat is not None:
                return self.take_message(chat, fields)
            case "sendPhoto" if chat in self.photoless:
                return refuse(400, "Bad Request: not enough rights to send photos to the chat")
            case "sendPhoto" if chat is not None and fields.get("photo"):
                photo = await _find_photo(fields)
                return self.take_message(chat, fields | {"photo": self.files.keep_photo(photo), "sent_photo": photo})
            case "editMessageText" | "editMessageReplyMarkup" if number := _number(fields.get("message_id")):
                return self.edit_message(number, fields)
            case "sendChatAction" | "answerCallbackQuery":
                return answer(True)
            case "setMyCommands" | "setMyDescription" | "setMyShortDescription":
                return answer(True)
            case _:
                return refuse(400, f"Bad Request: {method} with {sorted(fields)}")

    async def _get_updates(self, fields: dict[str, Any]) -> web.Response:
        offset, limit, seconds = int(fields.get("offset", 0)), int(fields.get("limit", 100)), fields.get("timeout", 0)
        try:
            return answer(await self.queue.get(offset, limit, float(seconds)))
        except Conflict as conflict:
            return refuse(409, f"Conflict: {conflict}")

    def _set_webhook(self, fields: dict[str, Any]) -> web.Response:
        if fields.get("drop_pending_updates") == "true":
            self.queue.updates.clear()
        if fields.get("url"):
            fields["max_connections"] = int(fields.get("max_connections", 40))
            fields["allowed_updates"] = json.loads(fields.get("allowed_updates", "[]"))
        self.queue.register(fields if fields.get("url") else None)
        return answer(True)

    async def _download(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.downloads.append(path)
        while not self.hold_downloads.is_set():
            await asyncio.sleep(0.02)
        if refusal := self._find_refusal(DOWNLOAD, {"file_id": path}):
            await asyncio.sleep(refusal.seconds)
            return refusal.answer()
        if self.fail_downloads:
            self.fail_downloads -= 1
            return web.Response(status=404)
        return web.Response(body=self.files[path])


async def _find_photo(fields: dict[str, Any]) -> Image.Image:
    """The picture that is uploaded: `photo` names the part of the form that it is in."""
    part = fields[str(fields["photo"]).removeprefix("attach://")]
    photo = Image.open(io.BytesIO(part.file.read()))
    photo.load()
    return photo


def _number(text: object) -> int | None:
    return int(str(text)) if str(text).removeprefix("-").isdecimal() else None
