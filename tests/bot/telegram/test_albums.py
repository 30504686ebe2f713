"""Albums: one answer for all photos, in private chats, groups and channels: the real process against the double."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

from bot.delivery.attempts import Admission
from bot.storage.sqlite.state import open_sqlite
from tests.support.bot_process import StartBot, kill, listen_on
from tests.support.chat import MENTION, TEXTS, answer_to, command, kinds, text
from tests.support.photos import COLORS, draw
from tests.support.telegram import DOWNLOAD, Faults, Refusal, Telegram

GROUP = -5


def album_answers(telegram: Telegram) -> list[str]:
    """The texts of the bot's messages as they stand now."""
    return [message["text"] for message in telegram.messages.values() if message.get("from", {}).get("is_bot")]


def edits(telegram: Telegram) -> int:
    return sum(method == "editMessageText" for method, _ in list(telegram.calls))


@pytest.mark.parametrize("mentioned", [0, 1, 2])
def test_in_a_group_an_album_with_one_mention_is_meant_as_a_whole(
    telegram: Telegram, start_bot: StartBot, mentioned: int
) -> None:
    start_bot()
    for number, color in enumerate(COLORS):
        extra = MENTION if number == mentioned else {}
        photo = telegram.files.keep_photo(draw(color))
        telegram.send({"photo": photo, "media_group_id": "album"} | extra, chat=GROUP)
    unmeant = {"photo": telegram.files.keep_photo(draw("red")), "media_group_id": "another"}
    telegram.send(unmeant, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    (answer,) = album_answers(telegram)
    assert answer.splitlines()[:4] == ["3 photos:", "1. red, 99%", "2. green, 99%", "3. blue, 99%"]


@pytest.mark.parametrize("webhook", [False, True])
def test_an_album_of_ten_in_a_group_gets_ten_lines_in_three_edits(
    telegram: Telegram, start_bot: StartBot, free_port: int, webhook: bool
) -> None:
    telegram.enforce_limits = True
    start_bot(**(listen_on(free_port) if webhook else {}))
    own = telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | MENTION, chat=GROUP)
    telegram.wait_until(lambda: own in telegram.answers())
    reply = {"reply_to_message": answer_to(telegram, own)}
    for _ in range(10):
        photo = {"photo": telegram.files.keep_photo(draw("blue")), "media_group_id": "album"}
        telegram.send(photo | reply, chat=GROUP)
    telegram.wait_until(lambda: album_answers(telegram)[-1].startswith("10 photos:"), seconds=60)
    assert len(album_answers(telegram)) == 2
    assert edits(telegram) <= 3
    telegram.wait_until(lambda: telegram.unconfirmed == 0)


def test_photos_of_an_album_that_came_before_its_mention_get_their_lines_in_few_edits(
    telegram: Telegram, start_bot: StartBot
) -> None:
    start_bot()
    for number in range(10):
        photo = telegram.files.keep_photo(draw("blue"))
        telegram.send({"photo": photo, "media_group_id": "album"} | (MENTION if number == 9 else {}), chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    (answer,) = album_answers(telegram)
    assert answer.splitlines()[:2] == ["10 photos:", "1. blue, 99%"]
    assert edits(telegram) <= 2


@pytest.mark.parametrize("webhook", [False, True])
@pytest.mark.parametrize("seconds", [1, 5])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_photos_of_an_album_that_came_before_its_mention_outlive_the_process(
    telegram: Telegram, start_bot: StartBot, free_port: int, webhook: bool, seconds: float, number: signal.Signals
) -> None:
    own = listen_on(free_port) if webhook else {}
    process = start_bot(**own)
    photos = [{"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"} for color in COLORS]
    for photo in photos[:-1]:
        telegram.send(photo, chat=GROUP)
    time.sleep(seconds)
    process.send_signal(number)
    process.wait(30)
    start_bot(**own)
    telegram.send(photos[-1] | MENTION, chat=GROUP)
    telegram.wait_until(lambda: any(answer.startswith("3 photos:") for answer in album_answers(telegram)))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)


@pytest.mark.parametrize("webhook", [False, True])
@pytest.mark.parametrize("stalled", [1, 3], ids=["before the mention", "with the mention"])
def test_in_a_group_a_photo_of_an_album_that_does_not_come_keeps_no_other_waiting(
    telegram: Telegram, start_bot: StartBot, free_port: int, webhook: bool, stalled: int
) -> None:
    start_bot(**(listen_on(free_port) if webhook else {}))
    photos = [telegram.files.keep_photo(draw(color)) for color in ("green", "red", "blue", "red")]
    files = frozenset(size["file_id"] for size in photos[stalled])
    stall = Refusal(DOWNLOAD, files=files, seconds=3600)
    telegram.refusals.append(stall)
    for photo in photos[:-1]:
        telegram.send({"photo": photo, "media_group_id": "album"}, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.send({"photo": photos[-1], "media_group_id": "album"} | MENTION, chat=GROUP)
    telegram.wait_until(lambda: any(answer.startswith("3 photos:") for answer in album_answers(telegram)))
    assert {"green", "blue"} < {word for line in album_answers(telegram)[0].split() for word in line.split(",")}
    telegram.refusals.remove(stall)
    telegram.wait_until(lambda: album_answers(telegram)[0].startswith("4 photos:"))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert len(album_answers(telegram)) == 1


class SlowAnswers(Faults):
    """Messages alone take `slow_seconds`."""

    async def handle(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.endswith("/sendMessage"):
            await asyncio.sleep(self.slow_seconds)
        return await handler(request)


@pytest.mark.parametrize("bot_python", [os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable)])
def test_replicas_that_have_photos_of_one_album_make_one_answer(
    telegram: Telegram, start_bot: StartBot, redis_url: str, free_port: int, free_port_too: int
) -> None:
    """Telegram brings each photo to another replica. The answer takes so long that both would begin one."""
    hooks = []
    for port in (free_port, free_port_too):
        own = listen_on(port)
        url = own["WEBHOOK_URL"]
        start_bot(REDIS_URL=redis_url, **own)
        telegram.wait_until(lambda url=url: bool(telegram.webhook) and telegram.webhook["url"] == url)  # type: ignore[misc,index]
        hooks.append(telegram.webhook)
    telegram.hold_downloads.clear()
    for hook, color in zip((*hooks, hooks[0]), COLORS, strict=True):
        telegram.wait_until(lambda: telegram.unconfirmed == 0)
        telegram.queue.couriers.webhook = hook
        photo = {"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"}
        telegram.send(photo | (MENTION if color == "blue" else {}), chat=GROUP)
    telegram.wait_until(lambda: len(telegram.downloads) >= len(COLORS))
    telegram.faults = SlowAnswers(rate=0, seed=1, slow_seconds=12)
    telegram.hold_downloads.set()
    telegram.wait_until(lambda: any(answer.startswith("3 photos:") for answer in album_answers(telegram)))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert len(album_answers(telegram)) == 1


def test_a_photo_that_waits_for_its_albums_mention_waits_for_the_rate_too(
    telegram: Telegram, start_bot: StartBot, free_port: int, tmp_path: Path
) -> None:
    """By webhook it is put down before the rate limit is asked, which is known when it goes on."""
    start_bot(**listen_on(free_port))
    telegram.send({"photo": telegram.files.keep_photo(draw("red")), "media_group_id": "album"}, chat=GROUP)

    def read() -> list[bool]:
        with closing(sqlite3.connect(f"file:{tmp_path / 'state' / 'ledger.sqlite'}?mode=ro", uri=True)) as state:
            return [json.loads(row[0])["is_unasked"] for row in state.execute("SELECT content FROM backlog")]

    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.wait_until(lambda: read() == [True])


@pytest.mark.parametrize("is_unasked", [False, True])
def test_what_was_put_down_unasked_is_not_let_in_because_it_is_known(tmp_path: Path, is_unasked: bool) -> None:
    async def go() -> None:
        state = await open_sqlite(tmp_path, 1)
        await state.ledger.claim("a")
        admission = Admission(state.ledger, "a", await state.ledger.claim("a"), is_unasked)
        assert admission.is_granted is not is_unasked
        await state.close()

    asyncio.run(go())


def test_an_album_whose_process_is_killed_meanwhile_gets_all_its_lines(telegram: Telegram, start_bot: StartBot) -> None:
    process = start_bot()
    for color in COLORS:
        telegram.send({"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"})
    telegram.wait_until(lambda: bool(telegram.sent))
    kill(process)
    start_bot()
    for color in COLORS:
        telegram.send({"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"})
    telegram.wait_until(lambda: telegram.unconfirmed == 0, seconds=60)
    lines = [line.partition(" ")[2] for text in album_answers(telegram) for line in text.splitlines() if ". " in line]
    assert sorted(set(lines)) == ["blue, 99%", "green, 99%", "red, 99%"]
    assert len(lines) >= 6


def test_a_photo_of_an_album_can_be_asked_about(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    album = [
        telegram.send({"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"}) for color in COLORS
    ]
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert album_answers(telegram)[0].splitlines()[-1] == text("bot", "album-how")
    telegram.send(command("/what") | {"reply_to_message": telegram.messages[album[2]]})
    telegram.wait_until(lambda: album[2] in telegram.answers())
    assert telegram.answers()[album[2]].startswith("I see: blue.")
    assert kinds(answer_to(telegram, album[2])) == ["why", "right", "wrong"]


@pytest.mark.parametrize("chat", [7, GROUP])
def test_all_ten_photos_of_an_album_can_be_asked_about(telegram: Telegram, start_bot: StartBot, chat: int) -> None:
    start_bot()
    album = [
        telegram.send(
            {"photo": telegram.files.keep_photo(draw("blue")), "media_group_id": "album"}
            | (MENTION if not number else {}),
            chat=chat,
        )
        for number in range(10)
    ]
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    for user, number in enumerate(album, start=100):  # people enough that nobody is too quick
        asked = command("/what") | {"reply_to_message": telegram.messages[number]}
        telegram.send(asked, chat=chat, user=7 if chat == 7 else user)
        telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert all(telegram.answers()[number].startswith("I see: blue.") for number in album[1:])


@pytest.mark.parametrize("language", TEXTS)
def test_what_an_album_says_names_the_command_that_asks(language: str) -> None:
    assert "/what" in text("bot", "album-how", language)


def test_an_album_without_pictures_is_told_so_once(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    for number in range(10):
        paper = telegram.files.keep(b"%PDF") | {"mime_type": "application/pdf", "file_name": f"{number}.pdf"}
        telegram.send({"document": paper, "media_group_id": "papers"})
    for _ in range(4):
        song = telegram.files.keep(b"ID3") | {"duration": 3, "mime_type": "audio/mpeg"}
        telegram.send({"audio": song, "media_group_id": "songs"})
    for _ in range(3):
        video = telegram.files.keep(b"mp4") | {"width": 9, "height": 9, "duration": 1}
        telegram.send({"video": video, "media_group_id": "videos"})
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert sorted(telegram.texts()) == sorted([*[text("bot", "hint")] * 2, text("bot", "no-picture")])


def test_a_channels_photo_can_be_asked_about_where_its_posts_are_answered(
    telegram: Telegram, start_bot: StartBot
) -> None:
    start_bot(CHANNEL_POSTS="on")
    posts = [
        telegram.post({"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"}) for color in COLORS
    ]
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.post(command("/what") | {"reply_to_message": telegram.messages[posts[2]]})
    telegram.wait_until(lambda: posts[2] in telegram.answers())
    assert telegram.answers()[posts[2]].startswith("I see: blue.")


def test_an_albums_answer_stays_in_its_topic(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    topic = {"message_thread_id": 55, "is_topic_message": True, "media_group_id": "album"}
    for color in COLORS:
        photo = {"photo": telegram.files.keep_photo(draw(color))}
        telegram.send(photo | topic | (MENTION if color == "green" else {}), chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert [answer.splitlines()[0] for answer in album_answers(telegram)] == ["3 photos:"]
    assert [fields.get("message_thread_id") for fields in telegram.sent] == ["55"]
