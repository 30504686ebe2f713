"""Nobody waits for another's chat: held chats, stalled downloads, presses without end; and kills meanwhile."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from bot.delivery.lanes.lines import Line
from bot.delivery.lanes.slots import Slot, hold_lock, use_slot
from bot.delivery.lanes.waiting import Cause, Policy
from tests.support.bot_process import StartBot, kill, listen_on
from tests.support.chat import text
from tests.support.photos import draw
from tests.support.telegram import DOWNLOAD, Refusal, Telegram, refuse_with

HOUR = 3600


def hold(telegram: Telegram, *chats: int, seconds: int = HOUR) -> set[int]:
    """A photo each from chats that cannot be written to for an hour: the test is over before."""
    for chat in chats:
        telegram.refusals.append(refuse_with("sendMessage", 429, chat=chat, parameters={"retry_after": seconds}))
    return {telegram.send_photo(draw("red"), user=chat) for chat in chats}


def stall(telegram: Telegram, *users: int) -> set[int]:
    """A photo each whose download does not come."""
    sent = set()
    for user in users:
        sizes = telegram.files.keep_photo(draw("green"))
        files = frozenset(size["file_id"] for size in sizes)
        telegram.refusals.append(Refusal(DOWNLOAD, files=files, seconds=HOUR))
        sent.add(telegram.send({"photo": sizes}, user=user))
    return sent


def backlog(folder: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{folder / 'state' / 'ledger.sqlite'}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("SELECT content FROM backlog")]


@pytest.mark.parametrize("offset", ["0", 0.0], ids=["text", "fraction"])
def test_numbers_that_come_as_text_or_fractions_stop_nothing_when_they_are_put_down(
    telegram: Telegram, start_bot: StartBot, offset: object
) -> None:
    """pydantic takes them for numbers. The offset has to move past the held photo, so it is put down."""
    held = refuse_with("sendMessage", 429, chat=77, parameters={"retry_after": HOUR})
    telegram.refusals.append(held)
    entities = [{"type": "mention", "offset": offset, "length": 8}]
    photo = telegram.files.keep_photo(draw("red"))
    telegram.send({"photo": photo, "caption": "@someone hi", "caption_entities": entities}, user=77)
    bot = start_bot()
    telegram.wait_until(lambda: held.answered > 0)
    others = {telegram.send_photo(draw("red"), user=1000 + number) for number in range(110)}
    telegram.wait_until(lambda: others <= telegram.answers().keys() or bot.poll() is not None)
    assert bot.poll() is None
    assert others <= telegram.answers().keys()


def test_everybody_else_is_answered_while_chats_are_held_and_downloads_stall(
    telegram: Telegram, start: StartBot, tmp_path: Path
) -> None:
    held = hold(telegram, *range(100, 112))
    for chat in range(112, 116):
        telegram.refusals.append(refuse_with("sendMessage", 500, chat=chat))
        held.add(telegram.send_photo(draw("red"), user=chat))
    stalled = stall(telegram, *range(200, 216))
    start(MAX_IN_FLIGHT="8")
    others = {telegram.send_photo(draw("blue"), user=user) for user in range(300, 430)}
    telegram.wait_until(lambda: telegram.answers().keys() >= others, seconds=300)
    starts = [telegram.send_text("/start", user=user) for user in (200, 210)]  # of people whose photos stall
    telegram.wait_until(lambda: {200, 210} <= {chat for _, chat in telegram.sent_at})
    assert telegram.answers().keys() == others
    assert set(telegram.replies.values()) == {1}
    assert len(starts) == 2
    assert not telegram.answers().keys() & (held | stalled)


def test_a_pile_of_one_chats_photos_holds_up_nobody(telegram: Telegram, start_bot: StartBot) -> None:
    """Telegram shows a hundred updates, and lets the bot answer a chat once a second: others came behind them all."""
    telegram.enforce_limits = True
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    now = int(time.time())
    pile = {telegram.send(photo | {"date": now - 2 * age}, user=1) for age in range(150, 0, -1)}
    others = {telegram.send_photo(draw("blue"), user=user) for user in range(300, 306)}
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() >= others)
    assert len(telegram.answers().keys() & pile) < 50
    assert set(telegram.replies.values()) == {1}


def test_nothing_that_was_put_down_is_lost_in_a_kill(telegram: Telegram, start: StartBot, tmp_path: Path) -> None:
    stalled = stall(telegram, *range(200, 206))
    process = start()
    others = {telegram.send_photo(draw("blue"), user=user) for user in range(300, 370)}
    telegram.wait_until(lambda: telegram.answers().keys() >= others, seconds=240)
    telegram.wait_until(lambda: len(backlog(tmp_path)) >= 3)
    content = " ".join(backlog(tmp_path))
    assert "Ada" not in content
    assert "file_id" in content
    kill(process)
    telegram.refusals.clear()
    start()
    telegram.wait_until(lambda: telegram.answers().keys() == others | stalled, seconds=240)
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and backlog(tmp_path) == [])
    assert {telegram.replies[number] for number in stalled} == {1}
    assert sum(telegram.replies.values()) - len(telegram.replies) <= 16  # what was sent and not yet noted


def test_by_polling_what_is_held_stays_unconfirmed_until_it_is_half_of_what_telegram_shows(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    held = hold(telegram, 100, seconds=5)
    start_bot()
    few = {telegram.send_photo(draw("blue"), user=user) for user in range(300, 310)}
    telegram.wait_until(lambda: telegram.answers().keys() >= few)
    assert backlog(tmp_path) == []
    assert telegram.unconfirmed == 11
    many = {telegram.send_photo(draw("blue"), user=user) for user in range(310, 370)}
    telegram.wait_until(lambda: telegram.answers().keys() >= few | many)
    telegram.refusals.clear()
    telegram.wait_until(lambda: telegram.answers().keys() == few | many | held and telegram.unconfirmed == 0)
    telegram.wait_until(lambda: backlog(tmp_path) == [])
    assert set(telegram.replies.values()) == {1}


def test_what_came_before_forget_and_waits_in_memory_is_not_put_down(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    stalled = stall(telegram, 200)
    start_bot()
    telegram.wait_until(lambda: any(refusal.answered for refusal in telegram.refusals))
    telegram.send_text("/forget", user=200)
    telegram.wait_until(lambda: 200 in {chat for _, chat in telegram.sent_at})
    others = {telegram.send_photo(draw("blue"), user=user) for user in range(300, 370)}
    telegram.wait_until(lambda: telegram.answers().keys() >= others and telegram.unconfirmed == 0)
    assert backlog(tmp_path) == []
    telegram.refusals.clear()
    telegram.wait_until(lambda: (tmp_path / "bot.log").read_text().count("an update is let go: it is forgotten") == 2)
    assert not telegram.answers().keys() & stalled


def test_by_webhook_a_held_chats_update_comes_again_when_the_chat_can_be_written_to(
    telegram: Telegram, start_bot: StartBot, free_port: int, tmp_path: Path
) -> None:
    hold(telegram, 100, seconds=1800)
    start_bot(**listen_on(free_port))
    telegram.wait_until(lambda: bool(telegram.queue.couriers.posts))
    assert telegram.queue.couriers.posts[0][1] == 503
    assert 1700 < telegram.queue.couriers.retry_after <= 1800
    assert backlog(tmp_path) == []


def test_by_webhook_a_stalled_photo_is_put_down_though_telegram_does_not_say_who_the_bot_is(
    telegram: Telegram, start_bot: StartBot, free_port: int, tmp_path: Path
) -> None:
    telegram.refusals += [Refusal("getMe", 502, "<html>"), Refusal(DOWNLOAD, 500, "x")]
    photo = telegram.send_photo(draw("red"), user=7)
    start_bot(**listen_on(free_port))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.refusals.clear()
    telegram.wait_until(lambda: photo in telegram.answers(), seconds=120)
    assert "Traceback" not in (tmp_path / "bot.log").read_text()


def test_a_file_that_telegram_keeps_back_for_hours_is_told_to_its_sender(telegram: Telegram, start: StartBot) -> None:
    waits = {100: 2 * HOUR, 101: 24 * HOUR, 102: 10**18, 103: 2}
    sent = {}
    for user, seconds in waits.items():
        sizes = telegram.files.keep_photo(draw("red"))
        files = frozenset(size["file_id"] for size in sizes)
        times = 1 if seconds == 2 else None
        refusal = refuse_with("getFile", 429, files=files, times=times, parameters={"retry_after": seconds})
        telegram.refusals.append(refusal)
        sent[user] = telegram.send({"photo": sizes}, user=user)
    start()
    telegram.wait_until(lambda: telegram.answers().keys() == set(sent.values()) and telegram.unconfirmed == 0)
    assert {telegram.answers()[sent[user]] for user in (100, 101, 102)} == {text("refusal", "not-delivered")}
    assert telegram.answers()[sent[103]].startswith("I see: red.")


def test_photos_of_a_chat_are_answered_in_order(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.refusals.append(Refusal(DOWNLOAD, 500, "x", times=1))
    sent = [telegram.send_photo(draw(("red", "blue", "green")[number % 3]), user=7) for number in range(8)]
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == set(sent))
    assert list(telegram.answers()) == sent


def test_who_waits_for_a_lock_has_no_slot() -> None:
    """As photos of an album do while its first answer waits for the chat: with a slot each, nobody would get on."""

    async def send(slot: Slot, lock: asyncio.Lock) -> None:
        use_slot(slot)
        await slot.begin()
        async with hold_lock(lock):
            await slot.wait(0.6, Cause.CHAT)
        slot.end()

    async def run() -> None:
        places, lock = asyncio.Semaphore(2), asyncio.Lock()
        slots = [Slot(places, Policy.HOLD, time.time(), number, Line()) for number in range(5)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(send(slot, lock) for slot in slots))

    asyncio.run(run())


def test_sigterm_does_not_wait_for_a_held_chat(telegram: Telegram, start_bot: StartBot) -> None:
    hold(telegram, 100)
    process = start_bot(SHUTDOWN_SECONDS="60")
    telegram.wait_until(lambda: any(refusal.answered for refusal in telegram.refusals))
    telegram.wait_until(lambda: sum(method == "getUpdates" for method, _ in telegram.calls) > 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert telegram.unconfirmed == 1


def test_an_answer_is_explained_once_and_a_person_gets_few_explanations(
    telegram: Telegram, start_bot: StartBot, explaining_model: Path
) -> None:
    sent = [telegram.send_photo(draw("red"), user=7) for _ in range(5)]
    start_bot(MODEL_PATH=str(explaining_model))
    telegram.wait_until(lambda: telegram.answers().keys() == set(sent))
    answers = [number for number, message in list(telegram.messages.items()) if message["from"]["is_bot"]]
    for _ in range(3):
        for answer in answers:
            keyboard = telegram.messages[answer]["reply_markup"]["inline_keyboard"]
            telegram.press(answer, next(k["callback_data"] for row in keyboard for k in row), user=7)
    telegram.wait_until(lambda: telegram.unconfirmed == 0, seconds=240)
    assert 3 <= len(telegram.sent) - len(sent) < len(answers)  # of fifteen presses
