"""Telegram as the bot sees it: it carries calls out, or not, and answers them, or not, as their fates have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bot.connections import REQUEST_SECONDS
from tests.simulation.loop import Clock
from tests.simulation.records import Ask, Sent, Trace, Update
from tests.simulation.server import messages
from tests.simulation.server.fates import SENDING, Fate, Fates, refuse
from tests.simulation.server.queue import Queue
from tests.simulation.server.wires import ClientWire, Request, build_response

TOKEN = "123456:simulated-token-that-is-never-logged"
BOT = {"id": 123456, "is_bot": True, "first_name": "Test", "username": "test_bot"}
FIRST_SENT = 1_000_000
"""Numbers of the bot's messages begin here, so that they differ from people's."""


class Telegram:
    def __init__(self, clock: Clock, trace: Trace, fates: Fates) -> None:
        self._clock = clock
        self._trace = trace
        self.fates = fates
        self.queue = Queue(clock, trace, self._take_confirmation)
        self.asks: dict[tuple[int, int], Ask] = {}
        self.sent: dict[int, Sent] = {}
        self.messages: dict[int, dict[str, Any]] = {}
        """All messages of people and of the bot, by number."""
        self.files: dict[str, bytes] = {}
        self.moved: dict[int, int] = {}
        """Groups that have become supergroups, and their new numbers."""
        self.now_known_as: dict[int, int] = {}
        self.on_sent: Callable[[Sent], None] = lambda sent: None
        self.on_answer: Callable[[Ask, Sent], None] = lambda ask, sent: None
        self.on_confirmed: Callable[[Update], None] = lambda update: None
        self.on_call: Callable[[], None] = lambda: None
        """Called as a call comes in, and as its answer goes out: where a process may die."""
        self.polled_at = clock.now
        self.said_done: list[tuple[float, int, str]] = []
        """When which chat was told what, without a reply."""

    def note(self, text: str) -> None:
        self._trace(text)

    def serve(self, wire: ClientWire, request: Request) -> None:
        """A request has come in whole."""
        _, first, *rest = request.path.split("/")
        is_file = first == "file"
        method = "file" if is_file else rest[0].partition("?")[0]
        token = rest[0] if is_file else first
        chat = self._find_chat(method, rest, request.fields)
        fate = self.fates.draw(method, chat, self._clock.now)
        self._trace(f"{method} {chat or ''} {fate.way} {'' if fate.executes else 'not '}done {fate.status}")
        if method == "getUpdates":
            self.polled_at = self._clock.now
        self.on_call()
        if token != f"bot{TOKEN}":
            self._respond(wire, fate, 401, refuse(401, "Unauthorized"), None)
        elif not fate.executes:
            self._clock.after(fate.there, lambda: self._respond(wire, fate, fate.status, fate.body, None))
        elif is_file:
            self._clock.after(fate.there, lambda: self._respond(wire, fate, 200, self.files["/".join(rest[1:])], None))
        else:
            self._clock.after(fate.there, lambda: self._execute(wire, fate, method, request.fields))

    def _find_chat(self, method: str, rest: list[str], fields: dict[str, str]) -> int | None:
        if method == "file" or "file_id" in fields:
            name = rest[-1] if method == "file" else fields["file_id"]
            return int(name.partition("_")[0]) if "_" in name else None
        chat = fields.get("chat_id", "")
        return int(chat) if chat.lstrip("-").isdecimal() else None

    def _execute(self, wire: ClientWire, fate: Fate, method: str, fields: dict[str, str]) -> None:
        if method == "getUpdates":
            self._get_updates(wire, fate, fields)
            return
        status, result, sent = self._carry_out(method, fields)
        if isinstance(result, bytes):
            body = result
        elif fate.way == "unparsable" and sent:
            sent.nameless = True
            body = b'{"ok":true,"result":' + fate.body + b"}"
        else:
            body = json.dumps({"ok": True, "result": result}).encode()
        self._respond(wire, fate, status, body, sent)

    def _get_updates(self, wire: ClientWire, fate: Fate, fields: dict[str, str]) -> None:

        def reply(result: list[Update] | str) -> None:
            if isinstance(result, str):
                self._respond(wire, fate, 409, refuse(409, result), None)
            else:
                updates = ",".join(update.json for update in result)
                self._respond(wire, fate, 200, f'{{"ok":true,"result":[{updates}]}}'.encode(), None)

        limit = int(fields.get("limit", 100))
        self.queue.fetch(int(fields.get("offset", 0)), limit, float(fields.get("timeout", 0)), reply)

    def _carry_out(self, method: str, fields: dict[str, str]) -> tuple[int, Any, Sent | None]:
        """Status, result (the body, where it is a refusal), and the message that was made or changed."""
        chat = int(fields.get("chat_id", 0))
        if chat in self.moved and method in SENDING:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            return 400, refuse(400, text, migrate_to_chat_id=self.moved[chat]), None
        match method:
            case "getMe":
                return 200, BOT, None
            case "getFile":
                if fields["file_id"] not in self.files:
                    return 400, refuse(400, "Bad Request: invalid file_id"), None
                return 200, {"file_id": fields["file_id"], "file_unique_id": "u", "file_path": fields["file_id"]}, None
            case "setWebhook" | "deleteWebhook":
                self.queue.set_webhook(fields if method == "setWebhook" else {})
                return 200, True, None
            case "getWebhookInfo":
                url = (self.queue.webhook or {"url": ""})["url"]
                info = {"url": url, "has_custom_certificate": False, "pending_update_count": len(self.queue.waiting)}
                return 200, info, None
            case "sendMessage" | "sendPhoto":
                return self._send(chat, fields)
            case "editMessageText" | "editMessageReplyMarkup":
                return self._edit(fields)
        return 200, True, None

    def _send(self, chat: int, fields: dict[str, str]) -> tuple[int, Any, Sent | None]:
        parameters = json.loads(fields.get("reply_parameters", "{}"))
        replied = parameters.get("message_id")
        if replied is not None and replied not in self.messages and not parameters.get("allow_sending_without_reply"):
            return 400, refuse(400, "Bad Request: message to be replied not found"), None
        number = FIRST_SENT + len(self.sent)
        text = fields.get("text") or fields.get("caption", "")
        raw = {"message_id": number, "date": int(self._clock.now), "chat": make_chat(chat), "from": BOT, "text": text}
        if "reply_markup" in fields:
            raw["reply_markup"] = json.loads(fields["reply_markup"])
        if replied in self.messages:
            raw["reply_to_message"] = {k: v for k, v in self.messages[replied].items() if k != "reply_to_message"}
        sent = Sent(chat, number, replied, text, raw, self._clock.now, versions=[text])
        self.sent[number] = sent
        self.messages[number] = raw
        self._trace(f"    sent {number} to {chat}, reply to {replied}: {text[:30]!r}")
        self._attribute(sent)
        self.on_sent(sent)
        return 200, raw, sent

    def _attribute(self, sent: Sent) -> None:
        """A reply shows whose message it answers. A plain message that was counted there before was for another."""
        ask = self._find_ask(sent)
        if ask is None:
            return
        others = [answer for answer in ask.answers if sent.reply_to and not answer.reply_to]
        ask.answers = [answer for answer in ask.answers if answer not in others] + [sent]
        self.on_answer(ask, sent)
        for other in others:
            self._attribute(other)

    def _edit(self, fields: dict[str, str]) -> tuple[int, Any, Sent | None]:
        sent = self.sent.get(int(fields.get("message_id", 0)))
        if sent is None or sent.deleted:
            return 400, refuse(400, "Bad Request: message to edit not found"), None
        markup = json.loads(fields["reply_markup"]) if "reply_markup" in fields else None
        text = fields.get("text", sent.text)
        if (text, markup) == (sent.text, sent.raw.get("reply_markup")):
            return 400, refuse(400, "Bad Request: message is not modified"), None
        sent.text = text
        sent.versions.append(text)
        sent.raw |= {"text": text, "reply_markup": markup}
        self._trace(f"    edited {sent.number}: {text[:40]!r}")
        ask = self._find_ask(sent)
        if ask:
            self.on_answer(ask, sent)
        self.on_sent(sent)
        return 200, sent.raw, sent

    def _find_ask(self, sent: Sent) -> Ask | None:
        """Whose message this answers. What is no reply answers the first text in the chat that waits for something.

        Some answers are known by their words, since `/forget` takes back the texts before it.
        """
        chat = self.now_known_as.get(sent.chat, sent.chat)
        if sent.reply_to:
            return self.asks.get((chat, sent.reply_to))
        due = [ask for ask in self.asks.values() if ask.chat == chat and ask.is_due and not self.is_taken_back(ask)]
        waiting = [ask for ask in due if not ask.color]
        kind = next((kind for kind, words in messages.ANSWERS.items() if sent.text.startswith(words)), None)
        meant = [ask for ask in waiting if (ask.kind if ask.kind in messages.ANSWERS else None) == kind]
        if kind == "/forget":  # the last one takes back the others
            meant.reverse()
        return next(iter(meant or waiting), None)

    def is_taken_back(self, ask: Ask) -> bool:
        """`/forget` deletes what was put down for later, too: the person is promised that nothing is kept."""
        wishes = (other for other in self.asks.values() if other.kind == "/forget")
        return any(wish.person == ask.person and wish.at > ask.at and wish.answered_at for wish in wishes)

    def _take_confirmation(self, update: Update) -> None:
        self._trace(f"    confirmed {update.number}")
        self.on_confirmed(update)

    def _respond(self, wire: ClientWire, fate: Fate, status: int, body: bytes, sent: Sent | None) -> None:
        if sent and fate.there + fate.back > REQUEST_SECONDS - 1:  # the run may end before it fails to arrive
            sent.doubtful = True
        if sent:
            sent.known_at = self._clock.now + fate.back
        self._clock.after(fate.back, lambda: self._answer(wire, fate, status, body, sent))

    def _answer(self, wire: ClientWire, fate: Fate, status: int, body: bytes, sent: Sent | None) -> None:
        arrives = not (wire.is_closing() or wire.is_dead) and fate.way in (
            "fine",
            "refuse",
            "late",
            "twice",
            "unparsable",
        )
        if sent and (not arrives or (fate.way == "refuse" and fate.executes)):
            sent.doubtful = True
        if sent and fate.way == "refuse":
            status, body = fate.status, fate.body
        match fate.way:
            case "silence":
                return
            case "reset":
                wire.cut(ConnectionResetError("reset by the simulation"))
            case "cut":
                wire.feed(build_response(status, body)[: -max(1, len(body) // 2)])
                wire.cut()
            case "page" | "garbage":
                wire.feed(build_response(fate.status, fate.body, {"Content-Type": "text/html"}))
            case "twice":
                wire.feed(build_response(status, body) * 2)
            case _:
                wire.feed(build_response(status, body))
        self.on_call()


def make_chat(number: int) -> dict[str, Any]:
    if number > 0:
        return {"id": number, "type": "private", "first_name": "Ada"}
    if number <= -1_000_000:
        return {"id": number, "type": "channel" if number <= -2_000_000 else "supergroup", "title": "Group"}
    return {"id": number, "type": "group", "title": "Group"}
