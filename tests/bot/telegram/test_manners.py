"""Captions, groups, topics and what Telegram itself writes: the real process against the double."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from typing import Any

import pytest
from aiogram.types import Message

from tests.support.bot_process import StartBot
from tests.support.chat import MENTION, answer_to, command, kinds, text
from tests.support.photos import draw, draw_corner
from tests.support.telegram import Telegram

GROUP = -5


@pytest.mark.parametrize("word", ["/what", "/start", "/help", "/start@test_bot", "/forget"])
@pytest.mark.parametrize("chat", [7, GROUP])
def test_a_photo_with_a_command_as_its_caption_is_a_photo(
    telegram: Telegram, start_bot: StartBot, word: str, chat: int
) -> None:
    start_bot()
    photo = telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | command(word, "caption"), chat=chat)
    other = telegram.send(
        {"photo": telegram.files.keep_photo(draw("red"))} | command("/what@other_bot", "caption"), chat=GROUP
    )
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {photo}
    assert telegram.answers()[photo].startswith("I see: red.")
    assert other not in telegram.answers()


@pytest.mark.parametrize(
    ("caption", "entity"),
    [
        ("\N{GRINNING FACE}\N{GRINNING FACE} @Test_Bot", {"type": "mention", "offset": 5, "length": 9}),
        (
            "you there",
            {"type": "text_mention", "offset": 0, "length": 3}
            | {"user": {"id": 123456, "is_bot": True, "first_name": "Test"}},
        ),
    ],
)
def test_a_mention_is_known_in_every_form(
    telegram: Telegram, start_bot: StartBot, caption: str, entity: dict[str, Any]
) -> None:
    """Behind letters of two UTF-16 units, in large letters, and by a name that is linked."""
    start_bot()
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    asked = telegram.send(photo | {"caption": caption, "caption_entities": [entity]}, chat=GROUP)
    telegram.send(photo | {"caption": "mail@test_bot.example"}, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {asked}


def test_in_a_group_a_mere_reply_to_the_bot_asks_for_nothing(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    photo = telegram.send({"photo": telegram.files.keep_photo(draw_corner("green", (640, 640)))} | MENTION, chat=GROUP)
    telegram.wait_until(lambda: photo in telegram.answers())
    telegram.press(answer_to(telegram, photo)["message_id"], "why")
    telegram.wait_until(lambda: len(telegram.sent) == 2)
    for own in [message for message in telegram.messages.values() if message["from"]["is_bot"]]:
        telegram.send({"text": "thanks!", "reply_to_message": own}, chat=GROUP, user=8)
    theirs = telegram.send({"photo": telegram.files.keep_photo(draw("blue"))}, chat=GROUP, user=9)
    name = {"text": "@test_bot ?", "entities": [{"type": "mention", "offset": 0, "length": 9}]}
    telegram.send(name | {"reply_to_message": telegram.messages[theirs]}, chat=GROUP, user=8)
    telegram.wait_until(lambda: telegram.replies[theirs] == 1 and telegram.unconfirmed == 0)
    assert len(telegram.sent) == 3


@pytest.mark.parametrize("chat", [7, GROUP])
def test_a_command_may_be_in_large_letters(telegram: Telegram, start_bot: StartBot, chat: int) -> None:
    start_bot()
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    captioned = telegram.send(photo | command("/WHAT", "caption"), chat=chat)
    quiet = telegram.send(photo, chat=GROUP)
    telegram.send(command("/What@Test_Bot") | {"reply_to_message": telegram.messages[quiet]}, chat=GROUP)
    helped = telegram.send(command("/Help"), chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {captioned, quiet, helped}


def test_a_photo_of_another_chat_can_be_asked_about(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    asked = {
        "origin": {"type": "channel", "date": 1, "chat": {"id": -9, "type": "channel", "title": "x"}, "message_id": 4},
        "photo": telegram.files.keep_photo(draw("blue")),
    }
    private = telegram.send(command("/what") | {"external_reply": asked})
    group = telegram.send(command("/what@test_bot") | {"external_reply": asked}, chat=GROUP)
    telegram.wait_until(lambda: telegram.answers().keys() == {private, group})
    for number in (private, group):
        assert telegram.answers()[number].startswith("I see: blue.")
        assert kinds(answer_to(telegram, number)) == []  # a press would not bring that photo


def test_eight_people_with_a_photo_each_in_a_group_get_eight_answers(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.enforce_limits = True
    start_bot()
    photo = {"photo": telegram.files.keep_photo(draw("red"))} | MENTION
    sent = {telegram.send(photo, chat=GROUP, user=user) for user in range(1, 9)}
    telegram.wait_until(lambda: telegram.answers().keys() == sent, seconds=60)
    assert text("bot", "slow-down") not in telegram.texts()


def test_a_flood_by_one_groups_anonymous_admin_silences_no_other_groups(
    telegram: Telegram, start_bot: StartBot
) -> None:
    start_bot()

    def send(chat: int) -> int:
        admin = {
            "from": {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"},
            "sender_chat": {"id": chat, "type": "supergroup", "title": "Friends"},
        }
        return telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | MENTION | admin, chat=chat)

    for _ in range(15):
        send(GROUP)
    other = send(-6)
    telegram.wait_until(lambda: other in telegram.answers())
    assert telegram.answers()[other].startswith("I see: red.")


@pytest.mark.parametrize("word", ["/start", "/help", "/privacy", "/language", "/donate", "/forget", "/what"])
def test_an_answer_in_the_comments_stays_in_their_thread(telegram: Telegram, start_bot: StartBot, word: str) -> None:
    start_bot()
    asked = telegram.send(command(word) | {"message_thread_id": 42}, chat=GROUP)
    telegram.wait_until(lambda: asked in telegram.answers())


def test_in_a_topic_that_the_bot_made_not_every_message_is_for_it(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    topic = {
        "message_id": 4,
        "date": 1,
        "chat": {"id": GROUP, "type": "supergroup", "title": "Friends"},
        "from": {"id": 123456, "is_bot": True, "first_name": "Test", "username": "test_bot"},
        "forum_topic_created": {"name": "Photos", "icon_color": 1},
    }
    thread = {"message_thread_id": 4, "is_topic_message": True, "reply_to_message": topic}
    telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | thread, chat=GROUP)
    asked = telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | thread | MENTION, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {asked}


SAID: dict[str, dict[str, Any]] = {
    "text": {"text": "what is this?"},
    "audio": {"audio": {"file_id": "a", "file_unique_id": "b", "duration": 3}},
    "document": {"document": {"file_id": "a", "file_unique_id": "b", "mime_type": "application/pdf"}},
    "voice": {"voice": {"file_id": "a", "file_unique_id": "b", "duration": 3}},
    "checklist": {"checklist": {"title": "Shopping", "tasks": [{"id": 1, "text": "bread"}]}},
    "contact": {"contact": {"phone_number": "1", "first_name": "Bob"}},
    "dice": {"dice": {"emoji": "\U0001f3b2", "value": 3}},
    "game": {"game": {"title": "g", "description": "d", "photo": []}},
    "poll": {
        "poll": {
            **{"id": "1", "question": "q", "options": [], "total_voter_count": 0, "is_closed": False},
            **{"is_anonymous": True, "type": "regular", "allows_multiple_answers": False},
        }
    },
    "venue": {"venue": {"location": {"latitude": 1.0, "longitude": 2.0}, "title": "t", "address": "a"}},
    "location": {"location": {"latitude": 1.0, "longitude": 2.0, "live_period": 900}},
    "invoice": {
        "invoice": {"title": "t", "description": "d", "start_parameter": "s", "currency": "XTR", "total_amount": 1}
    },
    "giveaway": {"giveaway": {"chats": [], "winners_selection_date": 1, "winner_count": 1}},
    "giveaway_winners": {
        "giveaway_winners": {
            **{"chat": {"id": -1, "type": "channel", "title": "t"}, "giveaway_message_id": 1, "winner_count": 1},
            **{"winners_selection_date": 1, "winners": []},
        }
    },
    "rich_message": {"rich_message": {"blocks": [{"type": "paragraph", "text": "hello"}]}},
}
"""A message of each kind that a person may say or forward, and that shows nothing."""


def list_kinds_of_content() -> set[str]:
    """Fields of a message that are its content, and no news of Telegram's own, as aiogram describes them."""
    begins = "For text messages, the actual|Message (?:is|contains) (?!a service)|The message is|A giveaway with"
    pattern = rf'^    (\w+): [^\n]*= None\n    """\*Optional\*\. (?:{begins})'
    return set(re.findall(pattern, inspect.getsource(Message), re.MULTILINE))


def test_whatever_a_person_says_gets_a_hint(telegram: Telegram, start_bot: StartBot) -> None:
    shown = {"animation", "live_photo", "paid_media", "photo", "sticker", "story", "video", "video_note"}
    assert list_kinds_of_content() == SAID.keys() | shown
    start_bot()
    for user, message in enumerate(SAID.values(), start=100):
        telegram.send(message, user=user)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert Counter(chat for _, chat in telegram.sent_at) == Counter(range(100, 100 + len(SAID)))
    assert set(telegram.texts()) == {text("bot", "hint")}


def test_a_live_photo_is_a_photo(telegram: Telegram, start_bot: StartBot) -> None:
    """Here and in another chat, of which Telegram may give the live photo alone."""
    still = telegram.files.keep_photo(draw("red"))
    live = telegram.files.keep(b"mp4") | {"width": 320, "height": 240, "duration": 3, "photo": still}
    start_bot()
    origin = {"type": "hidden_user", "sender_user_name": "a", "date": 1}
    asked = {"text": "/what", "entities": [{"type": "bot_command", "offset": 0, "length": 5}]}
    sent = [
        telegram.send({"live_photo": live, "photo": still}),
        telegram.send({"live_photo": live}),
        telegram.send(asked | {"external_reply": {"origin": origin, "live_photo": live}}),
    ]
    telegram.wait_until(lambda: telegram.answers().keys() >= set(sent))
    assert all(telegram.answers()[number].startswith("I see: red.") for number in sent)


def test_messages_without_a_number_of_their_own_are_each_answered(telegram: Telegram, start_bot: StartBot) -> None:
    """Telegram gives 0 to messages that pass (ephemeral ones)."""
    start_bot()
    for _ in range(2):
        telegram.send({"message_id": 0, "text": "what is this?"})
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.texts() == [text("bot", "hint")] * 2


def test_what_telegram_itself_writes_gets_no_hint(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    chat = {"id": 7, "type": "private", "first_name": "Ada"}
    pinned = {"message_id": 1, "date": 1, "chat": chat, "text": "hello"}
    news: list[dict[str, Any]] = [
        {"pinned_message": pinned},
        {"new_chat_photo": telegram.files.keep_photo(draw("red"))},
        {"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}},
        {"write_access_allowed": {}},
        {"users_shared": {"request_id": 1, "users": []}},
        {"something_of_tomorrow": {"x": 1}},
    ]
    for message in news:
        telegram.send(message)
    story = telegram.send({"story": {"chat": chat, "id": 1}})
    paid = telegram.send({"paid_media": {"star_count": 1, "paid_media": [{"type": "preview"}]}})
    telegram.send_text("what is this?", user=8)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers() == {story: text("bot", "no-picture"), paid: text("bot", "no-picture")}
    assert telegram.texts().count(text("bot", "hint")) == 1
    assert len(telegram.texts()) == 3
