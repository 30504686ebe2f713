"""What becomes of a call to Telegram: drawn from the seed, by method and chat.

One call more changes no other's fate.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

GARBAGE = (b"", b"null", b"[]", b"7", b'{"ok": true', b"\xff\xfe", b'{"result": []}', b"<html>busy</html>")
FILE_PAGES = (b"", b"<html>busy</html>", b"\n<!DOCTYPE html>busy", b'{"ok": false}', b'{"ok":false,"error_code":502}')
"""What a gateway may send in the place of a file."""
PAGES = (200, 200, 301, 304, 403, 404, 418, 429, 500, 501, 502, 502, 503, 504, 520, 599)
SERVER_ERRORS = (500, 500, 501, 502, 503, 504, 507, 520, 599)
REFUSALS: tuple[tuple[int, str], ...] = (
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: message to be replied not found"),
    (400, "Bad Request: not enough rights to send text messages to the chat"),
    (400, "Bad Request: TOPIC_CLOSED"),
    (400, "Bad Request: something that nobody has heard of"),
    (402, "Payment Required"),
    (403, "Forbidden: bot was blocked by the user"),
    (403, "Forbidden: bot was kicked from the supergroup chat"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (409, "Conflict"),
    (413, "Request Entity Too Large"),
    (418, "I'm a teapot"),
    (420, "FLOOD_WAIT_X"),
    (422, "Unprocessable Entity"),
    (451, "Unavailable For Legal Reasons"),
)
UNPARSABLE: tuple[Any, ...] = ({}, None, 7, "done", [], {"message_id": "x"}, {"message_id": 1, "date": "never"})
"""What else may stand as the `result` of a call that was carried out."""
SENDING = frozenset({"sendMessage", "sendPhoto", "editMessageText", "editMessageReplyMarkup", "sendChatAction"})
LOSSES = ("reset", "reset", "silence", "cut", "late", "twice", "page", "page", "garbage", "error", "slow down")
"""What the network and gateways do to a call."""


@dataclass(frozen=True)
class Fate:
    """`way`: fine, refuse, page, garbage, unparsable, reset, silence, cut, late, twice."""

    way: str = "fine"
    executes: bool = True
    status: int = 200
    body: bytes = b""
    there: float = 0.02
    """Seconds until the call is carried out."""
    back: float = 0.02
    """Seconds from then until the answer is there."""


@dataclass
class Trouble:
    """`kind` of trouble from `start` to `end`, with one chat, or with everybody (None)."""

    kind: str
    start: float
    end: float
    chat: int | None = None
    strength: float = 1.0
    """Of calls, how many are struck."""
    status: int = 400
    text: str = ""
    hits: int = field(default=0, compare=False)

    def is_on(self, now: float) -> bool:
        return self.start <= now < self.end


class Fates:
    def __init__(self, seed: int, troubles: list[Trouble]) -> None:
        self._seed = seed
        self.troubles = troubles
        self._calls: Counter[str] = Counter()

    def draw(self, method: str, chat: int | None, now: float) -> Fate:
        """The fate of this call."""
        name = f"{method} {chat}"
        self._calls[name] += 1
        rng = Random(f"{self._seed} {name} {self._calls[name]}")
        there, back = rng.uniform(0.005, 0.08), rng.uniform(0.005, 0.08)
        for trouble in self.troubles:
            concerned = trouble.is_on(now) and trouble.chat in (None, chat)
            if concerned and rng.random() < trouble.strength:
                fate = _strike(trouble, method, rng, there, back, now)
                if fate is not None:
                    trouble.hits += 1
                    return fate
        return Fate(there=there, back=back)


def refuse(status: int, text: str, **parameters: int) -> bytes:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": text}
    return json.dumps(body | ({"parameters": parameters} if parameters else {})).encode()


def _strike(trouble: Trouble, method: str, rng: Random, there: float, back: float, now: float) -> Fate | None:
    """What the trouble does to a call; None: it leaves this method alone."""

    def refused(status: int, text: str, **parameters: int) -> Fate:
        return Fate("refuse", False, status, refuse(status, text, **parameters), there, back)

    match trouble.kind:
        case "net":
            return _lose(method, rng, there, back)
        case "outage":
            way = rng.choice(("reset", "page", "silence"))
            return Fate(way, False, 502, b"<html>502 Bad Gateway</html>", there, back)
        case "polls" if method == "getUpdates":
            return _spoil_poll(rng, there, back)
        case "unauthorized":
            return refused(401, "Unauthorized")
        case "hold" if method in SENDING:
            left = max(1, round(trouble.end - now))
            return refused(429, f"Too Many Requests: retry after {left}", retry_after=left)
        case "errors" if method in SENDING:
            status = rng.choice(SERVER_ERRORS)
            more = {"retry_after": 86400} if rng.random() < 0.2 else {}  # only a 429's is believed
            return refused(status, "Internal Server Error", **more)
        case "mute" if method in SENDING:
            return Fate("silence", False, there=there)
        case "refusals" if method in SENDING:
            return refused(trouble.status, trouble.text)
        case "unparsable" if method in SENDING:
            return Fate("unparsable", True, 200, json.dumps(rng.choice(UNPARSABLE)).encode(), there, back)
        case "file errors" if method == "file":
            return Fate("page", False, rng.choice((500, 502, 503, 404, 429)), b"<html>busy</html>", there, back)
        case "file errors" if method == "getFile":
            text = "Bad Request: wrong file_id or the file is temporarily unavailable"
            return refused(400, text) if trouble.status == 400 else None
        case "file pages" if method == "file":
            return Fate("page", False, 200, rng.choice(FILE_PAGES), there, back)
        case "file stalls" if method == "file":
            return Fate("silence", False, there=there)
        case "edits refused" if method == "editMessageText":
            return refused(400, "Bad Request: message to edit not found")
    return None


def _lose(method: str, rng: Random, there: float, back: float) -> Fate:
    """A fault of the network or of a gateway: the call may have been carried out."""
    way = rng.choice(LOSSES)
    executes = rng.random() < 0.5
    match way:
        case "late":
            return Fate("late", True, there=there, back=rng.uniform(1, 40))
        case "twice":
            return Fate("twice", True, there=there, back=back)
        case "garbage" if method == "file":
            return Fate("page", False, 200, rng.choice(FILE_PAGES), there, back)
        case "page":
            return Fate("page", executes, rng.choice(PAGES), b"<html>a page</html>", there, back)
        case "garbage":
            return Fate("garbage", executes, 200, rng.choice(GARBAGE), there, back)
        case "error":
            status = rng.choice(SERVER_ERRORS)
            return Fate("refuse", executes, status, refuse(status, "Internal Server Error"), there, back)
        case "slow down" if method != "file":
            left = rng.choice((1, 1, 2, 5))
            return Fate("refuse", False, 429, refuse(429, f"retry after {left}", retry_after=left), there, back)
    return Fate("reset" if way == "slow down" else way, executes, there=there, back=back)


def _spoil_poll(rng: Random, there: float, back: float) -> Fate:
    """getUpdates is answered with something that is no list of updates."""
    if rng.random() < 0.4:
        result: Any = rng.choice(("x", {}, 7, None, [7], ["x"], [None], [[]], [{}], [{"update_id": "x"}]))
        return Fate("garbage", False, 200, json.dumps({"ok": True, "result": result}).encode(), there, back)
    status, text = rng.choice(
        (
            (400, "Bad Request"),
            (403, "Forbidden"),
            (405, "Method Not Allowed"),
            (409, "Conflict: terminated by other getUpdates request"),
            (420, "FLOOD_WAIT_X"),
            (429, "Too Many Requests: retry after 2"),
            (500, "Internal Server Error: restart"),
            (502, "Bad Gateway"),
        )
    )
    parameters = {"retry_after": 2} if status == 429 else {}
    return Fate("refuse", False, status, refuse(status, text, **parameters), there, back)
