"""What is put down of an update can be parsed again, whatever the update holds that parsing lets through."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from aiogram import Bot
from aiogram.types import Update, User

from bot.delivery.updates.identity import find_lane, find_person, speaks_to
from bot.delivery.updates.parsing import parse
from bot.delivery.updates.reduction import reduce_update
from bot.monitoring.metrics import Metrics
from bot.texts.replies import COMMANDS, DONATING, OWNING

ME = User(id=123456, is_bot=True, first_name="Test", username="test_bot")
USER = {"id": 7, "is_bot": False, "first_name": "Ada", "language_code": "en"}
CHAT = {"id": -5, "type": "supergroup", "title": "x"}
SIZE = {"file_id": "a", "file_unique_id": "b", "width": 3, "height": 4, "file_size": 9}
COMMAND = {"text": "/what", "entities": [{"type": "bot_command", "offset": 0, "length": 5}]}
WHERE = {"date": 1, "chat": CHAT}
REPLY = {"message_id": 4, **WHERE}
UPDATES: list[dict[str, Any]] = [
    {
        "message": {
            **{"message_id": 5, **WHERE, "from": USER, "via_bot": USER, "sender_chat": CHAT, "media_group_id": "1"},
            **{"photo": [SIZE], "caption": "@test_bot hé", "reply_to_message": {**REPLY, **COMMAND}},
            "forward_origin": {"type": "user", "date": 1, "sender_user": USER},
            "caption_entities": [
                {"type": "mention", "offset": 0, "length": 9},
                {"type": "text_mention", "offset": 1, "length": 2, "user": USER},
            ],
        }
    },
    {
        "callback_query": {
            **{"id": "1", "from": USER, "chat_instance": "c", "data": "why"},
            "message": {
                **{"message_id": 5, **WHERE, "text": "x"},
                "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "why"}]]},
                "reply_to_message": {**REPLY, "document": {"file_id": "a", "file_unique_id": "b", "thumbnail": SIZE}},
            },
        }
    },
    {
        "message": {
            **{"message_id": 6, **WHERE, "from": USER, **COMMAND},
            "external_reply": {
                "origin": {"type": "channel", "date": 1, "chat": CHAT, "message_id": 1},
                **{"chat": CHAT, "message_id": 1, "photo": [SIZE]},
                "video": {**SIZE, "duration": 3, "thumbnail": SIZE},
            },
        }
    },
    {
        "edited_message": {
            **{"message_id": 5, **WHERE, "from": USER, **COMMAND},
            "sticker": SIZE | {"type": "regular", "is_animated": False, "is_video": True, "thumbnail": SIZE},
        }
    },
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, -5, 2.0, 2**31, 2**63, 10**30, 1e300, float("nan")),
    *("", "3", "1.0", "x", "true", "\0", "\ud800", "2020-01-01T00:00:00Z", [], {}, [None], [[]], {"id": 1}),
]
"""What a field is changed to."""
SEEDS = 2000


def list_places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in `node` with each of its keys."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield node, key
        if isinstance(value, dict | list):
            yield from list_places(value)


def change(rng: Random) -> dict[str, Any]:
    update = copy.deepcopy(rng.choice(UPDATES)) | {"update_id": 1}
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        container, key = rng.choice(list(list_places(update)))
        if isinstance(container, dict) and rng.random() < 0.15:
            del container[key]
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))
        update["update_id"] = 1
    return update


def test_whatever_can_be_parsed_can_be_put_down_and_parsed_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    bot, metrics = Bot("123456:abc"), Metrics()
    reduced = 0
    for seed in range(SEEDS):
        raw = change(Random(seed))
        incoming = parse(copy.deepcopy(raw), bot, metrics)
        if incoming is None or incoming.update is None:
            continue
        again = parse(json.loads(json.dumps(reduce_update(incoming.update, ME))), bot, metrics)
        assert again, (seed, raw)
        assert again.update, (seed, raw)
        assert not again.is_cut, (seed, raw)
        assert find_lane(again.update) == find_lane(incoming.update), (seed, raw)
        assert find_person(again.update) == find_person(incoming.update), (seed, raw)
        reduced += 1
    assert reduced > SEEDS / 2


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("voice", {"file_id": "a", "file_unique_id": "b", "duration": 3}),
        ("checklist", {"title": "Shopping", "tasks": [{"id": 1, "text": "bread"}]}),
        ("story", {"chat": CHAT, "id": 1}),
        ("paid_media", {"star_count": 1, "paid_media": [{"type": "preview"}]}),
        ("pinned_message", {**REPLY, "text": "x"}),
    ],
)
def test_what_asks_for_a_hint_still_does_when_it_was_put_down(kind: str, content: object) -> None:
    """And no word of it is put down."""
    update = Update.model_validate({"update_id": 1, "message": {"message_id": 5, **WHERE, kind: content}})
    reduced = reduce_update(update, ME)["message"]
    assert reduced.get("text") == (None if kind == "pinned_message" else "-")
    assert reduced.keys() <= {"message_id", "date", "chat", "text"}


def test_only_commands_and_mentions_of_the_bot_are_put_down() -> None:
    text = "😀 @Test_Bot look at Ada and @friend /what you"
    spoken = {"@Test_Bot": "mention", "@friend": "mention", "Ada": "text_mention", "/what": "bot_command", "you": "bot"}
    entities: list[dict[str, Any]] = []
    for word, kind in spoken.items():
        offset = len(text[: text.index(word)].encode("utf-16-le")) // 2
        mentioned = {"Ada": USER, "you": {"id": ME.id, "is_bot": True, "first_name": "Test"}}
        user = {"user": mentioned[word]} if word in mentioned else {}
        entities.append({"type": "text_mention" if user else kind, "offset": offset, "length": len(word)} | user)
    message = {"message_id": 5, **WHERE, "from": USER, "photo": [SIZE], "caption": text, "caption_entities": entities}
    update = Update.model_validate({"update_id": 1, "message": message})
    reduced = Update.model_validate(reduce_update(update, ME)).message
    assert reduced
    assert reduced.caption == "@Test_Bot /what ---"
    assert speaks_to(reduced, ME)
    for name in ("Ada", "friend", "look", "you"):
        assert name not in json.dumps(reduce_update(update, ME))


@pytest.mark.parametrize(
    ("said", "put_down"),
    [("/Ada_Lovelace", "/------------"), ("/what@Ada_bot", "/------------"), ("/forget@test_bot", "/forget@test_bot")]
    + [(f"/{name.upper()}", f"/{name.upper()}") for name in (*COMMANDS, *DONATING, *OWNING)],
)
def test_a_word_after_a_slash_is_put_down_if_it_is_a_command_of_the_bot(said: str, put_down: str) -> None:
    entities = [{"type": "bot_command", "offset": 0, "length": len(said)}]
    message = {"message_id": 5, **WHERE, "from": USER, "text": f"{said} Ada", "entities": entities}
    reduced = reduce_update(Update.model_validate({"update_id": 1, "message": message}), ME)["message"]
    assert (reduced["text"], reduced["entities"]) == (put_down, entities)


def test_of_buttons_what_a_press_brings_is_put_down_and_those_of_other_bots_are_not() -> None:
    rows = [[{"text": "Ada", "callback_data": "why"}, {"text": "x", "url": "https://example.com/Ada"}]]
    message = {"message_id": 5, **WHERE, "text": "x", "reply_markup": {"inline_keyboard": rows}}
    press = {"id": "1", "from": USER, "chat_instance": "c", "data": "why", "message": message}
    for update in ({"message": {**message, "via_bot": USER}}, {"callback_query": press}):
        reduced = reduce_update(Update.model_validate({"update_id": 1, **update}), ME)
        assert "Ada" not in json.dumps(reduced)
        assert Update.model_validate(reduced)
    (buttons,) = reduced["callback_query"]["message"]["reply_markup"]["inline_keyboard"]
    assert [button.get("callback_data") for button in buttons] == ["why", None]
