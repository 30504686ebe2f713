"""A chat's answers go out in the order of its messages, however many pile up and wherever they wait; and /forget."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.support.bot_process import StartBot, kill, listen_on
from tests.support.chat import MENTION, command, text
from tests.support.photos import draw
from tests.support.telegram import Telegram, refuse_with, slow_downloads

GROUP = -7
HOUR = 3600


@pytest.fixture
def start(start_bot: StartBot) -> StartBot:
    """Chats may be sent twenty messages a second: a pile of 150 is answered in seconds."""
    return partial(start_bot, module="tests.support.hasty")


def pile(telegram: Telegram, count: int, user: int = 1, chat: int | None = None, **fields: object) -> list[int]:
    """Photos that a person has sent one by one, over hours: no flood."""
    photo = {"photo": telegram.files.keep_photo(draw("red"))} | fields
    return [telegram.send(photo | {"date": long_ago(telegram)}, user=user, chat=chat) for _ in range(count)]


def long_ago(telegram: Telegram) -> int:
    """Each message is five seconds later than the one before."""
    return int(time.time()) - 10 * HOUR + 5 * len(telegram.messages)


def count_put_down(folder: Path) -> int:
    """0 also while the bot has not made the table."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'state' / 'ledger.sqlite'}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM backlog").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def first_answers(telegram: Telegram, sent: Iterable[int]) -> list[int]:
    """Those of the messages that are answered, in the order of their first answers."""
    wanted = set(sent)
    return [number for number in telegram.waits() if number in wanted]


def test_a_pile_is_answered_in_order_while_others_are_answered_at_once(
    telegram: Telegram, start: StartBot, tmp_path: Path
) -> None:
    """Texts and photos are lanes of their own, as are chats. Some of them come when others are put down."""
    photos, grouped = pile(telegram, 90), pile(telegram, 40, user=2, chat=GROUP, **MENTION)
    album = pile(telegram, 4, media_group_id="a")
    texts = [telegram.send(command("/help") | {"date": long_ago(telegram)}, user=1) for _ in range(5)]
    start()
    telegram.wait_until(lambda: count_put_down(tmp_path) > 20)
    others = [telegram.send_photo(draw("blue"), user=user) for user in range(300, 306)]
    photos += pile(telegram, 30)
    grouped += pile(telegram, 5, user=2, chat=GROUP, **MENTION)
    telegram.wait_until(lambda: {*photos, *others, *grouped} <= telegram.answers().keys())
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and count_put_down(tmp_path) == 0)
    in_order = [*photos[:90], album[0], *photos[90:]]
    assert first_answers(telegram, in_order) == in_order
    assert first_answers(telegram, grouped) == grouped
    assert max(telegram.waits()[number] for number in others) < 3
    assert set(telegram.replies.values()) == {1}
    assert len(telegram.sent) == len(in_order) + len(grouped) + len(others) + len(texts)


def test_a_pile_keeps_its_order_through_kills(telegram: Telegram, start: StartBot, tmp_path: Path) -> None:
    photos = pile(telegram, 120)
    random = Random(7)
    kills = 3
    for life in range(kills + 1):
        process = start()
        if life < kills:
            done = 30 * (life + 1) + random.randrange(10)
            telegram.wait_until(lambda done=done: len(telegram.answers()) >= done)  # type: ignore[misc]
            kill(process)
            photos += pile(telegram, 3)
    telegram.wait_until(lambda: telegram.answers().keys() >= {*photos})
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and count_put_down(tmp_path) == 0)
    assert first_answers(telegram, photos) == photos
    assert sum(telegram.replies.values()) <= len(photos) + kills  # what was sent and not yet noted


def test_a_chat_that_is_held_keeps_its_order_and_new_photos_wait_behind(
    telegram: Telegram, start: StartBot, tmp_path: Path
) -> None:
    held = refuse_with("sendMessage", 429, chat=1, times=1, parameters={"retry_after": 4})
    telegram.refusals.append(held)
    photos = pile(telegram, 70)
    start()
    telegram.wait_until(lambda: held.answered > 0 and count_put_down(tmp_path) >= 69)
    photos += pile(telegram, 5)
    telegram.wait_until(lambda: telegram.answers().keys() >= {*photos})
    assert first_answers(telegram, photos) == photos
    assert set(telegram.replies.values()) == {1}


@pytest.mark.parametrize("moment", ["", "before it is answered", "after it is answered"])
def test_forget_deletes_what_waits_of_what_was_sent_before_and_nothing_else(
    telegram: Telegram, start: StartBot, tmp_path: Path, moment: str
) -> None:
    """All come at once. After a kill some come again, and what was put down does not: neither has a say."""
    before, others = pile(telegram, 60), pile(telegram, 10, user=2)
    hold = refuse_with("sendMessage", 429, chat=1, parameters={"retry_after": 2})
    if moment == "before it is answered":
        telegram.refusals.append(hold)
    telegram.send(command("/forget") | {"date": long_ago(telegram)}, user=1)
    after = pile(telegram, 110)
    process = start()
    if moment:
        telegram.wait_until(lambda: telegram.answers().keys() >= {*others[:8]})
        telegram.wait_until(lambda: count_put_down(tmp_path) > 30)
        assert moment.startswith("before") or any("deleted 0" in text for text in telegram.texts())
        kill(process)
        telegram.refusals.clear()
        start()
    telegram.wait_until(lambda: telegram.answers().keys() >= {*after, *others})
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and count_put_down(tmp_path) == 0)
    forgotten_at = next(index for index, fields in enumerate(telegram.sent) if "deleted 0" in fields["text"])
    late = telegram.sent[forgotten_at + 4 :]
    assert not {json.loads(fields["reply_parameters"])["message_id"] for fields in late} & {*before}
    assert first_answers(telegram, after) == after
    assert first_answers(telegram, others) == others
    answered = first_answers(telegram, before)
    assert answered == before[: len(answered)]
    assert len(answered) < 20  # sent before it was read, or on their way


def test_a_text_of_now_that_overtakes_a_pile_does_not_make_it_a_flood(telegram: Telegram, start: StartBot) -> None:
    """Texts wait for no download, so this one is looked at before most of the photos. So does an edited photo."""
    photos = pile(telegram, 50)
    telegram.send(command("/help"), user=1)
    telegram.faults = slow_downloads(0.2)
    start()
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and telegram.answers().keys() >= {*photos})
    assert first_answers(telegram, photos) == photos


@pytest.mark.parametrize("kind", ["photo", "edit"])
def test_what_is_of_now_in_another_chat_does_not_make_a_pile_a_flood(
    telegram: Telegram, start: StartBot, free_port: int, kind: str
) -> None:
    """A webhook brings what there is of each chat at once, so the later one is looked at before most of the pile."""
    photos = pile(telegram, 40)
    other = telegram.send({"photo": telegram.files.keep_photo(draw("blue"))} | MENTION, user=1, chat=GROUP)
    if kind == "edit":
        telegram.edit(other, photo=telegram.files.keep_photo(draw("green")))
    start(**listen_on(free_port))
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and telegram.answers().keys() >= {*photos, other})
    assert first_answers(telegram, photos) == photos


def test_a_flood_is_told_of_also_where_the_notice_has_to_wait(
    telegram: Telegram, start: StartBot, tmp_path: Path
) -> None:
    telegram.refusals.append(refuse_with("sendMessage", 429, chat=1, times=1, parameters={"retry_after": 6}))
    start()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    photos = [telegram.send_photo(draw("red"), user=1) for _ in range(80)]
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and count_put_down(tmp_path) == 0)
    texts = telegram.texts()
    assert texts.count(text("bot", "slow-down")) == 1
    assert 10 <= len(first_answers(telegram, photos)) - 1 <= 20  # the notice is a reply to one of them


def test_what_was_fetched_when_forget_was_answered_is_not_answered_by_the_next_process(
    telegram: Telegram, start: StartBot
) -> None:
    telegram.hold_downloads.clear()
    before = pile(telegram, 6)
    telegram.send(command("/forget") | {"date": long_ago(telegram)}, user=1)
    after = pile(telegram, 3)
    process = start()
    telegram.wait_until(lambda: any("deleted 0" in text for text in telegram.texts()))
    kill(process)
    telegram.hold_downloads.set()
    start()
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and telegram.answers().keys() >= {*after})
    assert first_answers(telegram, [*before, *after]) == after


def test_what_telegram_brings_again_behind_forget_is_let_go(
    telegram: Telegram, start: StartBot, free_port: int
) -> None:
    telegram.refusals.append(refuse_with("sendMessage", 429, chat=GROUP, times=1, parameters={"retry_after": 10}))
    before = pile(telegram, 3, user=1, chat=GROUP, **MENTION)
    others = pile(telegram, 2, user=2, chat=GROUP, **MENTION)
    start(**listen_on(free_port))
    telegram.wait_until(lambda: any(status == 503 for _, status in telegram.queue.couriers.posts))
    telegram.send(command("/forget") | {"date": long_ago(telegram)}, user=1)
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and telegram.answers().keys() >= {*others})
    assert first_answers(telegram, [*before, *others]) == others


def test_what_was_put_down_waits_no_longer_for_what_telegram_may_hold_than_some_seconds(
    telegram: Telegram, start: StartBot, tmp_path: Path, free_port: int
) -> None:
    """A webhook has put them down; a poller is shown nothing but a chat that is held, and came before them."""
    telegram.refusals.append(refuse_with("sendMessage", 429, chat=1, parameters={"retry_after": 600}))
    pile(telegram, 1)
    process = start(**listen_on(free_port))
    telegram.wait_until(lambda: any(status == 503 for _, status in telegram.queue.couriers.posts))
    telegram.hold_downloads.clear()
    others = pile(telegram, 3, user=2)
    telegram.wait_until(lambda: count_put_down(tmp_path) >= 3)
    kill(process)
    telegram.hold_downloads.set()
    start()
    telegram.wait_until(lambda: telegram.answers().keys() >= {*others}, seconds=40)


def test_a_photo_keeps_its_place_when_it_is_edited(telegram: Telegram, start: StartBot, tmp_path: Path) -> None:
    photos = pile(telegram, 100)
    start()
    telegram.wait_until(lambda: count_put_down(tmp_path) > 20)
    edited = photos[-10]
    telegram.edit(edited, caption="a red one")
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and telegram.answers().keys() >= {*photos})
    assert first_answers(telegram, photos) == photos
