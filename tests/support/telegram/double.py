"""The double itself, with what the bot relies on: getUpdates' offsets above all.

An update is kept until a getUpdates with a higher offset confirms it, whoever asked before, or until a webhook answers
it with 2xx. A second poller ends the first one's request with 409, as a webhook does; an unknown token is a 401. Photos
come in the variants that Telegram makes.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from PIL import Image

from tests.support.telegram.faults import WEBHOOK_FAULTS, Faults
from tests.support.telegram.responses import answer, refuse, refuse_for_now
from tests.support.telegram.webhook import Couriers

TOKEN = "123456:test-token-that-must-never-be-logged"
CHANNEL = -1001
BOXES = (90, 320, 800, 1280)
OVERALL, GROUP, PRIVATE = (30, 1), (20, 60), (30, 15)
"""At most so many messages in so many seconds: as documented, but for PRIVATE. There it is 1 a second with unspecified
short bursts."""


class Telegram:
    """Runs in a thread of its own; every method may be called from the test's."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}
        self.downloads: list[str] = []
        self.fail_downloads = 0
        """As many of the next downloads answer 404."""
        self.faults: Faults | None = None
        """What goes wrong; None: nothing."""
        self.blocked: set[int] = set()
        """Users who have blocked the bot."""
        self.enforce_limits = False
        """Refuse messages above the limits with 429."""
        self.limited = 0
        """Messages refused so."""
        self.sent: list[dict[str, Any]] = []
        """The messages from the bot that were taken."""
        self.sent_at: list[tuple[float, int]] = []
        """When, on time.monotonic's clock, and to which chat."""
        self.replies: Counter[int] = Counter()
        """How many replies a message got, by its message_id."""
        self.polled_at = 0.0
        """When getUpdates was called last, on the same clock."""
        self.messages: dict[int, dict[str, Any]] = {}
        """All messages of people and of the bot, as they stand now, by their message_id."""
        self._asked_at: dict[int, float] = {}
        self._replied_at: dict[int, float] = {}
        self.updates: dict[int, dict[str, Any]] = {}
        """Those that wait for the bot, by their update_id: a message's is its message_id."""
        self.couriers = Couriers(self.updates, lambda: bool(self.faults and self.faults.draw(WEBHOOK_FAULTS)))
        """Who bring updates to the webhook: its tries (`posts`), and the pauses between them."""
        self._photos: dict[int, tuple[Image.Image, list[dict[str, Any]]]] = {}
        self._numbers = itertools.count(1)
        self._poll: asyncio.Future[str | None] | None = None
        """The getUpdates that waits; its result is a conflict, or None for updates."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # What a user does.

    def send(self, message: dict[str, Any], user: int = 7, language: str | None = "en", chat: int | None = None) -> int:
        """Put a message from a user into the bot's queue; returns its message_id. A negative `chat` is a group."""
        number = next(self._numbers)
        sender = {"id": user, "is_bot": False, "first_name": "Ada", "language_code": language}
        full = {
            "message_id": number,
            "date": int(time.time()),
            "chat": _chat(user if chat is None else chat),
            "from": sender,
        } | message
        self._asked_at[number] = time.monotonic()
        self.messages[number] = full
        self._put(number, message=full)
        return number

    def edit(self, number: int, **changes: Any) -> None:
        """Change a message that was sent; the bot gets it again."""
        self.messages[number] |= changes | {"edit_date": int(time.time())}
        self._put(next(self._numbers), edited_message=self.messages[number])

    def post(self, message: dict[str, Any]) -> int:
        """Put a post into a channel."""
        number = next(self._numbers)
        chat = {"id": CHANNEL, "type": "channel", "title": "News"}
        self.messages[number] = {"message_id": number, "date": int(time.time()), "chat": chat} | message
        self._put(number, channel_post=self.messages[number])
        return number

    def press(self, number: int, data: str, user: int = 7, language: str = "en") -> None:
        """Press the button with `data` under the bot's message `number`."""
        keyboard = self.messages[number].get("reply_markup", {}).get("inline_keyboard", [])
        assert data in [button["callback_data"] for row in keyboard for button in row], keyboard
        sender = {"id": user, "is_bot": False, "first_name": "Ada", "language_code": language}
        query = {
            "id": str(number),
            "from": sender,
            "message": self.messages[number],
            "chat_instance": "c",
            "data": data,
        }
        self._put(next(self._numbers), callback_query=query)

    def _put(self, number: int, **update: dict[str, Any]) -> None:
        self.updates[number] = {"update_id": number, **update}
        self._loop.call_soon_threadsafe(self._announce)

    def send_again(self, update: dict[str, Any], number: int) -> None:
        """Put an update into the queue once more, under its own or another update_id."""
        self.updates[number] = update | {"update_id": number}
        self._loop.call_soon_threadsafe(self._announce)

    def send_text(self, text: str, **sender: Any) -> int:
        entities = [{"type": "bot_command", "offset": 0, "length": len(text)}] if text.startswith("/") else []
        return self.send({"text": text, "entities": entities}, **sender)

    def send_photo(self, photo: Image.Image, **sender: Any) -> int:
        """The same photo sent again is the same files again, as on Telegram."""
        if id(photo) not in self._photos:  # kept with its variants, so that its id stays its own
            self._photos[id(photo)] = photo, [self._keep_variant(photo, box) for box in _boxes(photo)]
        return self.send({"photo": self._photos[id(photo)][1]}, **sender)

    def keep_photo(self, photo: Image.Image) -> list[dict[str, Any]]:
        """The variants of a photo, for messages made by hand."""
        return [self._keep_variant(photo, box) for box in _boxes(photo)]

    def send_document(self, data: bytes, mime_type: str, name: str, **sender: Any) -> int:
        document = self.keep_file(data) | {"mime_type": mime_type, "file_name": name}
        return self.send({"document": document}, **sender)

    # What the bot did.

    def answers(self) -> dict[int, str]:
        """The text of each answer that is a reply, by the message it replies to."""
        return {_replied(fields): fields["text"] for fields in list(self.sent) if "reply_parameters" in fields}

    def texts(self) -> list[str]:
        """The texts of all messages that the bot sent."""
        return [fields["text"] for fields in list(self.sent)]

    def waits(self) -> dict[int, float]:
        """Seconds from a message to the first reply, by its message_id."""
        return {number: at - self._asked_at[number] for number, at in list(self._replied_at.items())}

    @property
    def webhook(self) -> dict[str, Any] | None:
        """What setWebhook was given, if one is set."""
        return self.couriers.webhook

    @property
    def unconfirmed(self) -> int:
        return len(self.updates)

    @staticmethod
    def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the bot did not do it in time"
            time.sleep(0.02)

    # The server.

    async def _start(self) -> str:
        await self.couriers.start()
        app = web.Application(middlewares=[self._fail_or])
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path}", self._download)
        self._runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]

    async def _stop(self) -> None:
        self._end_poll("terminated by the end of the test")
        await self.couriers.stop()
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
        chat = _number(fields.get("chat_id"))
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
                return answer({"file_id": fields["file_id"], "file_unique_id": "u", "file_path": fields["file_id"]})
            case "sendMessage" | "sendPhoto" | "sendChatAction" if chat in self.blocked:
                return refuse(403, "Forbidden: bot was blocked by the user")
            case "sendMessage" if chat is not None and fields.get("text"):
                return self._take_message(chat, fields)
            case "sendPhoto" if chat is not None and fields.get("photo"):
                photo = await _find_photo(fields)
                return self._take_message(chat, fields | {"photo": self.keep_photo(photo), "sent_photo": photo})
            case "editMessageText" | "editMessageReplyMarkup" if number := _number(fields.get("message_id")):
                return self._edit_message(number, fields)
            case "sendChatAction" | "answerCallbackQuery":
                return answer(True)
            case "setMyCommands" | "setMyDescription" | "setMyShortDescription":
                return answer(True)
            case _:
                return refuse(400, f"Bad Request: {method} with {sorted(fields)}")

    async def _get_updates(self, fields: dict[str, Any]) -> web.Response:
        if self.webhook:
            active = "Conflict: can't use getUpdates method while webhook is active"
            return refuse(409, f"{active}; use deleteWebhook to delete the webhook first")
        self.polled_at = time.monotonic()
        self._end_poll("terminated by other getUpdates request")
        offset, limit = int(fields.get("offset", 0)), int(fields.get("limit", 100))
        for number in [number for number in list(self.updates) if number < offset]:
            del self.updates[number]
        if not self.updates:
            self._poll = mine = self._loop.create_future()
            await asyncio.wait([mine], timeout=float(fields.get("timeout", 0)))
            if mine.done() and mine.result():
                return refuse(409, f"Conflict: {mine.result()}")
        return answer([self.updates[number] for number in sorted(self.updates)[:limit]])

    def _end_poll(self, conflict: str | None) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(conflict)

    def _announce(self) -> None:
        if self.webhook:
            self.couriers.call()
        else:
            self._end_poll(None)

    def _set_webhook(self, fields: dict[str, Any]) -> web.Response:
        if fields.get("drop_pending_updates") == "true":
            self.updates.clear()
        if fields.get("url"):
            fields["max_connections"] = int(fields.get("max_connections", 40))
            fields["allowed_updates"] = json.loads(fields.get("allowed_updates", "[]"))
            self._end_poll("terminated by setWebhook request")
        self.couriers.register(fields if fields.get("url") else None)
        return answer(True)

    def _take_message(self, chat: int, fields: dict[str, Any]) -> web.Response:
        now = time.monotonic()
        wait = self._wait_for_limits(chat, now) if self.enforce_limits else 0
        if wait > 0:
            self.limited += 1
            return refuse_for_now(math.ceil(wait))
        self.sent.append(fields)
        self.sent_at.append((now, chat))
        if "reply_parameters" in fields:
            self.replies[_replied(fields)] += 1
            self._replied_at.setdefault(_replied(fields), now)
        number = next(self._numbers)
        own = {"id": 123456, "is_bot": True, "first_name": "Test", "username": "test_bot"}
        message = {"message_id": number, "date": int(time.time()), "chat": _chat(chat), "from": own}
        message |= {name: fields[name] for name in ("text", "caption", "photo") if name in fields}
        if "reply_markup" in fields:
            message["reply_markup"] = json.loads(fields["reply_markup"])
        if "reply_parameters" in fields:
            message["reply_to_message"] = self.messages.get(_replied(fields))
        self.messages[number] = message
        return answer(message)

    def _edit_message(self, number: int, fields: dict[str, Any]) -> web.Response:
        markup = json.loads(fields["reply_markup"]) if "reply_markup" in fields else None
        if number not in self.messages:
            return refuse(400, "Bad Request: message to edit not found")
        before = self.messages[number]
        after = {name: value for name, value in before.items() if name != "reply_markup"}
        after |= {"text": fields["text"]} if "text" in fields else {}
        after |= {"reply_markup": markup} if markup else {}
        if after == before:
            return refuse(400, "Bad Request: message is not modified")
        self.messages[number] = after
        return answer(after)

    def _wait_for_limits(self, chat: int, now: float) -> float:
        """Seconds until a chat may be sent the next message; 0 or less: at once."""
        wait = 0.0
        for (most, seconds), chats in ((OVERALL, None), (GROUP if chat < 0 else PRIVATE, chat)):
            times = [at for at, to in self.sent_at if chats in (None, to)][-most:]
            if len(times) == most:
                wait = max(wait, times[0] + seconds - now)
        return wait

    async def _download(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.downloads.append(path)
        if self.fail_downloads:
            self.fail_downloads -= 1
            return web.Response(status=404)
        return web.Response(body=self.files[path])

    def keep_file(self, data: bytes) -> dict[str, Any]:
        name = f"file{len(self.files)}"
        self.files[name] = data
        return {"file_id": name, "file_unique_id": f"u{name}", "file_size": len(data)}

    def _keep_variant(self, photo: Image.Image, box: int) -> dict[str, Any]:
        variant = photo.copy()
        variant.thumbnail((box, box))
        buffer = io.BytesIO()
        variant.save(buffer, "JPEG", quality=87)
        return self.keep_file(buffer.getvalue()) | {"width": variant.width, "height": variant.height}


def _boxes(photo: Image.Image) -> list[int]:
    """Telegram never enlarges: the boxes below the photo's longer side, and the first that holds it."""
    side = max(photo.size)
    below = [box for box in BOXES if box < side]
    return [*below, *BOXES[len(below) : len(below) + 1]]


def _chat(number: int) -> dict[str, Any]:
    if number < 0:
        return {"id": number, "type": "supergroup", "title": "Friends"}
    return {"id": number, "type": "private", "first_name": "Ada"}


async def _find_photo(fields: dict[str, Any]) -> Image.Image:
    """The picture that is uploaded: `photo` names the part of the form that it is in."""
    part = fields[str(fields["photo"]).removeprefix("attach://")]
    photo = Image.open(io.BytesIO(part.file.read()))
    photo.load()
    return photo


def _number(text: object) -> int | None:
    return int(str(text)) if str(text).removeprefix("-").isdecimal() else None


def _replied(fields: dict[str, Any]) -> int:
    return int(json.loads(fields["reply_parameters"])["message_id"])
