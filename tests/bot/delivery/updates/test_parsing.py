"""Updates that cannot be parsed: nobody's stops the updates of others, by polling and by webhook."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from aiogram.types import Message

from tests.support.bot_process import StartBot
from tests.support.chat import text
from tests.support.photos import draw
from tests.support.telegram import Telegram

Make = Callable[[Telegram], Any]
GROUP = -5
OLD_FORWARD: dict[str, Any] = {"forward_origin": {"type": "hidden_user", "date": 1422450181}}


def message(user: int = 77, chat: int | None = None, number: int = 5, **content: Any) -> dict[str, Any]:
    place = {"id": chat or user, "type": "private" if chat is None else "supergroup"}
    sender = {"id": user, "is_bot": False, "first_name": "x", "language_code": "en"}
    return {"message": {"message_id": number, "date": 1, "chat": place, "from": sender} | content}


def photo(telegram: Telegram) -> list[dict[str, Any]]:
    return telegram.files.keep_photo(draw("red"))


def make_rich_message(levels: int) -> dict[str, Any]:
    """Bold within bold: aiogram would try so many types in so many levels that the bot stood still for years."""
    rich: Any = "x"
    for _ in range(levels):
        rich = {"type": "bold", "text": rich}
    return {"rich_message": {"blocks": [{"type": "paragraph", "text": rich}] * 100}}


def make_pinned_messages(levels: int) -> dict[str, Any]:
    """Each level would cost as long again: with 5,000 faults at the bottom the bot stood still for a minute."""
    pinned: dict[str, Any] = message(entities=[{}] * 5_000)["message"]
    for _ in range(levels):
        pinned = message(pinned_message=pinned)["message"]
    return pinned


HINTED: dict[str, dict[str, Any]] = {
    "an old forward": message(text="x", **OLD_FORWARD),
    "a reply to a story": message(text="x", external_reply={"origin": {"type": "chat"}, "story": {}}),
    "a poll of another age": message(poll={"id": "1", "question": "q", "options": [{"text": "a"}]}),
    "an entity that is a number": message(text="x", entities=[5]),
    "a text that is an object": message(text={"a": 1}),
    "rich text within rich text": message(**make_rich_message(16)),
    "half a surrogate": message(text="\ud800"),
    "a message without a date": {"message": {k: v for k, v in message(text="x")["message"].items() if k != "date"}},
    "a chat with a wrong field": {
        "message": message(text="x")["message"] | {"chat": {"id": 77, "type": "private", "first_name": 5}}
    },
    "paid media of tomorrow": message(paid_media={"star_count": 1, "paid_media": [{"type": "hologram"}]}),
}
"""Without a photo, in a private chat."""

PASSED: dict[str, Any] = {
    "a kind of tomorrow": {"brand_new": {"id": 1}},
    "nothing but a number": {},
    "a message that is null": {"message": None},
    "a message that is text": {"message": "hello"},
    "a message that is a list": {"message": [1]},
    "a message without a chat": {"message": {"message_id": 1, "date": 1, "text": "x"}},
    "a press without a sender": {"callback_query": {"id": "1", "chat_instance": "c", "data": "why"}},
    "a press that is a number": {"callback_query": 7},
    "a background of tomorrow": message(chat_background_set={"type": {"type": "tomorrow"}}),
    "a service message without its fields": message(poll_option_added={}),
    "a forward in a group": message(chat=GROUP, text="x", **OLD_FORWARD),
    "an edit that cannot be parsed": {"edited_message": message(text="x", **OLD_FORWARD)["message"]},
    "a channel post that is odd": {"channel_post": {"message_id": 1, "date": 1, "chat": {"id": -1001, "type": "x"}}},
    "a poll answer of another shape": {"poll_answer": {"poll": 1}},
    "a chat member of tomorrow": {"chat_member": {"new_chat_member": {"status": "ghost"}}},
    "no end of pictures": message(chat=GROUP, new_chat_photo=[{}] * 100_000),
    "nested deeply": message(text="x", reply_markup={"inline_keyboard": [[{"text": [[[[[[[]]]]]]]}]]}, chat=GROUP),
}
"""Nobody is told anything."""

NUMBERLESS: list[Any] = [
    None,
    5,
    "update",
    [],
    True,
    {"update_id": "x"},
    {"update_id": -5},
    {"update_id": 1e30},
    {"a": 1},
]


def test_an_update_that_cannot_be_parsed_is_passed_over_and_others_are_answered(
    telegram: Telegram, start: StartBot, tmp_path: Path, free_port_too: int
) -> None:
    hinted = []
    for user, update in enumerate(HINTED.values(), start=100):
        changed = json.loads(json.dumps(update).replace("77", str(user)))
        hinted.append(user)
        telegram.send_raw(changed)
    for update in PASSED.values():
        telegram.send_raw(update)
    sent = telegram.send_photo(draw("red"), user=8)
    start(METRICS_PORT=str(free_port_too), METRICS_HOST="127.0.0.1")
    telegram.wait_until(lambda: telegram.unconfirmed == 0 and sent in telegram.answers())
    assert sorted(chat for _, chat in telegram.sent_at) == [8, *hinted]
    others = [words for words in telegram.texts() if not words.startswith("I see: red.")]
    no_picture = [text("bot", "no-picture")]  # for paid media, which no bot can look at
    assert sorted(others) == sorted([text("bot", "hint")] * (len(hinted) - 1) + no_picture)
    with urlopen(f"http://127.0.0.1:{free_port_too}/metrics", timeout=30) as response:
        assert 'labelgram_unreadable_updates_total{kind="message"}' in response.read().decode()
    log = (tmp_path / "bot.log").read_text()
    assert "message.forward_origin.hidden_user.sender_user_name" in log
    assert "Traceback" not in log
    assert "hologram" not in log


@pytest.mark.parametrize("start", ["polling"], indirect=True)
def test_what_has_no_number_is_passed_over(telegram: Telegram, start: StartBot) -> None:
    for update in NUMBERLESS:
        telegram.queue.put_raw(telegram.send_raw({}), update)
    sent = [telegram.send_photo(draw("red"), user=user) for user in (8, 9)]
    process = start()
    telegram.wait_until(lambda: telegram.answers().keys() == set(sent) and telegram.unconfirmed == 0)
    telegram.queue.put_raw(telegram.send_raw({}), None)  # nothing but that
    late = telegram.send_photo(draw("red"), user=10)
    telegram.wait_until(lambda: late in telegram.answers())
    assert process.poll() is None


PHOTOS: dict[str, Callable[[Telegram], dict[str, Any]]] = {
    "with an old forward": lambda telegram: {"photo": photo(telegram), **OLD_FORWARD},
    "with one size that is damaged": lambda telegram: {"photo": [{"file_id": 5}, *photo(telegram)]},
    "with a caption that is a number": lambda telegram: {"photo": photo(telegram), "caption": 5},
    "whose name and caption have half a surrogate": lambda telegram: {
        "photo": [size | {"file_unique_id": "\ud800"} for size in photo(telegram)],
        "caption": "\udfff",
        "caption_entities": [{"type": "mention", "offset": 0, "length": 1}],
    },
    "with many odd entities": lambda telegram: {
        "photo": photo(telegram),
        "caption": "x",
        "caption_entities": [{"type": "bold", "offset": "a"}] * 100,
    },
    "with no end of odd entities": lambda telegram: {
        "photo": photo(telegram),
        "caption_entities": [{}] * 9_000,
    },
    "with more parts than any message has": lambda telegram: {
        "photo": photo(telegram),
        "caption": "x",
        "caption_entities": [{"type": "bold", "offset": 0, "length": 1}] * 20_000,
    },
    "with odd entities deep in pinned messages": lambda telegram: {
        "photo": photo(telegram),
        "pinned_message": make_pinned_messages(100),
    },
    "with more odd fields than are cut out one by one": lambda telegram: {
        "photo": photo(telegram),
        **{name: [[]] for name in Message.model_fields.keys() - {"photo", "chat", "date", "message_id", "from_user"}},
    },
    "in reply to rich text within rich text": lambda telegram: {
        "photo": photo(telegram),
        "reply_to_message": message(number=3, **make_rich_message(16))["message"],
    },
    "from a chat of a type that is a number": lambda telegram: {"photo": photo(telegram), "chat": {"type": 5}},
    "from a chat of a type of tomorrow": lambda telegram: {"photo": photo(telegram), "chat": {"type": "secret"}},
    "from an odd chat of a type of tomorrow": lambda telegram: {
        "photo": photo(telegram),
        "chat": {"type": "secret", "title": []},
    },
    "from a chat without a type": lambda telegram: {"photo": photo(telegram), "chat": {"title": []}},
    "from a sender whose fields are odd": lambda telegram: {
        "photo": photo(telegram),
        "from": {"is_bot": "perhaps", "first_name": None, "language_code": 5, "username": {}},
    },
    "with an odd date and an odd thread": lambda telegram: {
        "photo": photo(telegram),
        "date": {"a": 1},
        "message_thread_id": "none",
        "media_group_id": 7,
    },
    "with an effect of tomorrow": lambda telegram: {"photo": photo(telegram), "quote": {"text": 1}, "story": {}},
    "in reply to an old forward": lambda telegram: {
        "photo": photo(telegram),
        "reply_to_message": message(number=3, text="x", **OLD_FORWARD)["message"],
    },
}


def test_a_photo_in_an_update_that_cannot_be_parsed_is_answered(telegram: Telegram, start: StartBot) -> None:
    for number, make in enumerate(PHOTOS.values(), start=1000):
        update, content = message(user=number, number=number), make(telegram)
        for name in content.keys() & {"chat", "from"}:
            content[name] |= {"id": number}
        telegram.send_raw({"message": update["message"] | content})
    lost: list[dict[str, Any]] = [{"photo": [{"file_id": 5}]}, {"photo": 5}, {"document": {"file_name": "a.jpg"}}]
    for number, content in enumerate(lost, start=2000):
        telegram.send_raw(message(user=number, number=number, **content))
    telegram.send_raw(message(user=3000, chat=GROUP, number=3000, photo=[{"file_id": 5}]))  # the bot is not meant
    start()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    answers = telegram.answers()
    assert answers.keys() == {*range(1000, 1000 + len(PHOTOS)), *range(2000, 2000 + len(lost))}
    assert all(answers[number].startswith("I see: red.") for number in range(1000, 1000 + len(PHOTOS)))
    assert all(answers[number] == text("bot", "failed") for number in range(2000, 2000 + len(lost)))


@pytest.mark.parametrize("start", ["polling"], indirect=True)
def test_two_updates_of_one_number_are_both_answered(telegram: Telegram, start: StartBot) -> None:
    first, second = (telegram.send_photo(draw("red"), user=user) for user in (8, 9))
    telegram.queue.updates[second] |= {"update_id": first}
    start()
    telegram.wait_until(lambda: telegram.answers().keys() == {first, second})


def test_hints_for_what_cannot_be_parsed_are_throttled(telegram: Telegram, start: StartBot) -> None:
    for number in range(40):
        telegram.send_raw(message(user=8, number=number, text="x", **OLD_FORWARD))
    start()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert 10 <= telegram.texts().count(text("bot", "hint")) < 30
    assert telegram.texts().count(text("bot", "slow-down")) == 1


def test_press_of_a_button_under_an_old_forward_is_taken(telegram: Telegram, start: StartBot) -> None:
    telegram.send_text("/language")
    start()
    telegram.wait_until(lambda: len(telegram.texts()) == 1)
    (question,) = [number for number, sent in telegram.messages.items() if "reply_markup" in sent]
    telegram.messages[question] |= OLD_FORWARD
    buttons = [key for row in telegram.messages[question]["reply_markup"]["inline_keyboard"] for key in row]
    german = next(key["callback_data"] for key in buttons if key["callback_data"].endswith("de"))
    telegram.press(question, german)
    telegram.wait_until(lambda: "Deutsch" in telegram.messages[question].get("text", ""))
