"""What is known of a run from outside of the bot: what people sent, what the bot sent, and in which order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(eq=False)
class Sent:
    """A message that the bot sent, and that Telegram took."""

    chat: int
    number: int
    reply_to: int | None
    text: str
    raw: dict[str, Any]
    at: float
    known_at: float = 0.0
    """When the bot learns that it was taken."""
    doubtful: bool = False
    """The bot never learned that it was taken, so it may send it once more."""
    nameless: bool = False
    """The bot never learned its number, so it cannot edit it."""
    deleted: bool = False
    versions: list[str] = field(default_factory=list)
    """Every text that the message has had."""


@dataclass(eq=False)
class Ask:
    """A message of a person, and what it should bring."""

    chat: int
    number: int
    person: int
    at: float
    kind: str
    expects: str
    """`named`: an answer with `color`; `apology`; `refusal`; `any` answer; `nothing` in particular."""
    color: str = ""
    album: str = ""
    answers: list[Sent] = field(default_factory=list)
    answered_at: float | None = None
    is_renumbered: bool = False
    """It came a second time as another update."""
    waived: str = ""
    """Why an answer is no longer due."""
    repeats: int = 0
    """Second answers that the bot cannot help: it was killed, or lost its memory, before it had noted the first."""

    @property
    def is_due(self) -> bool:
        return self.expects != "nothing" and self.answered_at is None and not self.waived

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.person} in {self.chat}"


@dataclass(eq=False)
class Update:
    """An update in Telegram's queue for the bot."""

    number: int
    raw: Any
    lane: int
    """The chat whose updates a webhook gets one at a time."""
    at: float
    ask: Ask | None = None

    @cached_property
    def json(self) -> str:
        """As it was when it was first sent, however often that is."""
        return json.dumps(self.raw)


class Trace:
    """What happened, line by line. Two runs of a seed have the same digest."""

    def __init__(self, time: Callable[[], float], start: float) -> None:
        self._time = time
        self._start = start
        self._hash = hashlib.sha256()
        self.lines: list[str] = []

    def __call__(self, text: str) -> None:
        line = f"{self._time() - self._start:10.3f} {text}"
        self._hash.update(line.encode())
        self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:16]
