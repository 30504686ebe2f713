"""One process of the bot: the real `bot.app.run` on a virtual loop, which can be killed or asked to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.app import run
from bot.inference.classifier import Classifier, Prediction
from bot.inference.decoding import decode
from bot.settings.settings import Settings
from bot.texts.replies import Replies
from tests.simulation.loop import Clock, VirtualLoop
from tests.simulation.server.photos import CURSED, POISON
from tests.simulation.server.telegram import Telegram
from tests.simulation.server.wires import ClientWire, ServerWire, build_request

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


decode_once = cache(decode)
"""The same photos come in many runs."""


class Death(BaseException):
    """The process dies here."""


class SimulatedClassifier(Classifier):
    """The real one, but for two colours: one brings the process down, the other raises. It remembers what it said."""

    def __init__(self, model: Path, threads: int) -> None:
        super().__init__(model, threads)
        self._known: dict[bytes, Prediction] = {}

    def predict(self, pixels: NDArray[np.uint8]) -> Prediction:
        red, green, blue = map(int, pixels[150, 112])
        if near((red, green, blue), POISON):
            raise Death
        if near((red, green, blue), CURSED):
            raise RuntimeError("a photo that no net has seen before")
        key = pixels.tobytes()
        if key not in self._known:
            self._known[key] = super().predict(pixels)
        return self._known[key]


def near(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 12


class Process:
    """Made for each start; `on_exit` gets the exception with which `run` ended, None if it returned."""

    def __init__(
        self,
        clock: Clock,
        telegram: Telegram,
        on_exit: Callable[[Process, BaseException | None], None],
        on_death: Callable[[Process], None],
        work_seconds: Callable[[], float],
        complain: Callable[[str], None],
    ) -> None:
        self.clock = clock
        self.telegram = telegram
        self.work_seconds = work_seconds
        self.on_exit = on_exit
        self.on_death = on_death
        self.loop = BotLoop(clock, self)
        self.loop.set_exception_handler(lambda loop, context: complain(_explain(context)))
        self.serving: Callable[[], Any] | None = None
        """Makes what serves a connection to the webhook, while the bot listens."""
        self.stopping_since: float | None = None

    def start(self, settings: Settings, classifier: Classifier, replies: Replies) -> None:
        task = self.loop.create_task(run(settings, classifier, replies))
        task.add_done_callback(self._end)

    @property
    def is_alive(self) -> bool:
        return not self.loop.is_dead

    def stop(self) -> None:
        """SIGTERM."""
        self.stopping_since = self.clock.now
        handler = self.loop.signals.get(signal.SIGTERM)
        if handler:
            self.loop.call_soon(handler)
        else:
            self.die()

    def die(self) -> None:
        """SIGKILL, a crash, a power cut."""
        if self.is_alive:
            self.loop.discard()
            self.on_death(self)

    def _end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.loop.discard()
        self.on_exit(self, error)

    def post(
        self, path: str, body: bytes, secret: str, answered: Callable[[int | None, Mapping[str, str]], None]
    ) -> None:
        """Telegram's request to the webhook."""
        if self.serving is None or not self.is_alive:
            answered(None, {})
            return
        wire = ServerWire(self.loop, self.serving(), answered)
        wire.feed(build_request(path, body, {SECRET_HEADER: secret, "Connection": "close"}))


class BotLoop(VirtualLoop):
    """Gives the bot connections that lead to the simulation, and runs inline what it gives to threads."""

    def __init__(self, clock: Clock, process: Process) -> None:
        super().__init__(clock)
        self._process = process
        self._free_at: dict[Any, float] = {}
        """When the threads of each executor are done with what they have: one after another, as SQLite's are."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        now = self._clock.now
        begins = now if executor is None else max(now, self._free_at.get(executor, now))
        ends = begins + self._process.work_seconds()
        if executor is not None:
            self._free_at[executor] = ends
        self._clock.after(ends - now, lambda: self._work(future, func, args))
        return future

    def _work(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self.is_dead:
            return
        try:
            result = func(*args)
        except Death:
            self._process.die()
        except BaseException as error:
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)
            self._process.telegram.on_call()

    async def create_connection(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        protocol = protocol_factory()
        return ClientWire(self, protocol, self._process.telegram.serve), protocol

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        self._process.serving = protocol_factory

        def close() -> None:
            self._process.serving = None

        async def wait_closed() -> None:
            """Connections have ended by themselves."""

        return SimpleNamespace(sockets=[], close=close, wait_closed=wait_closed)


def leave_memory() -> None:
    """In place of collecting garbage, which belongs to all processes of a run, and would look through all of them."""


async def start_connection(*args: Any, **options: Any) -> None:
    """In place of aiohttp's opening of a socket."""


def _explain(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message')}: {error!r}"
