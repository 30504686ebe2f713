"""The system's clock is set while photos wait, or between two processes: none is lost or held up for that."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.delivery.polling import HELD
from tests.support.bot_process import StartBot, kill
from tests.support.chat import MENTION
from tests.support.photos import draw
from tests.support.telegram import Telegram, refuse_with

DAY = 24 * 3600
PHOTOS = HELD + 10
OLD = -10 * DAY
"""How far the clock of a Raspberry Pi is behind at its start, which has none of its own."""


class Clock:
    """What the file says by which the bot's clock is ahead."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self, ahead: float) -> None:
        whole = self.file.with_suffix(".new")
        whole.write_text(str(ahead))
        whole.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "ahead")


@pytest.fixture
def start(start_bot: StartBot, clock: Clock) -> StartBot:
    return partial(start_bot, module="tests.support.jumping", CLOCK_AHEAD=str(clock.file))


def count(folder: Path, table: str) -> int:
    """0 also while the bot has not made the table."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'state' / 'ledger.sqlite'}?mode=ro", uri=True)) as database:
            return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def read_own(telegram: Telegram) -> list[dict[str, Any]]:
    """The bot's messages as they stand now."""
    return [message for message in list(telegram.messages.values()) if message.get("from", {}).get("is_bot")]


def send_and_hold(telegram: Telegram, seconds: int) -> list[int]:
    """Photos of many people, whose chats are held. Some are put down, others wait in memory."""
    telegram.refusals.append(refuse_with("sendMessage", 429, times=PHOTOS, parameters={"retry_after": seconds}))
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    return [telegram.send(photo, user=user) for user in range(1, PHOTOS + 1)]


@pytest.mark.parametrize(("before", "after"), [(0, 3 * DAY), (0, -2 * 3600), (OLD, 0)])
def test_a_clock_that_is_set_while_photos_wait_changes_nothing(
    telegram: Telegram, start: StartBot, clock: Clock, tmp_path: Path, before: float, after: float
) -> None:
    clock.set(before)
    photos = send_and_hold(telegram, 6)
    start()
    telegram.wait_until(lambda: count(tmp_path, "backlog") > 5)
    clock.set(after)
    telegram.wait_until(lambda: telegram.answers().keys() == {*photos} and telegram.unconfirmed == 0)
    assert set(telegram.replies.values()) == {1}
    assert count(tmp_path, "backlog") == 0


def test_a_clock_that_jumps_forward_makes_no_note_old(
    telegram: Telegram, start: StartBot, clock: Clock, tmp_path: Path
) -> None:
    clock.set(0)
    start()
    photo = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: photo in telegram.answers() and telegram.unconfirmed == 0)
    known = count(tmp_path, "updates")
    clock.set(3 * DAY)
    time.sleep(3)  # it is tidied up every second
    assert count(tmp_path, "updates") == known


def test_photos_that_piled_up_are_no_flood_for_a_clock_that_is_behind(
    telegram: Telegram, start: StartBot, clock: Clock
) -> None:
    """One came every two seconds, by Telegram's dates, while the bot was away."""
    clock.set(OLD)
    photo, now = {"photo": telegram.files.keep_photo(draw("red"))}, int(time.time())
    sent = [telegram.send(photo | {"date": now - seconds}, user=1) for seconds in range(60, 0, -2)]
    start()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.wait_until(lambda: len(telegram.answers()) == len(sent))
    assert all("red" in answer for answer in telegram.answers().values())


@pytest.mark.parametrize(("before", "after"), [(0, 2 * 3600), (OLD, 0)])
def test_a_clock_that_jumps_forward_leaves_an_albums_mention_what_it_was(
    telegram: Telegram, start: StartBot, clock: Clock, before: float, after: float
) -> None:
    """It is tidied up every second: what has outlived its time is deleted then."""
    clock.set(before)
    start()
    photo = {"photo": telegram.files.keep_photo(draw("red")), "media_group_id": "album"}
    mentioned = telegram.send(photo | MENTION, chat=-5)
    telegram.wait_until(lambda: mentioned in telegram.answers() and telegram.unconfirmed == 0)
    clock.set(after)
    time.sleep(3)
    telegram.send(photo, chat=-5)
    telegram.wait_until(lambda: any(message.get("text", "").startswith("2 photos") for message in read_own(telegram)))


@pytest.mark.parametrize(("before", "after"), [(0, -2 * 3600), (OLD, 0)])
def test_a_clock_that_is_set_between_two_processes_loses_and_holds_nothing_that_was_put_down(
    telegram: Telegram, start: StartBot, clock: Clock, tmp_path: Path, before: float, after: float
) -> None:
    """Telegram's dates say how old the photos are, where the clock was behind."""
    clock.set(before)
    photos = send_and_hold(telegram, 20)
    process = start()
    telegram.wait_until(lambda: count(tmp_path, "backlog") > 5)
    kill(process)
    telegram.refusals.clear()
    clock.set(after)
    start()
    telegram.wait_until(lambda: telegram.answers().keys() == {*photos} and telegram.unconfirmed == 0)
    assert count(tmp_path, "backlog") == 0
