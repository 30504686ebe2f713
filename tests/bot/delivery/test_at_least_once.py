"""No photo is lost and none answered twice: the real process, killed, stopped and set upon."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message
from PIL import Image

from bot.delivery.at_least_once import Delivery, ShuttingDown
from bot.delivery.backlog.backlog import Backlog
from bot.delivery.lanes.waiting import Policy
from bot.delivery.updates.parsing import parse
from bot.monitoring.metrics import Metrics
from bot.storage.process_lock import WAIT, ProcessLock
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.sqlite.state import open_sqlite
from bot.texts.replies import Replies
from tests.support.bot_process import RunBot, StartBot, kill, listen_on
from tests.support.chat import buttons, text
from tests.support.models import write_color_model
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Faults, Refusal, Telegram, slow_downloads


async def find_language(message: Message) -> str | None:
    return None


def test_after_kill_9_every_photo_is_answered(telegram: Telegram, start_bot: StartBot) -> None:
    photo = draw("red")
    sent = {telegram.send_photo(photo, user=user) for user in range(1, 25)}
    telegram.faults = slow_downloads(0.5)
    process = start_bot(MAX_IN_FLIGHT="4")
    telegram.wait_until(lambda: len(telegram.answers()) >= 6)
    kill(process)
    answered = len(telegram.answers())
    assert answered < len(sent)
    assert telegram.unconfirmed >= len(sent) - answered
    telegram.faults = None
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == sent)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert sum(telegram.replies.values()) - len(sent) <= 4  # at most what was in work, sent and not yet noted


def test_sigterm_ends_what_is_in_work_and_leaves_the_rest_to_telegram(telegram: Telegram, start_bot: StartBot) -> None:
    photo = draw("red")
    sent = {telegram.send_photo(photo, user=user) for user in range(1, 13)}
    telegram.faults = slow_downloads(1)
    process = start_bot(MAX_IN_FLIGHT="4")
    telegram.wait_until(lambda: len(telegram.downloads) >= 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    answered = telegram.answers().keys()
    assert 4 <= len(answered) < 12
    assert telegram.unconfirmed == len(sent) - len(answered)
    telegram.faults = None
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == sent)
    assert set(telegram.replies.values()) == {1}


def test_sigterm_does_not_wait_longer_than_it_is_told(telegram: Telegram, start_bot: StartBot) -> None:
    message = telegram.send_photo(draw("red"))
    telegram.faults = slow_downloads(15)
    process = start_bot(SHUTDOWN_SECONDS="1")
    telegram.wait_until(lambda: len(telegram.downloads) == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert telegram.unconfirmed == 1
    telegram.faults = None
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())


@pytest.mark.parametrize("is_idle", [True, False])
def test_sigterm_does_not_wait_longer_where_telegram_no_longer_answers(
    telegram: Telegram, start_bot: StartBot, is_idle: bool
) -> None:
    process = start_bot(SHUTDOWN_SECONDS="1")
    first = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: first in telegram.answers() and telegram.unconfirmed == 0)
    telegram.refusals.append(Refusal("*", 502, seconds=60))
    if not is_idle:
        telegram.send_photo(draw("red"))
        telegram.wait_until(lambda: telegram.calls[-1][0] == "getFile")
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 0


def test_sigterm_does_not_wait_longer_for_a_net(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    model = write_color_model(tmp_path / "slow.onnx", steps_when_black=300_000_000)
    telegram.send_photo(Image.new("RGB", (320, 240)))
    process = start_bot(MODEL_PATH=str(model), SHUTDOWN_SECONDS="1")
    telegram.wait_until(lambda: _failures(tmp_path) == [1])
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 0


def test_a_photo_that_brings_the_process_down_gets_an_apology_and_those_beside_it_their_answers(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    """The process is killed while the net is busy with a black photo, as if that photo had done it."""
    model = write_color_model(tmp_path / "slow.onnx", steps_when_black=30_000_000)
    start = partial(start_bot, MODEL_PATH=str(model))
    poison = telegram.send_photo(Image.new("RGB", (320, 240)), user=1)
    others: list[int] = []
    for death in range(1, 4):
        process = start()
        telegram.wait_until(lambda death=death: _failures(tmp_path) == [death])  # type: ignore[misc]
        if death == 1:
            telegram.faults = slow_downloads(10)
            others = [telegram.send_photo(draw("red"), user=user) for user in range(2, 5)]
            telegram.wait_until(lambda: len(telegram.downloads) == 4)
        kill(process)
        telegram.faults = None
    start()
    telegram.wait_until(lambda: len(telegram.answers()) == 4)
    assert telegram.answers()[poison] == text("bot", "failed")
    assert all(telegram.answers()[other].startswith("I see: red. I am 99% sure.") for other in others)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)


def test_an_apology_is_in_the_language_that_was_chosen(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    process = start_bot()
    telegram.send_text("/language")
    telegram.wait_until(lambda: any(buttons(message) for message in list(telegram.messages.values())))
    question = next(number for number, message in telegram.messages.items() if buttons(message))
    telegram.press(question, "language:de")
    telegram.wait_until(lambda: telegram.messages[question]["text"] == text("language", "chosen", "de"))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    photo = telegram.send_photo(draw("red"))
    sizes = telegram.messages[photo]["photo"]
    key = Pseudonymiser(TOKEN)(f"7:{photo}:{sizes[-1]['file_unique_id']}")
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite", isolation_level=None)) as database:
        database.execute("INSERT INTO updates (key, failures, answered, at) VALUES (?, 3, 0, ?)", (key, time.time()))
    start_bot()
    telegram.wait_until(lambda: photo in telegram.answers())
    assert telegram.answers()[photo] == text("bot", "failed", "de")


def test_an_answered_photo_that_comes_again_is_not_answered_again(telegram: Telegram, start_bot: StartBot) -> None:
    """As after a kill between the answer and its confirmation, or a quiet week that starts the numbers again."""
    message = telegram.send_photo(draw("red"))
    again = telegram.queue.updates[message]
    process = start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.send_again(again, 999)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    telegram.send_again(again, message)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.replies == {message: 1}


def test_what_fails_three_times_gets_an_apology(telegram: Telegram, tmp_path: Path) -> None:
    tries = []
    dispatcher = Dispatcher()

    @dispatcher.message()
    async def fail(message: Message) -> None:
        tries.append(message.message_id)
        raise RuntimeError("a bug")

    async def go() -> None:
        session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.url))
        async with Bot(TOKEN, session=session) as bot:
            state, metrics, name = await open_sqlite(tmp_path, bot.id), Metrics(), Pseudonymiser("s")
            backlog = Backlog(state.backlog, bot, metrics, name)
            delivery = Delivery(
                bot, dispatcher, state.ledger, backlog, Replies(), find_language, metrics, name, at_once=4, workers=1
            )

            async def deliver() -> None:
                incoming = parse(telegram.queue.updates[message], bot, metrics)
                assert incoming
                await delivery.deliver(incoming, Policy.HOLD)

            await asyncio.gather(deliver(), deliver())
            await deliver()
            await state.close()

    message = telegram.send_text("hello")
    asyncio.run(go())
    assert tries == [message] * 3
    assert telegram.answers() == {message: text("bot", "failed")}
    assert telegram.replies == {message: 1}


def test_nothing_begins_once_the_bot_ends_but_what_is_in_work_is_waited_for(telegram: Telegram, tmp_path: Path) -> None:
    """From the backlog, or from a poller that slept, an update may come while the last answers are waited for."""
    begun = []
    dispatcher = Dispatcher()

    async def go() -> None:
        is_begun, may_end = asyncio.Event(), asyncio.Event()

        @dispatcher.message()
        async def work(message: Message) -> None:
            begun.append(message.message_id)
            is_begun.set()
            await may_end.wait()

        session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.url))
        async with Bot(TOKEN, session=session) as bot:
            state, metrics, name = await open_sqlite(tmp_path, bot.id), Metrics(), Pseudonymiser("s")
            backlog = Backlog(state.backlog, bot, metrics, name)
            delivery = Delivery(
                bot, dispatcher, state.ledger, backlog, Replies(), find_language, metrics, name, at_once=4, workers=1
            )

            async def deliver(message: int, policy: Policy) -> None:
                incoming = parse(telegram.queue.updates[message], bot, metrics)
                assert incoming
                await delivery.deliver(incoming, policy)

            in_work = asyncio.create_task(deliver(first, Policy.HOLD))
            await is_begun.wait()
            ending = asyncio.create_task(delivery.finish(60))
            await asyncio.sleep(0)
            for policy in Policy:
                with pytest.raises(ShuttingDown):
                    await deliver(second, policy)
            again = asyncio.create_task(deliver(first, Policy.RESEND))
            may_end.set()
            await asyncio.gather(ending, in_work, again)
            assert delivery.in_work == 0
            await state.close()

    first, second = telegram.send_text("hello"), telegram.send_text("hello again", user=8)
    asyncio.run(asyncio.wait_for(go(), 60))
    assert begun == [first]


def test_one_persons_flood_gets_one_notice_and_others_their_answers(telegram: Telegram, start_bot: StartBot) -> None:
    photo = draw("red")
    flood = [telegram.send_photo(photo, user=1) for _ in range(300)]
    other = telegram.send_photo(photo, user=2)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    named = [message for message in flood if "red" in telegram.answers().get(message, "")]
    told = [message for message in flood if telegram.answers().get(message) == text("bot", "slow-down")]
    assert telegram.answers()[other].startswith("I see: red. I am 99% sure.")
    assert named[:10] == flood[:10]
    assert len(named) < 30
    assert len(told) == 1
    assert len(telegram.texts()) == len(named) + 2


def test_what_a_person_sent_while_the_bot_was_away_is_no_flood(telegram: Telegram, start_bot: StartBot) -> None:
    photo, now = telegram.files.keep_photo(draw("red")), int(time.time())
    sent = [telegram.send({"photo": photo, "date": now - seconds}, user=1) for seconds in range(40, 0, -2)]
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == set(sent)
    assert text("bot", "slow-down") not in telegram.texts()


def test_a_chat_that_telegram_holds_back_is_waited_for_and_others_are_not(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    telegram.enforce_limits = True
    telegram.sent_at += [(time.monotonic() - 1, 7)] * 30  # in 14 seconds chat 7 may be written to again
    held = telegram.send_photo(draw("red"), user=7)
    others = {telegram.send_photo(draw("red"), user=user) for user in range(8, 12)}
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == others)
    assert telegram.limited >= 1
    telegram.wait_until(lambda: held in telegram.answers())
    assert telegram.replies[held] == 1


def test_under_every_kind_of_fault_each_photo_gets_its_answer(telegram: Telegram, start_bot: StartBot) -> None:
    # A download is given up after eight tries: with more faults that happens once in a while.
    telegram.faults = Faults(rate=0.3, seed=4, slow_seconds=0.3, hang_seconds=0.5)
    sent = {telegram.send_photo(draw(color), user=user): color for user in range(1, 11) for color in ("red", "blue")}
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == sent.keys())
    assert telegram.answers().keys() == sent.keys()
    assert all(telegram.answers()[message].startswith(f"I see: {color}. I am 99%") for message, color in sent.items())
    assert set(telegram.replies.values()) == {1}
    assert len(telegram.faults.injected) >= 5


def test_who_has_blocked_the_bot_holds_nobody_up(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.blocked = {5}
    telegram.send_photo(draw("red"), user=5)
    message = telegram.send_photo(draw("red"), user=6)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {message}


def test_a_token_that_is_refused_for_a_time_is_not_believed_to_be_wrong(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    process = start_bot()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    telegram.token, token = "another", telegram.token
    message = telegram.send_photo(draw("red"))  # ends the long poll
    telegram.wait_until(lambda: (tmp_path / "bot.log").read_text().count("TelegramUnauthorizedError") >= 3)
    assert process.poll() is None
    telegram.token = token
    telegram.wait_until(lambda: message in telegram.answers())


@pytest.mark.parametrize("way", ["polling", "webhook"])
def test_a_new_process_doubts_a_401_where_an_earlier_one_was_known(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, way: str, free_port: int
) -> None:
    listening = listen_on(free_port)
    hook = listening if way == "webhook" else {}
    first = start_bot(**hook)
    telegram.wait_until(lambda: any(method == "setMyCommands" for method, _ in telegram.calls))
    kill(first)
    telegram.token, token = "another", telegram.token
    message = telegram.send_photo(draw("red"))
    seen = (tmp_path / "bot.log").read_text().count("TelegramUnauthorizedError")
    second = start_bot(**hook)
    telegram.wait_until(lambda: (tmp_path / "bot.log").read_text().count("TelegramUnauthorizedError") >= seen + 3)
    assert second.poll() is None
    telegram.token = token
    telegram.wait_until(lambda: message in telegram.answers())


def test_a_token_that_is_revoked_ends_the_bot_with_one_line_in_minutes(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    process = start_bot(module="tests.support.hasty")
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    telegram.token = "another"
    telegram.send_text("hello")
    assert process.wait(30) == 2
    lines = (tmp_path / "bot.log").read_text().splitlines()
    assert lines[-1].startswith("bot: BOT_TOKEN is not a token that Telegram knows.")
    assert not any("Traceback" in line for line in lines)


def test_a_second_copy_says_so_and_goes_on_when_the_first_has_stopped(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    first = start_bot()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    start_bot(STATE_DIR=str(tmp_path / "other"))
    telegram.wait_until(lambda: "another copy of this bot is polling" in (tmp_path / "bot.log").read_text())
    kill(first)
    message = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: message in telegram.answers())


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_waits_for_the_one_before_that_has_the_same_state(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, end: signal.Signals
) -> None:
    """As when restarts overlap: what the first has in work the second would answer too."""
    telegram.faults = slow_downloads(2.0)
    first = start_bot()
    sent = {telegram.send_photo(draw("red"), user=user) for user in range(1, 11)}
    telegram.wait_until(lambda: any(method == "getFile" for method, _ in telegram.calls))
    second = start_bot()
    telegram.wait_until(lambda: "another process of it has its state in" in (tmp_path / "bot.log").read_text())
    first.send_signal(end)
    telegram.wait_until(lambda: telegram.answers().keys() == sent and telegram.unconfirmed == 0)
    assert set(telegram.replies.values()) == {1}
    assert second.poll() is None
    first.wait(60)


def test_a_process_waits_though_somebody_has_deleted_the_lock(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    telegram.faults = slow_downloads(2.0)
    first = start_bot()
    sent = {telegram.send_photo(draw("red"), user=user) for user in range(1, 11)}
    telegram.wait_until(lambda: any(method == "getFile" for method, _ in telegram.calls))
    for lock in (tmp_path / "state").glob("*.lock"):
        lock.unlink()
    second = start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == sent and telegram.unconfirmed == 0)
    assert set(telegram.replies.values()) == {1}
    assert "the bot looks for 3 s whether another process of it has its state" in (tmp_path / "bot.log").read_text()
    time.sleep(2 * WAIT)
    assert "the bot waits: another process of it has its state" in (tmp_path / "bot.log").read_text()
    assert (tmp_path / "bot.log").read_text().count("answering as") == 1
    assert (first.poll(), second.poll()) == (None, None)


def test_a_process_that_has_lost_its_lock_to_another_ends(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    process = start_bot()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    number, folder = int(TOKEN.partition(":")[0]), tmp_path / "state"
    (folder / f"{number}.lock").unlink()
    (folder / f"{number}.lock").touch()
    lock = ProcessLock(folder, number)
    assert lock.take()
    telegram.send_text("hello")  # ends the long poll
    assert process.wait(30) == 0
    lock.release()
    assert "another process of the bot has taken its state, and this one ends" in (tmp_path / "bot.log").read_text()


def test_a_folder_whose_files_cannot_be_locked_keeps_nobody_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    locks = [ProcessLock(tmp_path, 1), ProcessLock(tmp_path, 1)]
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        assert [lock.take() for lock in locks] == [True, True]
    for lock in locks:
        lock.release()
    assert [lock.take() for lock in locks] == [True, False]
    locks[0].release()


def test_the_ledger_names_nobody(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    telegram.send_photo(draw("red"), user=123123123)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())
    assert len(kept) > 1000
    assert b"123123123" not in kept
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite", isolation_level=None)) as database:
        ((key, answered),) = database.execute("SELECT key, answered FROM updates").fetchall()
    assert (len(key), answered) == (32, 1)


def test_a_folder_that_cannot_hold_the_state_stops_the_start(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert start_bot(STATE_DIR=str(tmp_path / "file" / "state")).wait(30) == 2
    assert "STATE_DIR names a folder that can be written." in (tmp_path / "bot.log").read_text().splitlines()[-1]
    assert telegram.calls == []


@pytest.mark.parametrize("name", ["STATE_DIR", "DONATIONS_DIR"])
@pytest.mark.parametrize("place", ["file", "file/below", "dangling", "pipe"])
def test_what_is_no_folder_in_the_place_of_one_stops_the_start(
    telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path, name: str, place: str
) -> None:
    """Photos that people give would be lost, one by one."""
    (tmp_path / "file").write_text("important")
    (tmp_path / "dangling").symlink_to("gone")
    os.mkfifo(tmp_path / "pipe")
    places = {"STATE_DIR": str(tmp_path / "state"), name: str(tmp_path / place)}
    done = run_bot(BOT_TOKEN=TOKEN, MODEL_PATH=str(color_model), TELEGRAM_API_SERVER=telegram.url, **places)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "Not a directory" in line or "this is not a folder" in line
    assert line.endswith(f"{name} names a folder that can be written.")
    assert str(tmp_path / place) in line
    assert telegram.calls == []
    assert (tmp_path / "file").read_text() == "important"


def _failures(folder: Path) -> list[int]:
    """What the ledger has counted against updates, of those that it has counted anything against."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'state' / 'ledger.sqlite'}?mode=ro", uri=True)) as database:
            return [row[0] for row in database.execute("SELECT failures FROM updates WHERE failures > 0")]
    except sqlite3.OperationalError:  # the bot has not made it yet
        return []
