"""Chats: what people send, what the bot sends and edits, and Telegram's limits."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter
from typing import Any

from aiohttp import web
from PIL import Image

from tests.support.telegram.files import Files
from tests.support.telegram.queue import UpdateQueue
from tests.support.telegram.responses import answer, refuse, refuse_for_now

CHANNEL = -1001
OVERALL, GROUP, PRIVATE = (30, 1), (20, 60), (30, 15)
"""At most so many messages in so many seconds: as documented, but for PRIVATE. There it is 1 a second with unspecified
short bursts."""


class Chats:
    """What people do may come from any thread."""

    def __init__(self, queue: UpdateQueue) -> None:
        self.queue = queue
        self.files = Files()
        self.messages: dict[int, dict[str, Any]] = {}
        """All messages of people and of the bot, as they stand now, by their message_id."""
        self.sent: list[dict[str, Any]] = []
        """The messages from the bot that were taken."""
        self.sent_at: list[tuple[float, int]] = []
        """When, on time.monotonic's clock, and to which chat."""
        self.replies: Counter[int] = Counter()
        """How many replies a message got, by its message_id."""
        self.enforce_limits = False
        """Refuse messages above the limits with 429."""
        self.limited = 0
        """Messages refused so."""
        self._asked_at: dict[int, float] = {}
        self._replied_at: dict[int, float] = {}
        self._photos: dict[int, tuple[Image.Image, list[dict[str, Any]]]] = {}
        self._numbers = itertools.count(1)

    # What people do.

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
        self.queue.put(number, {"message": full})
        return number

    def edit(self, number: int, **changes: Any) -> None:
        """Change a message that was sent; the bot gets it again."""
        self.messages[number] |= changes | {"edit_date": int(time.time())}
        self.queue.put(next(self._numbers), {"edited_message": self.messages[number]})

    def post(self, message: dict[str, Any]) -> int:
        """Put a post into a channel."""
        number = next(self._numbers)
        chat = {"id": CHANNEL, "type": "channel", "title": "News"}
        self.messages[number] = {"message_id": number, "date": int(time.time()), "chat": chat} | message
        self.queue.put(number, {"channel_post": self.messages[number]})
        return number

    def press(self, number: int, data: str, user: int = 7, language: str = "en") -> None:
        """Press the button with `data` under the bot's message `number`."""
        keyboard = self.messages[number].get("reply_markup", {}).get("inline_keyboard", [])
        assert data in [button["callback_data"] for row in keyboard for button in row], keyboard
        self.forge_press(self.messages[number], data, user, language)

    def forge_press(self, message: dict[str, Any], data: str, user: int = 7, language: str = "en") -> None:
        """Press a button that need not be there: a client may send any data, for any message."""
        sender = {"id": user, "is_bot": False, "first_name": "Ada", "language_code": language}
        number = next(self._numbers)
        query = {"id": str(number), "from": sender, "message": message, "chat_instance": "c", "data": data}
        self.queue.put(number, {"callback_query": query})

    def send_raw(self, update: Any) -> int:
        """Put anything into the queue; an object gets its update_id, unless it has one. Returns that number."""
        number = next(self._numbers)
        self._asked_at[number] = time.monotonic()
        self.queue.put_raw(number, {"update_id": number} | update if isinstance(update, dict) else update)
        return number

    def send_again(self, update: dict[str, Any], number: int) -> None:
        """Put an update into the queue once more, under its own or another update_id."""
        self.queue.put(number, update)

    def send_text(self, text: str, **sender: Any) -> int:
        entities = [{"type": "bot_command", "offset": 0, "length": len(text)}] if text.startswith("/") else []
        return self.send({"text": text, "entities": entities}, **sender)

    def send_photo(self, photo: Image.Image, **sender: Any) -> int:
        """The same photo sent again is the same files again, as on Telegram."""
        if id(photo) not in self._photos:  # kept with its variants, so that its id stays its own
            self._photos[id(photo)] = photo, self.files.keep_photo(photo)
        return self.send({"photo": self._photos[id(photo)][1]}, **sender)

    def send_document(self, data: bytes, mime_type: str, name: str, **sender: Any) -> int:
        document = self.files.keep(data) | {"mime_type": mime_type, "file_name": name}
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
        return {
            number: at - self._asked_at[number]
            for number, at in list(self._replied_at.items())
            if number in self._asked_at
        }

    # What the bot does.

    def take_message(self, chat: int, fields: dict[str, Any]) -> web.Response:
        """sendMessage and sendPhoto."""
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

    def edit_message(self, number: int, fields: dict[str, Any]) -> web.Response:
        """editMessageText and editMessageReplyMarkup."""
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


def _chat(number: int) -> dict[str, Any]:
    if number < 0:
        return {"id": number, "type": "supergroup", "title": "Friends"}
    return {"id": number, "type": "private", "first_name": "Ada"}


def _replied(fields: dict[str, Any]) -> int:
    return int(json.loads(fields["reply_parameters"])["message_id"])
