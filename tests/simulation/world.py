"""A seed's run: people, Telegram, the disk, and the bot's processes, which die and start again."""

from __future__ import annotations

import random
import ssl
from contextlib import ExitStack
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from bot.inference.classifier import Classifier
from bot.inference.contract import Preprocess
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.texts.replies import Replies
from tests.simulation.disk import Disk, RedisServer
from tests.simulation.invariants import Watch
from tests.simulation.loop import START, Clock, VirtualLoop
from tests.simulation.people import Chat, People
from tests.simulation.plan import PACE, Plan
from tests.simulation.process import Process, decode_once, leave_memory, start_connection
from tests.simulation.records import Trace, Update
from tests.simulation.server.fates import Fates, Trouble
from tests.simulation.server.telegram import TOKEN, Telegram

WEBHOOK = "http://bot.example.org/hook"
SETTLES = 900.0
"""Seconds after the last trouble until everything is answered: calls are tried for ten minutes."""
AFTERMATH = 15.0
"""Seconds more, in which nothing is answered a second time."""
STOPS = 45.0
"""Seconds in which SIGTERM ends a process."""
MOST_STARTS = 40
PILES_UP = 96
"""Whose photos pile up while the bot gets no updates."""
GOES_ON = 15
"""Photos of somebody who goes on after a burst. Nobody does while Redis is away, which is worse for the order."""
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used: making one reads all certificates of the system."""


class World:
    def __init__(self, plan: Plan, folder: Path, classifier: Classifier, replies: Replies) -> None:
        self.plan = plan
        self.clock = Clock()
        self.trace = Trace(self.clock.time, START)
        self._rng = Random(f"{plan.seed} world")
        self._classifier = classifier
        self._replies = replies
        self.telegram = Telegram(self.clock, self.trace, Fates(plan.seed, plan.troubles))
        self.people = People(
            plan.seed,
            self.clock,
            self.telegram,
            plan.chats,
            channel_posts=plan.channel_posts,
            comments=plan.comments,
        )
        self.disk = Disk(folder / "state")
        self.redis = RedisServer(lambda: self._rng.uniform(0.0002, 0.004))
        self.donations = folder / "donations"
        self.settings = Settings.from_environment(self._environment())
        self.processes: list[Process] = []
        self.loops: list[VirtualLoop] = []
        """Of all processes that there have been."""
        self.watch = Watch(plan, self.clock, self.telegram, replies)
        self._calls = 0
        self._looks = 0
        self._kills = list(plan.kills)
        self._starts = 0
        self._ending = False
        self._has_forgotten = False
        self._deaths = 0
        self._troubled_until = max([START + plan.busy, *(trouble.end for trouble in plan.troubles)])
        self.telegram.on_call = self._count_call
        self.telegram.on_confirmed = self._on_confirmed
        self.telegram.queue.post = self._post

    def _environment(self) -> dict[str, str]:
        variables = {
            "BOT_TOKEN": TOKEN,
            "TELEGRAM_API_SERVER": "http://127.0.0.1:8081",
            "STATE_DIR": str(self.disk.folder),
            "DONATIONS_DIR": str(self.donations),
            "OWNER_IDS": "7",
            "THREADS": "2",
            "MAX_IN_FLIGHT": str(self.plan.slots),
            "CHANNEL_POSTS": "on" if self.plan.channel_posts else "off",
        }
        variables |= {"WEBHOOK_URL": WEBHOOK} if self.plan.webhook else {}
        return variables | ({"REDIS_URL": "redis://simulated"} if self.plan.redis else {})

    def run(self) -> None:
        """Let the seed's story happen; what went wrong is in `watch.faults`."""
        random.seed(self.plan.seed)  # the bot's jitter
        with ExitStack() as stack:
            for target, stand_in in (
                ("time.time", self.clock.stamp),
                ("time.monotonic", self.clock.time),
                ("sqlite3.connect", self.disk.connect),
                ("bot.storage.redis.state.Redis", self.redis.make_client()),
                ("aiohttp.connector.aiohappyeyeballs.start_connection", start_connection),
                ("ssl.create_default_context", lambda **_: _TLS),
                ("bot.telegram.handlers.photos.decode", self._look),
                ("bot.delivery.at_least_once.give_back_memory", leave_memory),
                ("bot.app.settle_memory", leave_memory),
                # The simulated are one process to the system.
                ("bot.connections.ProcessLock.take", lambda _: True),
                ("bot.connections.ProcessLock.keep", lambda _: True),
            ):
                stack.enter_context(mock.patch(target, stand_in))
            self._schedule()
            self.clock.run(self._troubled_until + SETTLES, self._is_settled)
            self.watch.check_settled()
            self.clock.run(self.clock.now + AFTERMATH)
            self._end()
        self.disk.drop_connections()
        self.watch.check_answers()
        self.watch.check_order()
        self.watch.check_donations(self.donations, self.people.consents)

    def _schedule(self) -> None:
        for number in range(self.plan.replicas):
            self.clock.after(0.1 * number, self._start)
        for _ in range(self.plan.actions):
            chat = self._rng.choice(self.plan.chats)
            self._at(self._rng.uniform(0, self.plan.busy), lambda chat=chat: self.people.act(chat))
        private = [chat for chat in self.plan.chats if chat.is_private]
        if self.plan.poison:
            self._at(self._rng.uniform(0, self.plan.busy), lambda: self.people.show_poison(private[0]))
        if self.plan.flood:
            flooder = Chat(90, (90,))
            self._at(self._rng.uniform(0, self.plan.busy), lambda: self.people.flood(flooder))
        if self.plan.burst is not None:
            self._at(self.plan.burst, lambda: self.people.burst(Chat(95, (95,)), self.plan.burst_color))
            if self.plan.burst_kill is not None:
                self._at(self.plan.burst + self.plan.burst_kill, self._kill_one)
                is_away = any(trouble.kind == "redis away" for trouble in self.plan.troubles)
                for number in range(1, 1 if is_away else GOES_ON + 1):  # until the dead process' claims have ended
                    self._at(self.plan.burst + PACE * number, lambda: self.people.show(Chat(95, (95,))))
        if self.plan.crowd:
            self._at(1, lambda: self.people.show(self.plan.chats[0]))
        for number in range(self.plan.pile):
            self._at(PACE * number, lambda: self.people.show(Chat(PILES_UP, (PILES_UP,))))
        for number in range(1000, 1000 + self.plan.crowd):
            chat = Chat(number, (number,))
            self._at(self._rng.uniform(2, self.plan.busy), lambda chat=chat: self.people.show(chat))
        for _ in range(self._rng.choice((0, 0, 1, 2))):
            self._at(self._rng.uniform(5, self.plan.busy), self.people.repeat)
        albums = Random(f"{self.plan.seed} times of albums")
        groups = [chat for chat in self.plan.chats if not chat.is_private and not chat.is_channel]
        for _ in range(self.plan.albums if groups else 0):
            chat = albums.choice(groups)
            self._at(albums.uniform(0, self.plan.busy), lambda chat=chat: self.people.show_album(chat, albums))
        for seconds in self.plan.stops:
            self._at(seconds, self._stop_one)
        for trouble in self.plan.troubles:
            self._at(trouble.start - START, lambda trouble=trouble: self._begin(trouble))
            self._at(trouble.end - START, lambda trouble=trouble: self._finish(trouble))

    def _at(self, seconds: float, callback: object) -> None:
        self.clock.after(seconds, callback)  # type: ignore[arg-type]

    def _is_settled(self) -> bool:
        now = self.clock.now
        if now <= START + self.plan.busy + 25 or any(trouble.end > now for trouble in self.plan.troubles):
            return False
        return not self.watch.is_anything_due()

    def _begin(self, trouble: Trouble) -> None:
        self.trace(f"trouble: {trouble.kind} {trouble.chat or ''}")
        match trouble.kind:
            case "database or disk is full" | "database is locked" | "disk I/O error":
                self.disk.trouble = trouble.kind
            case "redis away":
                self.redis.is_away = True
            case "redis forgets":
                self._forget()
            case "move" if trouble.chat is not None and trouble.chat > -1000 and trouble.chat < 0:
                self.telegram.moved[trouble.chat] = trouble.chat - 1_000_000
                self.telegram.now_known_as[trouble.chat - 1_000_000] = trouble.chat

    def _finish(self, trouble: Trouble) -> None:
        self.trace(f"no more: {trouble.kind} {trouble.chat or ''}")
        if trouble.kind == self.disk.trouble:
            self.disk.trouble = None
        if trouble.kind == "redis away":
            self.redis.is_away = False

    def _start(self) -> None:
        self._starts += 1
        if self._starts > MOST_STARTS:
            self.watch.complain("the bot was started too often")
            return
        self.trace("start")
        process = Process(
            self.clock,
            self.telegram,
            self._on_exit,
            self._on_death,
            lambda: self._rng.uniform(0.001, 0.03),
            self.watch.complain,
        )
        self.processes.append(process)
        self.loops.append(process.loop)
        process.start(self.settings, self._classifier, self._replies)

    def _on_exit(self, process: Process, error: BaseException | None) -> None:
        asked = process.stopping_since is not None
        self.trace(f"exit: {error!r}")
        self.watch.note_stop()
        # That the token was good is a note in the state: a new process cannot doubt a 401 where that is gone.
        is_excused = self._has_forgotten and isinstance(error, SettingsError) and "not a token" in str(error)
        if (error is not None or not asked) and not is_excused:
            self.watch.complain(f"the bot ended by itself: {error!r}")
        self._restart(process)

    def _on_death(self, process: Process) -> None:
        self.trace("death")
        self._deaths += 1
        self.watch.note_death()
        self._restart(process)

    def _restart(self, process: Process) -> None:
        self.processes.remove(process)
        if not self.plan.redis:
            self.disk.drop_connections()
            if self.plan.damage is not None and self._deaths == 1:
                self.disk.damage(self.plan.damage)
                self._has_forgotten = True
                self.watch.note_loss("the ledger was damaged")
                self._deaths += 1
        if not self._ending:
            self._at(self._rng.uniform(0.2, 2), self._start)

    def _stop_one(self) -> None:
        if self.processes:
            self.trace("SIGTERM")
            self._rng.choice(self.processes).stop()

    def _count_call(self) -> None:
        self._calls += 1
        if self._kills and self._calls >= self._kills[0]:
            del self._kills[0]
            self._kill_one()

    def _look(self, data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
        """In place of `decode`: in the middle of it, Redis may forget everything."""
        self._looks += 1
        if self._looks == self.plan.forget_in_look:
            self._forget()
            if self.plan.forget_kill is not None:
                self._at(self.plan.forget_kill, self._kill_one)
        return decode_once(data, preprocess)

    def _forget(self) -> None:
        self.redis.forget()
        self._has_forgotten = True
        self.watch.note_loss("Redis forgot")

    def _kill_one(self) -> None:
        if self.processes and not self._ending:
            self._rng.choice(self.processes).die()

    def _on_confirmed(self, update: Update) -> None:
        if update.ask and update.ask.is_due and self._rng.random() < self.plan.kill_when_confirmed:
            self._at(self._rng.choice((0.0, 0.01, 0.5)), self._kill_one)

    def _post(self, body: bytes, secret: str, answered: object) -> None:
        listening = [process for process in self.processes if process.serving]
        if listening:
            self._rng.choice(listening).post("/hook", body, secret, answered)  # type: ignore[arg-type]
        else:
            answered(None, {})  # type: ignore[operator]

    def _end(self) -> None:
        """SIGTERM for everybody: each ends in time."""
        self._ending = True
        for process in list(self.processes):
            process.stop()
        self.clock.run(self.clock.now + STOPS, lambda: not self.processes)
        for process in list(self.processes):
            self.watch.complain(f"SIGTERM did not end the bot in {STOPS:.0f} s")
            process.loop.discard()
