"""What must hold in every run, whatever befell the bot."""

from __future__ import annotations

import math
from pathlib import Path

from bot.delivery.lanes.waiting import PATIENCE
from bot.inference.decoding import Reason
from bot.telegram.media.albums import PAUSES
from bot.texts.replies import Replies
from tests.simulation.loop import Clock
from tests.simulation.plan import Plan
from tests.simulation.records import Ask, Sent
from tests.simulation.server.messages import COLORS
from tests.simulation.server.photos import read_person
from tests.simulation.server.telegram import Telegram

TEXTS = ("text", "/donate", "/forget")
"""Kinds of messages that need no file."""
ORDERED = ("photo", "document", "forwarded", "damaged photo")
"""Kinds of messages that are answered by a reply each, as soon as their turn comes."""
ORDERLY = ("hold", "errors", "unparsable", "polls")
"""Kinds of trouble that strike no download."""
AT_ONCE = 8.0
"""Seconds in which everybody is answered while nothing is wrong with them: with who they are, and with everybody."""
TEXT_AT_ONCE = 2.5
"""The same for a text whose chat is well but for its files, by polling: a webhook waits three seconds for the photo."""
NOTED = 3.0
"""Seconds from an answer until it is noted: who dies sooner may give it again."""
STALE = 60.0
"""Seconds without a poll after which polling is dead: an unanswered one ends after 45, and the next may wait for 10."""


class Watch:
    """Sees what the bot does, and collects its faults."""

    def __init__(self, plan: Plan, clock: Clock, telegram: Telegram, replies: Replies) -> None:
        self._plan = plan
        self._clock = clock
        self._telegram = telegram
        self.faults: list[str] = []
        telegram.on_answer = self._on_answer
        languages = [*replies.languages, None]
        self._apologies = {replies.text("bot", "failed", language) for language in languages}
        self._slow_down = {replies.text("bot", "slow-down", language) for language in languages}
        self._refusals = {replies.refuse(reason, language): reason.value for reason in Reason for language in languages}
        self._deaths = 0
        self._torn: set[str] = set()
        """Albums of which the state has forgotten a part, such as who was meant."""

    def complain(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    def is_anything_due(self) -> bool:
        return any(ask.is_due for ask in self._telegram.asks.values()) or bool(self._telegram.queue.waiting)

    def note_death(self) -> None:
        """What was sent a moment ago, or could not be noted since, may come once more."""
        self._deaths += 1
        for ask in self._telegram.asks.values():
            if ask.answers and (ask.answers[-1].known_at > self._clock.now - NOTED or self._was_unable_to_note(ask)):
                ask.repeats += 1

    def note_stop(self) -> None:
        """What could not be noted since it was sent may come once more."""
        for ask in self._telegram.asks.values():
            if ask.answers and self._was_unable_to_note(ask):
                ask.repeats += 1

    def _was_unable_to_note(self, ask: Ask) -> bool:
        at = ask.answers[-1].at - NOTED
        state = [trouble for trouble in self._plan.troubles if "disk" in trouble.kind or "database" in trouble.kind]
        state += [trouble for trouble in self._plan.troubles if "redis" in trouble.kind]
        return any(trouble.start < ask.answers[-1].at + NOTED and trouble.end > at for trouble in state)

    def note_loss(self, what: str) -> None:
        """The state is gone: answers may come again, and what was put down is lost (docs/replicas.md)."""
        held = [update.ask for update in self._telegram.queue.waiting.values()]
        for ask in self._telegram.asks.values():
            ask.repeats += 1
            if ask not in held:
                ask.waived = what
            self._torn |= {ask.album} - {""}

    def _on_answer(self, ask: Ask, sent: Sent) -> None:
        if ask.album:
            self._count_lines([other for other in self._telegram.asks.values() if other.album == ask.album])
            return
        ask.answered_at = ask.answered_at or self._clock.now
        outcome = self._read(sent.text)
        if outcome == "slow down" and ask.expects != "nothing":
            self.complain(f"told to slow down: {ask}")
        expected = {
            "named": outcome == f"named {ask.color}",
            "apology": outcome == "apology",
            "refusal": outcome.startswith("refusal"),
        }.get(ask.expects, True)
        if not expected and not (outcome == "apology" and self._deaths >= 3):
            self.complain(f"{ask} wants {ask.expects} {ask.color}, got {outcome}: {sent.text[:60]!r}")

    def _read(self, text: str) -> str:
        if text in self._apologies:
            return "apology"
        if text in self._slow_down:
            return "slow down"
        if text in self._refusals:
            return f"refusal {self._refusals[text]}"
        first = text.partition("\n")[0]
        color = next((color for color in COLORS if color in first), None)
        return f"named {color}" if color else "something else"

    def check_settled(self) -> None:
        """Everything is answered, and Telegram holds nothing for the bot any more."""
        for ask in self._telegram.asks.values():
            is_excused = self._is_finally_refused(ask) or self._telegram.is_taken_back(ask) or ask.album in self._torn
            if ask.is_due and not is_excused:
                self.complain(f"never answered: {ask}")
        for update in self._telegram.queue.waiting.values():
            self.complain(f"never confirmed: update {update.number} ({update.ask or 'of no message'})")
        if not self._plan.webhook and self._clock.now - self._telegram.polled_at > STALE:
            self.complain("polling has ended")

    def check_answers(self) -> None:
        for ask in self._telegram.asks.values():
            self._check_repeats(ask)
            waited = (ask.answered_at or ask.at) - ask.at
            waits_for_mention = ask.album and ask.chat < 0
            if self._plan.is_fair and waited > self._limit(ask) and not waits_for_mention and not self._is_struck(ask):
                self.complain(f"waited {waited:.1f} s for others: {ask}")

    def check_order(self) -> None:
        """The photos of a chat are answered in their order, unless what holds one up is its file or the bot's state."""
        if self._plan.webhook or self._plan.damage is not None:
            return
        if any(trouble.kind not in ORDERLY for trouble in self._plan.troubles if trouble.chat is None):
            return
        unordered = {trouble.chat for trouble in self._plan.troubles if trouble.kind not in ORDERLY}
        latest: dict[int, Ask] = {}
        asks = [ask for ask in self._telegram.asks.values() if ask.kind in ORDERED and not ask.is_renumbered]
        for ask in sorted((ask for ask in asks if ask.answered_at is not None), key=lambda ask: ask.number):
            before = latest.setdefault(ask.chat, ask)
            if ask.chat not in unordered and (before.answered_at or 0.0) > (ask.answered_at or 0.0):
                self.complain(f"answered before {before}: {ask}")
                unordered.add(ask.chat)
            latest[ask.chat] = max(before, ask, key=lambda ask: ask.answered_at or 0.0)

    def _check_repeats(self, ask: Ask) -> None:
        doubts = sum(sent.doubtful or sent.deleted or (sent.nameless and ask.album != "") for sent in ask.answers)
        if ask.expects != "nothing" and len(ask.answers) > 1 + doubts + ask.repeats:
            numbers = [sent.number for sent in ask.answers]
            self.complain(f"answered {len(ask.answers)} times, {doubts + ask.repeats} excused: {ask} by {numbers}")

    def _count_lines(self, album: list[Ask]) -> None:
        """As many photos of a colour are answered as have a line in an answer of their album."""
        answers = {id(sent): sent for ask in album for sent in ask.answers}.values()
        for color in COLORS:
            lines = sum(max(text.count(f" {color}") for text in sent.versions) for sent in answers)
            of_color = [ask for ask in album if ask.color == color]
            for ask in sorted(of_color, key=lambda ask: bool(ask.waived))[:lines]:
                ask.answered_at = ask.answered_at or self._clock.now

    def _limit(self, ask: Ask) -> float:
        """Seconds in which it is answered though other chats, or its chat's files, are in trouble."""
        if ask.expects == "nothing":
            return math.inf
        if ask.kind not in TEXTS or self._plan.crowd:
            return AT_ONCE + (PAUSES[-1] if ask.album else 0.0)  # its line is gathered with others'
        return AT_ONCE + PATIENCE * self._count_before(ask) if self._plan.webhook else TEXT_AT_ONCE

    def _count_before(self, ask: Ask) -> int:
        """Photos of its chat that wait before it: a webhook gets a chat's updates one by one."""
        others = [other for other in self._telegram.asks.values() if other.chat == ask.chat and other.at < ask.at]
        return sum(other.kind not in TEXTS and (other.answered_at or math.inf) > ask.at for other in others)

    def _is_struck(self, ask: Ask) -> bool:
        """Something is wrong with its chat, and concerns it: a file that does not come holds up no text."""
        troubles = [trouble for trouble in self._plan.troubles if trouble.chat == ask.chat]
        return any(not (ask.kind in TEXTS and trouble.kind.startswith("file")) for trouble in troubles)

    def _is_finally_refused(self, ask: Ask) -> bool:
        return any(t.kind == "refusals" and t.chat == ask.chat and t.hits for t in self._plan.troubles)

    def check_donations(self, folder: Path, consents: dict[int, list[tuple[float, bool]]]) -> None:
        agreed = {person & 0xFF for person in consents}
        for file in folder.glob("*/*"):
            person = read_person(file)
            if person not in agreed:
                self.complain(f"a photo of {person} was stored, who never agreed")
