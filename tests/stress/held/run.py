"""One run: some are held, others send photos; how long these wait, and whether anything is lost in a kill."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.bot_process import BOT_PYTHON, environment, listen_on
from tests.support.models import write_color_model
from tests.support.network.sockets import find_port
from tests.support.paths import ROOT
from tests.support.photos import COLORS, draw
from tests.support.telegram import DOWNLOAD, TOKEN, Refusal, Telegram, refuse_with

HOUR = 3600
HELD, STALLED, PRESSERS, OTHERS = 10_000, 20_000, 30_000, 40_000
"""The first numbers of people of each kind."""
PRESS_PAUSE = 0.5


@dataclass(frozen=True)
class Plan:
    held: int = 20
    """Chats that Telegram holds for an hour, with a photo each."""
    stalled: int = 16
    """Downloads that never end."""
    pressers: int = 4
    """People who press "Why?" twice a second."""
    others: int = 300
    per_second: float = 15.0
    kills: int = 0
    """While others send."""
    model: Path | None = None
    """None: a small one that explains its answers, so that there is a "Why?" to press."""


@dataclass(frozen=True)
class Result:
    waits: list[float]
    """Seconds from each of the others' photos to its answer, sorted."""
    unanswered: int
    """Of the others."""
    twice: int
    lost: int
    """Held or stalled photos that were not answered once they could be."""

    def wait(self, share: float) -> float:
        return self.waits[int(share * (len(self.waits) - 1))] if self.waits else float("nan")


def run(mode: str, plan: Plan, seconds: float = 180) -> Result:
    """`mode`: polling or webhook. `seconds`: for the answers of the others, and again for those that were held."""
    with ExitStack() as stack:
        telegram = stack.enter_context(closing(Telegram()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = plan.model or write_color_model(folder / "colors.onnx", explains=True)
        start, kill = stack.enter_context(_start(mode, telegram, model, folder))
        return _Run(telegram, plan, seconds, start, kill).go()


class _Run:
    def __init__(
        self, telegram: Telegram, plan: Plan, seconds: float, start: Callable[[], None], kill: Callable[[], None]
    ) -> None:
        self._telegram, self._plan, self._seconds = telegram, plan, seconds
        self._start, self._kill = start, kill
        self._photos = [draw(color) for color in COLORS]
        self._is_over = threading.Event()

    def go(self) -> Result:
        telegram, plan = self._telegram, self._plan
        self._start()
        answered = self._send_for_presses()
        stalled = self._hold()
        pressing = threading.Thread(target=self._press, args=(answered,))
        pressing.start()
        sent = []
        begun = time.monotonic()
        kills = {round((number + 1) * plan.others / (plan.kills + 1)) for number in range(plan.kills)}
        for number in range(plan.others):
            time.sleep(max(0.0, begun + number / plan.per_second - time.monotonic()))
            sent.append(telegram.send_photo(self._photos[number % 3], user=OTHERS + number))
            if number in kills:
                self._kill()
                self._start()
        self._wait(lambda: telegram.replies.keys() >= set(sent))
        self._is_over.set()
        pressing.join()
        waits = telegram.waits()
        telegram.refusals.clear()  # all is well again; but the bot has been told to wait for an hour
        self._wait(lambda: telegram.replies.keys() >= stalled)
        replies = dict(telegram.replies)
        return Result(
            waits=sorted(waits[number] for number in sent if number in waits),
            unanswered=len(set(sent) - replies.keys()),
            twice=sum(replies[number] - 1 for number in {*sent, *stalled} if number in replies),
            lost=len(stalled - replies.keys()),
        )

    def _send_for_presses(self) -> list[int]:
        """The answers to press "Why?" under."""
        telegram = self._telegram
        sent = [telegram.send_photo(self._photos[0], user=PRESSERS + number) for number in range(self._plan.pressers)]
        self._wait(lambda: telegram.replies.keys() >= set(sent))
        return [
            number
            for number, message in list(telegram.messages.items())
            if (message.get("reply_to_message") or {}).get("message_id") in sent
        ]

    def _hold(self) -> set[int]:
        """The photos whose downloads stall."""
        telegram, plan = self._telegram, self._plan
        for number in range(plan.held):
            telegram.refusals.append(
                refuse_with("sendMessage", 429, chat=HELD + number, parameters={"retry_after": HOUR})
            )
            telegram.send_photo(self._photos[0], user=HELD + number)
        stalled = set()
        for number in range(plan.stalled):
            sizes = telegram.files.keep_photo(self._photos[1])
            files = frozenset(size["file_id"] for size in sizes)
            telegram.refusals.append(Refusal(DOWNLOAD, files=files, seconds=HOUR))
            stalled.add(telegram.send({"photo": sizes}, user=STALLED + number))
        return stalled

    def _press(self, answers: list[int]) -> None:
        while not self._is_over.wait(PRESS_PAUSE):
            for person, answer in enumerate(answers):
                if button := self._find_button(answer):
                    self._telegram.press(answer, button, user=PRESSERS + person)

    def _find_button(self, answer: int) -> str:
        rows = self._telegram.messages[answer].get("reply_markup", {}).get("inline_keyboard", [])
        data = (key["callback_data"] for row in rows for key in row)
        return next((name for name in data if name.startswith("why")), "")

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)


@contextmanager
def _start(
    mode: str, telegram: Telegram, model: Path, folder: Path
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """What starts the bot and what kills it."""
    variables = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "STATE_DIR": str(folder / "state")}
    variables |= {"MODEL_PATH": str(model), "SHUTDOWN_SECONDS": "2"}
    if mode == "webhook":
        variables |= listen_on(find_port())
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with (folder / "bot.log").open("a") as log:
            command = [BOT_PYTHON, "-m", "bot"]
            processes.append(subprocess.Popen(command, cwd=ROOT, env=environment(**variables), stderr=log))

    def kill() -> None:
        processes[-1].kill()
        processes[-1].wait()

    try:
        yield start, kill
    finally:
        if processes and processes[-1].poll() is None:
            processes[-1].terminate()
            processes[-1].wait(30)
