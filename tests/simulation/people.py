"""People: who sends what into which chat, presses which button, and deletes what the bot said."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from tests.simulation.loop import Clock
from tests.simulation.records import Ask, Sent, Update
from tests.simulation.server import messages
from tests.simulation.server.photos import draw_photo
from tests.simulation.server.telegram import Telegram, make_chat

ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
"""Telegram's sender of what anonymous admins write, in every group."""
PRESSES = 8
"""In a run, at most."""
EACH = 8
"""Messages of one person, at most: below what the bot takes from somebody at once, so that all are due."""
IN_GROUP = 4
"""The same of a group."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Chat:
    number: int
    people: tuple[int, ...]

    @property
    def is_private(self) -> bool:
        return self.number > 0

    @property
    def is_channel(self) -> bool:
        return self.number <= -2_000_000


class People:
    def __init__(
        self, seed: int, clock: Clock, telegram: Telegram, chats: list[Chat], *, channel_posts: bool, comments: bool
    ) -> None:
        self._rng = Random(f"{seed} people")
        self._comments = Random(f"{seed} comments") if comments else None
        """Who writes right behind a photo."""
        self._clock = clock
        self._telegram = telegram
        self._chats = {chat.number: chat for chat in chats}
        self._channel_posts = channel_posts
        self._messages = itertools.count(1)
        self._updates = itertools.count(1000)
        self._written: Counter[int] = Counter()
        self._presses = 0
        self._known: list[Update] = []
        self.consents: dict[int, list[tuple[float, bool]]] = {}
        """Who said yes, or took it back, and when."""
        telegram.on_sent = self._react

    def act(self, chat: Chat) -> None:
        """Somebody does something in the chat."""
        person = self._rng.choice(chat.people)
        if not self._has_room(chat, person):
            return
        draw = self._rng.random()
        if chat.is_channel:
            self._show(chat, person, "photo", "named" if self._channel_posts else "nothing")
        elif not chat.is_private:
            self._act_in_group(chat, person)
        elif draw < 0.5:
            self._show_something(chat, person)
            self._comment(chat, person)
        elif draw < 0.62:
            kind = self._rng.choice(("damaged", "cursed", "broken beside", "broken beside", "broken photo", "replaced"))
            self._show_oddly(chat, person, kind)
        elif draw < 0.68:
            self._put(self._rng.choice(messages.STRANGE))
        elif draw < 0.74:
            more = self._rng.choice(messages.BROKEN_FIELDS)
            self._write(chat, person, messages.make_text("broken") | more, "broken text", "any")
        elif draw < 0.84:
            self._donate(chat, person)
        else:
            self._write(chat, person, messages.make_text(self._rng.choice(messages.TEXTS)), "text", "any")

    def show(self, chat: Chat) -> None:
        """A photo, and no more."""
        self._show(chat, chat.people[0], "photo", "named")

    def burst(self, chat: Chat, color: str) -> None:
        """As many photos as a person may send at once: asked for each a second time, the rate limit would refuse."""
        for _ in range(EACH):
            self._show(chat, chat.people[0], "photo", "apology" if color == "cursed" else "named", color)

    def show_poison(self, chat: Chat) -> None:
        """A photo that kills each process that looks at it."""
        self._show(chat, chat.people[0], "photo", "apology", color="poison")

    def flood(self, chat: Chat) -> None:
        """More than anybody may: nothing of it is due."""
        for _ in range(25):
            color = self._rng.choice(messages.COLORS)
            self._show(chat, chat.people[0], "photo", "nothing", color)

    def repeat(self) -> None:
        """Telegram sends again what it had sent, under its number or another."""
        # `/forget` goes by the number of its update.
        old = [update for update in self._known if update.ask and update.ask.kind != "/forget"]
        if old:
            update = self._rng.choice(old)
            number = update.number if self._rng.random() < 0.5 else next(self._updates)
            if update.ask and number != update.number:
                update.ask.is_renumbered = True
            if number not in self._telegram.queue.waiting:
                self._telegram.queue.put(
                    Update(number, update.raw | {"update_id": number}, update.lane, self._clock.now)
                )

    def _has_room(self, chat: Chat, person: int) -> bool:
        return self._written[person] < EACH and (chat.is_private or self._written[chat.number] < IN_GROUP)

    def _show_something(self, chat: Chat, person: int) -> None:
        kind = self._rng.choice(messages.PHOTO_KINDS)
        if kind != "album":
            self._show(chat, person, kind, "named")
            return
        album = f"album{next(self._messages)}"
        for _ in range(self._rng.randint(2, 3)):
            if self._has_room(chat, person):
                self._show(chat, person, "photo", "named", more={"media_group_id": album}, album=album)

    def _comment(self, chat: Chat, person: int) -> None:
        """Perhaps a text follows the photo."""
        if self._comments and self._comments.random() < 0.7:
            text = self._comments.choice(messages.TEXTS)

            def write() -> None:
                if self._has_room(chat, person):
                    self._write(chat, person, messages.make_text(text), "text", "any")

            self._clock.after(self._comments.uniform(0.02, 0.25), write)

    def _show_oddly(self, chat: Chat, person: int, kind: str) -> None:
        match kind:
            case "damaged":
                self._show(chat, person, "photo", "refusal", color="damaged")
            case "cursed":
                self._show(chat, person, "photo", "apology", color="cursed")
            case "broken beside":
                more = self._rng.choice(messages.BROKEN_FIELDS)
                self._show(chat, person, "photo", "any", more=more, kind_name="photo beside a broken field")
            case "broken photo":
                content: dict[str, Any] = {"photo": self._rng.choice(([{}], [7], "x", [{"file_id": "f"}]))}
                self._write(chat, person, content, "broken photo", "any")
            case "replaced":
                number = self._write(
                    chat,
                    person,
                    {"document": {"file_id": "f", "file_unique_id": "u", "mime_type": "application/pdf"}},
                    "file",
                    "nothing",
                )
                self._clock.after(self._rng.uniform(1, 20), lambda: self._replace(chat, person, number))

    def show_album(self, chat: Chat, rng: Random) -> None:
        """The photos of an album come one by one, and one of them may mention the bot, or do so once it is edited."""
        person = rng.choice(chat.people)
        name = f"group album{next(self._messages)}"
        count, spread = rng.randint(2, 4), rng.choice((0.05, 1.0, 5.0, 12.0))
        mentioned = rng.choice((*range(count), count - 1, None))
        is_edited = rng.random() < 0.2
        numbers: list[int] = []

        def send(index: int) -> None:
            is_mention = index == mentioned and not is_edited
            more = {"media_group_id": name} | (messages.MENTION if is_mention else {})
            expects = "nothing" if mentioned is None else "named"
            numbers.append(self._show(chat, person, "photo", expects, more=more, album=name))

        at = 0.0
        for index in range(count):
            self._clock.after(at, lambda index=index: send(index))  # type: ignore[misc]
            at += rng.uniform(0, spread)
        if is_edited and mentioned is not None:
            self._clock.after(at, lambda: self._mention(chat, numbers[mentioned], "photo of an album"))

    def _act_in_group(self, chat: Chat, person: int) -> None:
        draw = self._rng.random()
        if draw < 0.4:
            self._show(chat, person, "photo", "named", more=messages.MENTION)
        elif draw < 0.5:
            sender = {"from": ANONYMOUS, "sender_chat": make_chat(chat.number)}
            self._show(chat, person, "photo", "named", more=messages.MENTION | sender)
        elif draw < 0.7:
            number = self._show(chat, person, "photo", "nothing")
            if self._rng.random() < 0.5:
                self._clock.after(self._rng.uniform(1, 20), lambda: self._mention(chat, number))
        elif draw < 0.8:
            self._write(chat, person, messages.make_text("/start@test_bot"), "text", "any")
        else:
            self._write(chat, person, messages.make_text("what a day"), "text", "nothing")

    def _replace(self, chat: Chat, person: int, number: int) -> None:
        """A file's message is edited: now it is a photo."""
        color = self._rng.choice(messages.COLORS)
        raw = self._telegram.messages[number]
        raw = {name: value for name, value in raw.items() if name != "document"}
        raw |= self._draw(chat, person, "document", color) | {"edit_date": int(self._clock.now)}
        self._telegram.messages[number] = raw
        ask = Ask(chat.number, number, person, self._clock.now, "replaced file", "named", color)
        self._put({"edited_message": raw}, chat.number, ask)

    def _mention(self, chat: Chat, number: int, kind: str = "photo with a late mention") -> None:
        """A photo's caption is edited: now it is for the bot."""
        ask = self._telegram.asks[chat.number, number]
        ask.expects, ask.kind, ask.at = "named", kind, self._clock.now
        raw = self._telegram.messages[number] | messages.MENTION | {"edit_date": int(self._clock.now)}
        self._telegram.messages[number] = raw
        self._put({"edited_message": raw}, chat.number, ask)

    def _donate(self, chat: Chat, person: int) -> None:
        text = "/donate" if self._rng.random() < 0.7 else "/forget"
        self._write(chat, person, messages.make_text(text), text, "any")

    def _show(
        self,
        chat: Chat,
        person: int,
        kind: str,
        expects: str,
        color: str = "",
        more: Mapping[str, Any] = NOTHING,
        album: str = "",
        kind_name: str = "",
    ) -> int:
        color = color or self._rng.choice(messages.COLORS)
        content = self._draw(chat, person, kind, color) | dict(more)
        if kind == "forwarded":
            content |= messages.make_forward(self._rng)
        name = kind_name or ("photo of an album" if album else kind if color in messages.COLORS else f"{color} photo")
        return self._write(chat, person, content, name, expects, color, album)

    def _draw(self, chat: Chat, person: int, kind: str, color: str) -> dict[str, Any]:
        data = draw_photo(color, person)
        file = f"{chat.number}_{next(self._messages)}.jpg"
        self._telegram.files[file] = data
        return messages.make_picture(kind, file, len(data), self._rng)

    def _write(
        self,
        chat: Chat,
        person: int,
        content: dict[str, Any],
        kind: str,
        expects: str,
        color: str = "",
        album: str = "",
    ) -> int:
        number = next(self._messages)
        self._written[person] += 1
        self._written[chat.number] += 0 if chat.is_private else 1
        raw = {"message_id": number, "date": int(self._clock.now), "chat": make_chat(chat.number)}
        if not chat.is_channel:
            raw["from"] = messages.make_user(person, self._rng)
        raw |= content
        self._telegram.messages[number] = raw
        ask = Ask(chat.number, number, person, self._clock.now, kind, expects, color, album)
        self._put({"channel_post" if chat.is_channel else "message": raw}, chat.number, ask)
        return number

    def _put(self, content: dict[str, Any], lane: int | None = None, ask: Ask | None = None) -> None:
        number = next(self._updates)
        if ask:
            self._telegram.asks[ask.chat, ask.number] = ask
        update = Update(
            number, {"update_id": number, **content}, number if lane is None else lane, self._clock.now, ask
        )
        self._known.append(update)
        self._telegram.note(f"update {number}: {ask or sorted(content)}")
        self._telegram.queue.put(update)

    def _react(self, sent: Sent) -> None:
        """Somebody presses a button under what the bot said, or deletes it."""
        chat = self._chats.get(self._telegram.now_known_as.get(sent.chat, sent.chat))
        rows = (sent.raw.get("reply_markup") or {}).get("inline_keyboard", [])
        buttons = [button["callback_data"] for row in rows for button in row]
        if chat and buttons and self._presses < PRESSES and self._rng.random() < 0.5:
            self._presses += 1
            data = self._rng.choice(buttons if self._rng.random() < 0.7 else messages.FORGED)
            person = self._rng.choice(chat.people)
            self._clock.after(self._rng.uniform(0.5, 15), lambda: self._press(chat, person, sent, data))
        elif self._rng.random() < 0.03 and sent.raw.get("reply_to_message", {}).get("media_group_id"):
            sent.deleted = True

    def _press(self, chat: Chat, person: int, sent: Sent, data: str) -> None:
        if data == "donate:yes":
            self.consents.setdefault(person, []).append((self._clock.now, True))
        message: dict[str, Any] = sent.raw
        if self._rng.random() < 0.1:
            message = {"message_id": sent.number, "date": 0, "chat": make_chat(chat.number)}
        query = {
            "id": str(next(self._updates)),
            "from": messages.make_user(person, self._rng),
            "message": message,
            "chat_instance": "c",
            "data": data,
        }
        self._put({"callback_query": query}, chat.number)
