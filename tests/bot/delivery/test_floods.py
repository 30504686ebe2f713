"""Who sends more than the rate lets in is told once, whatever befalls the notice: the real process, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.storage.backlog import PutDownUpdate
from bot.storage.sqlite.state import open_sqlite
from tests.support.bot_process import BOT_PYTHON, StartBot, listen_on
from tests.support.chat import text
from tests.support.photos import draw
from tests.support.telegram import Refusal, ReplyToDeleted, Telegram

SLOW_DOWN = text("bot", "slow-down")


@dataclass
class RefusedNotice(Refusal):
    """Takes nothing but the notice."""

    def takes(self, method: str, fields: dict[str, Any]) -> bool:
        return fields.get("text") == SLOW_DOWN and super().takes(method, fields)


def hold_notice(telegram: Telegram, seconds: int, times: int | None = None) -> Refusal:
    body = {"ok": False, "error_code": 429, "description": "x", "parameters": {"retry_after": seconds}}
    refusal = RefusedNotice("sendMessage", 429, body, chat=1, times=times)
    telegram.refusals.append(refusal)
    return refusal


def send_flood(telegram: Telegram, count: int = 16) -> list[int]:
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    return [telegram.send(photo, user=1) for _ in range(count)]


def check_told_once(telegram: Telegram, flood: list[int]) -> None:
    """What was in work when a process ended may be answered beside the first ten, and so may what came later."""
    answers = telegram.answers()
    told = [message for message in flood if answers.get(message) == SLOW_DOWN]
    assert all("red" in answers[message] for message in flood[:10])
    assert telegram.texts().count(SLOW_DOWN) == len(told) == 1
    assert telegram.replies[told[0]] == 1


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ("bot_python", "has_redis", "is_webhook"),
    [
        (BOT_PYTHON, False, False),
        (BOT_PYTHON, False, True),
        (os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable), True, True),
    ],
    ids=["polling", "webhook", "redis"],
)
def test_a_flood_is_told_of_though_the_process_ends_before(
    request: pytest.FixtureRequest,
    telegram: Telegram,
    start_bot: StartBot,
    free_port: int,
    ending: signal.Signals,
    has_redis: bool,
    is_webhook: bool,
) -> None:
    settings = {"SHUTDOWN_SECONDS": "1"}
    settings |= {"REDIS_URL": request.getfixturevalue("redis_url")} if has_redis else {}
    if is_webhook:
        settings |= listen_on(free_port)
    refusal = hold_notice(telegram, 3)
    flood = send_flood(telegram)
    process = start_bot(module="tests.support.hasty", **settings)
    telegram.wait_until(lambda: refusal.answered > 0 and len(telegram.answers()) >= 10)
    process.send_signal(ending)
    process.wait(60)
    telegram.refusals.clear()
    start_bot(module="tests.support.hasty", **settings)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    check_told_once(telegram, flood)


def test_a_flood_is_told_of_when_its_photo_comes_again(telegram: Telegram, start_bot: StartBot, free_port: int) -> None:
    """A webhook is asked again with the same photo, of which nothing was put down."""
    refusal = hold_notice(telegram, 4, times=1)
    flood = send_flood(telegram)
    start_bot(**listen_on(free_port))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert refusal.answered == 1
    check_told_once(telegram, flood)


def test_a_flood_is_told_of_though_its_photo_was_deleted(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.refusals.append(ReplyToDeleted())
    flood = send_flood(telegram)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    check_told_once(telegram, flood)


def test_what_an_earlier_version_put_down_as_refused_is_answered(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    """The refusal stood in its row then."""
    chat = {"id": 1, "type": "private"}
    ada = {"id": 1, "is_bot": False, "first_name": ""}
    photo = telegram.files.keep_photo(draw("red"))
    message = {"message_id": 900, "date": int(time.time()), "chat": chat, "from": ada, "photo": photo}
    update = json.dumps({"message": message, "update_id": 5, "is_cut": False, "is_refused": True})

    async def put_down() -> None:
        state = await open_sqlite(tmp_path / "state", 123456)
        await state.backlog.put(PutDownUpdate("a key", "a person", update, since=time.time(), due=0, attempts=1))
        await state.close()

    asyncio.run(put_down())
    start_bot()
    telegram.wait_until(lambda: telegram.answers().get(900, "").startswith("I see: red."))
    assert "update" not in (tmp_path / "bot.log").read_text()
