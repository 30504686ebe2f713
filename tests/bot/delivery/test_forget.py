"""`/forget` holds wherever what was sent before it comes: in another replica, and in the next process."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bot.delivery.backlog.backlog import LOOK_EVERY
from tests.support.bot_process import StartBot, kill, listen_on
from tests.support.chat import MENTION, command
from tests.support.photos import draw
from tests.support.telegram import Telegram, refuse_with

GROUP = -7


@pytest.fixture
def hook(start_bot: StartBot, telegram: Telegram, free_port: int) -> StartBot:
    return partial(start_bot, **listen_on(free_port))


def is_sent_back(telegram: Telegram) -> bool:
    return any(status == 503 for _, status in telegram.queue.couriers.posts)


def is_forgotten(telegram: Telegram) -> bool:
    return any("deleted 0" in words for words in telegram.texts())


@pytest.mark.parametrize("bot_python", [os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable)])
@pytest.mark.parametrize("waits", ["at Telegram", "in memory"])
def test_forget_on_one_replica_holds_on_another(
    telegram: Telegram, start_bot: StartBot, redis_url: str, free_port: int, free_port_too: int, waits: str
) -> None:
    """Telegram brings updates to the replica that has registered last, and here to the first one again."""
    hooks = []
    for port in (free_port, free_port_too):
        hook = listen_on(port)
        url = hook["WEBHOOK_URL"]
        start_bot(REDIS_URL=redis_url, **hook)
        telegram.wait_until(lambda url=url: bool(telegram.webhook) and telegram.webhook["url"] == url)  # type: ignore[misc,index]
        hooks.append(telegram.webhook)
    first, second = hooks
    couriers = telegram.queue.couriers
    couriers.webhook = first
    is_away = waits == "at Telegram"
    if is_away:
        telegram.refusals.append(refuse_with("sendMessage", 429, chat=GROUP, times=1, parameters={"retry_after": 8}))
    else:
        telegram.hold_downloads.clear()
    photo = {"photo": telegram.files.keep_photo(draw("red"))} | MENTION
    before = [telegram.send(photo, user=1, chat=GROUP) for _ in range(2)]
    other = telegram.send(photo, user=2, chat=GROUP)
    telegram.wait_until(lambda: is_sent_back(telegram) if is_away else bool(telegram.downloads))
    couriers.webhook = second
    telegram.send(command("/forget"), user=1)
    telegram.wait_until(lambda: is_forgotten(telegram))
    couriers.webhook = first
    time.sleep(2 * LOOK_EVERY)
    telegram.hold_downloads.set()
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and other in telegram.answers())
    assert not telegram.answers().keys() & {*before}


@pytest.mark.parametrize("state", ["SQLite", "Redis"])
@pytest.mark.parametrize("bot_python", [os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable)])
def test_what_telegram_brings_only_after_a_restart_is_let_go(
    telegram: Telegram, hook: StartBot, redis_url: str, tmp_path: Path, state: str
) -> None:
    settings = {"REDIS_URL": redis_url} if state == "Redis" else {}
    telegram.refusals.append(refuse_with("sendMessage", 429, chat=GROUP, times=1, parameters={"retry_after": 5}))
    process = hook(**settings)
    photo = {"photo": telegram.files.keep_photo(draw("red"))} | MENTION
    before = [telegram.send(photo, user=1, chat=GROUP) for _ in range(3)]
    telegram.wait_until(lambda: is_sent_back(telegram))
    telegram.send(command("/forget"), user=1)
    telegram.wait_until(lambda: is_forgotten(telegram))
    kill(process)
    hook(**settings)
    after = telegram.send(photo, user=1, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and after in telegram.answers())
    assert not telegram.answers().keys() & {*before}
