"""One run: photos by the hundred, faults by chance, kills at random moments; and what came of it."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polib

from tests.stress.chaos.fleet import start_fleet
from tests.stress.chaos.processes import Process
from tests.support.paths import ROOT
from tests.support.photos import COLORS, draw
from tests.support.telegram import Faults, Telegram

MODEL = ROOT / "artifacts" / "mask.onnx"
EACH = 4
"""Photos of one person: few enough that no limit of the bot's or Telegram's on one chat is met."""
PER_SECOND = 12.0
"""Photos sent a second, in the mean. Telegram takes 30 answers a second."""
SLOW_SECONDS, HANG_SECONDS = 1.0, 2.0
UNREADABLE: tuple[dict[str, Any], ...] = (
    {},
    {"brand_new": {"id": 1}},
    {"message": None},
    {"poll_answer": {"poll": 1}},
    {"chat_member": {"new_chat_member": {"status": "ghost"}}},
    {"message": {"message_id": 1, "date": 1, "chat": {"id": -5, "type": "group"}, "forward_origin": {"type": "user"}}},
)
"""Updates that aiogram cannot parse."""
UNREADABLE_EVERY = 25
"""Photos between two of them. The reference gets none: its polling would end with the first."""
MOMENT = 1.0
"""A kill comes at a random moment within so many seconds from when it is due and the bot is up."""
FULL_EVERY, FULL_SECONDS, FULL_AFTER = 5, 3.0, 4.0
"""Kills between two times at which the disk is full, for how long, and until the next kill: answers are noted then."""
PATIENCE = 120.0
"""Seconds that a bot has for the rest, once all photos are sent and it is up after the last kill."""
QUIET = 10.0
"""Seconds without an answer after which none is waited for, if Telegram has nothing left to deliver."""


@dataclass(frozen=True)
class Result:
    """What came of one run."""

    complete: bool
    """All photos were sent and all kills done before the time was up."""
    sent: int
    answered: int
    refused: int
    """Of `answered`: with an apology or a refusal, not with what the photo shows."""
    twice: int
    """Answers to a photo beyond the first."""
    kills: int
    ends: int
    """Times that a bot ended by itself. It was started again, as systemd does."""
    faults: Counter[str]
    limited: int
    """Messages that Telegram refused because they came too fast."""
    waits: list[float]
    """Seconds from each photo to its answer, sorted."""
    peak: int
    """The most memory that one process held, in kB."""
    seconds: float

    @property
    def unanswered(self) -> int:
        return self.sent - self.answered

    @property
    def keeps_the_rules(self) -> bool:
        return self.complete and self.unanswered == 0 and self.twice <= self.kills

    def wait(self, share: float) -> float:
        """The seconds that `share` of the answers took at most; nan if there are none."""
        return self.waits[int(share * (len(self.waits) - 1))] if self.waits else float("nan")


def run_mode(
    mode: str,
    *,
    photos: int = 1000,
    kills: int = 20,
    fault_rate: float = 0.1,
    seed: int = 1,
    model: Path = MODEL,
    seconds: float = 150,
    folder: Path | None = None,
) -> Result:
    """Run one of MODES, for `seconds` at most. State and logs go to `folder`; without one they are not kept."""
    with tempfile.TemporaryDirectory() as temporary, closing(Telegram()) as telegram:
        telegram.enforce_limits = True
        telegram.faults = Faults(fault_rate, seed, slow_seconds=SLOW_SECONDS, hang_seconds=HANG_SECONDS)
        with start_fleet(mode, telegram, model, folder or Path(temporary)) as bots:
            unreadable = () if mode == "reference" else UNREADABLE
            run = _Run(telegram, bots, unreadable, photos=photos, kills=kills, seed=seed, seconds=seconds)
            run.keeps_files = mode in ("polling", "webhook") and sys.platform == "linux"
            return run.go()


class _TimeIsUp(Exception):  # noqa: N818
    pass


class _Run:
    def __init__(
        self,
        telegram: Telegram,
        bots: list[Process],
        unreadable: Sequence[dict[str, Any]],
        *,
        photos: int,
        kills: int,
        seed: int,
        seconds: float,
    ) -> None:
        self._telegram, self._bots, self._unreadable = telegram, bots, unreadable
        self.keeps_files = False
        """The bots keep their state in files, and Linux can have these grow no more: the disk may be full."""
        self._started_at = time.monotonic()
        self._deadline = self._started_at + seconds
        self._sent: list[int] = []
        self._kills = 0
        self._time_is_up = threading.Event()
        # Each has a chance of its own, so that no photo depends on how the kills go.
        chance = random.Random(f"{seed} photos")
        self._users = [1 + number // EACH for number in range(photos)]
        chance.shuffle(self._users)
        self._pauses = [chance.expovariate(PER_SECOND) for _ in range(photos)]
        chance = random.Random(f"{seed} kills")
        self._moments = [chance.uniform(0, MOMENT) for _ in range(kills)]
        self._milestones = [round(number * photos / (kills + 1)) for number in range(1, kills + 1)]
        """How many photos are sent before each kill."""

    def go(self) -> Result:
        sender = threading.Thread(target=self._send_photos)
        try:
            self._wait_until(self._is_up)
            sender.start()
            for number, (moment, milestone) in enumerate(zip(self._moments, self._milestones, strict=True)):
                if self.keeps_files and number % FULL_EVERY == 1:
                    self._fill_disk()
                self._kill_one(moment, milestone)
            self._wait_until(lambda: self._is_up() and len(self._sent) == len(self._users))
            complete = True
            self._wait_for_the_rest()
        except _TimeIsUp:
            complete = len(self._sent) == len(self._users) and self._kills == len(self._moments)
        finally:
            self._time_is_up.set()
            if sender.ident:
                sender.join()
        return self._sum_up(complete)

    def _send_photos(self) -> None:
        photos = [draw(color) for color in COLORS]
        # No further than to the milestone behind the next kill: every kill is under load, however long a start takes.
        ends = [*self._milestones[1:], len(self._users), len(self._users)]
        for number, (user, pause) in enumerate(zip(self._users, self._pauses, strict=True)):
            self._time_is_up.wait(pause)
            while number >= ends[self._kills] and not self._time_is_up.wait(0.02):
                pass
            if self._time_is_up.is_set():
                return
            if self._unreadable and number % UNREADABLE_EVERY == 0:
                self._telegram.send_raw(self._unreadable[number // UNREADABLE_EVERY % len(self._unreadable)])
            self._sent.append(self._telegram.send_photo(photos[number % len(photos)], user=user))

    def _kill_one(self, moment: float, milestone: int) -> None:
        bot = self._bots[self._kills % len(self._bots)]
        self._wait_until(lambda: len(self._sent) >= milestone and bot.is_up())
        due = time.monotonic() + moment
        self._wait_until(lambda: time.monotonic() >= due)
        bot.kill()
        self._kills += 1

    def _fill_disk(self) -> None:
        """Once the bots are up: their state cannot be written for a time."""
        self._wait_until(self._is_up)
        for size, seconds in ((0, FULL_SECONDS), (None, FULL_AFTER)):
            for bot in self._bots:
                bot.limit_files(size)
            until = time.monotonic() + seconds
            self._wait_until(lambda until=until: time.monotonic() >= until)  # type: ignore[misc]
        assert self._telegram.faults
        self._telegram.faults.injected["full-disk"] += 1

    def _wait_for_the_rest(self) -> None:
        began = time.monotonic()

        def is_over() -> bool:
            now = time.monotonic()
            last = max([began, *(at for at, _ in self._telegram.sent_at[-1:])])
            nothing_left = self._telegram.unconfirmed == 0 and (
                self._answered() == len(self._sent) or now > last + QUIET
            )
            return nothing_left or now > began + PATIENCE

        self._wait_until(is_over)
        time.sleep(1)  # a second answer may be on its way

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if time.monotonic() > self._deadline:
                raise _TimeIsUp
            for bot in self._bots:
                bot.tend()
            time.sleep(0.02)

    def _is_up(self) -> bool:
        return all(bot.is_up() for bot in self._bots)

    def _answered(self) -> int:
        return len(self._telegram.replies.keys() & self._sent)

    def _sum_up(self, complete: bool) -> Result:
        telegram = self._telegram
        refusals = _list_refusals()
        assert telegram.faults
        return Result(
            complete=complete,
            sent=len(self._sent),
            answered=self._answered(),
            refused=sum(text in refusals for text in telegram.answers().values()),
            twice=sum(telegram.replies.values()) - len(telegram.replies),
            kills=self._kills,
            ends=sum(bot.ends for bot in self._bots),
            faults=telegram.faults.injected,
            limited=telegram.limited,
            waits=sorted(telegram.waits().values()),
            peak=max(bot.peak() for bot in self._bots),
            seconds=time.monotonic() - self._started_at,
        )


def _list_refusals() -> set[str]:
    """What the bot says to a photo when it does not say what it shows."""
    told = {("bot", "failed"), ("bot", "slow-down")}
    entries = polib.pofile(str(ROOT / "bot" / "texts" / "en.po"))
    return {str(e.msgstr) for e in entries if e.msgctxt == "refusal" or (e.msgctxt, e.msgid) in told}
