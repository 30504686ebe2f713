"""Telegram's queue of updates for the bot: kept until confirmed, and for 24 hours; fetched, or brought to a webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tests.simulation.loop import Clock
from tests.simulation.records import Trace, Update

KEPT = 24 * 3600.0
LIMIT = 100
POST_SECONDS = 60.0
"""Telegram gives up on a webhook's answer after that, and comes again."""
PAUSES = (0.5, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Seconds between two tries of a webhook, where it does not name a time itself."""


Reply = Callable[[list[Update] | str], None]
"""Takes what getUpdates brings, or the text of a conflict."""


class Courier(Protocol):
    def __call__(self, body: bytes, secret: str, answered: Callable[[int | None, Mapping[str, str]], None]) -> None: ...


class Queue:
    def __init__(self, clock: Clock, trace: Trace, confirmed: Callable[[Update], None]) -> None:
        self._clock = clock
        self._trace = trace
        self._confirmed = confirmed
        self.waiting: dict[int, Update] = {}
        self.webhook: dict[str, str] | None = None
        self.post: Courier | None = None
        """Brings a body to some process of the bot."""
        self._poll: tuple[int, Reply] | None = None
        """The getUpdates that waits, and its number."""
        self._polls = 0
        self._busy: set[int] = set()
        """Lanes of which an update is with the webhook, or waits for its next try."""
        self._under_way = 0

    def put(self, update: Update) -> None:
        self.waiting[update.number] = update
        self._clock.after(KEPT, lambda: self._expire(update))
        if self.webhook:
            self._send()
        elif self._poll:
            self._end_poll(self._first(0))

    def fetch(self, offset: int, limit: int, timeout: float, reply: Reply) -> None:
        """getUpdates: what is below `offset` is confirmed; `reply` gets the rest, or the text of a conflict."""
        if self.webhook:
            reply("Conflict: can't use getUpdates method while webhook is active")
            return
        self._end_poll("Conflict: terminated by other getUpdates request")
        for number in [number for number in self.waiting if number < offset]:
            self._confirm(self.waiting[number])
        updates = self._first(limit)
        if updates or timeout <= 0:
            reply(updates)
            return
        self._polls += 1
        number = self._polls
        self._poll = number, reply
        self._clock.after(timeout, lambda: self._end_poll([], number))

    def set_webhook(self, fields: dict[str, str]) -> None:
        self.webhook = fields if fields.get("url") else None
        self._end_poll("Conflict: terminated by setWebhook request")
        self._send()

    def _first(self, limit: int) -> list[Update]:
        return [self.waiting[number] for number in sorted(self.waiting)[: limit or LIMIT]]

    def _end_poll(self, result: list[Update] | str, number: int | None = None) -> None:
        if self._poll and number in (None, self._poll[0]):
            reply, self._poll = self._poll[1], None
            reply(result)

    def _confirm(self, update: Update) -> None:
        del self.waiting[update.number]
        self._confirmed(update)

    def _expire(self, update: Update) -> None:
        if self.waiting.get(update.number) is update:
            del self.waiting[update.number]
            if update.ask and update.ask.is_due:
                update.ask.waived = "24 hours"

    def _send(self) -> None:
        """Bring each lane's first update to the webhook."""
        if self.webhook is None:
            return
        most = int(self.webhook.get("max_connections", 40))
        for number in sorted(self.waiting):
            update = self.waiting[number]
            if update.lane not in self._busy and self._under_way < most:
                self._busy.add(update.lane)
                self._try(update, 0)

    def _try(self, update: Update, attempt: int) -> None:
        if self.webhook is None or update.number not in self.waiting:
            self._busy.discard(update.lane)
            self._send()
            return
        self._under_way += 1
        answers: list[int | None] = []

        def answered(status: int | None, headers: Mapping[str, str]) -> None:
            if answers:
                return
            answers.append(status)
            self._under_way -= 1
            self._trace(f"webhook {update.number}: {status}")
            if status is not None and 200 <= status < 300:
                self._busy.discard(update.lane)
                if update.number in self.waiting:
                    self._confirm(update)
                self._send()
                return
            asked = headers.get("retry-after", "")
            pause = float(asked) if asked.isdecimal() else PAUSES[min(attempt, len(PAUSES) - 1)]
            self._clock.after(pause, lambda: self._try(update, attempt + 1))
            self._send()

        assert self.post
        self._clock.after(POST_SECONDS, lambda: answered(None, {}))
        self.post(update.json.encode(), self.webhook.get("secret_token", ""), answered)
