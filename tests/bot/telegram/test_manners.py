"""Captions, albums, groups, topics and what Telegram itself writes: the real process against the double."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bot_process import StartBot, kill
from tests.support.chat import TEXTS, answer_to, kinds, text
from tests.support.photos import COLORS, draw, draw_corner
from tests.support.telegram import Telegram

GROUP = -5
MENTION = {"caption": "@test_bot", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}


def command(word: str, field: str = "text") -> dict[str, Any]:
    entities = [{"type": "bot_command", "offset": 0, "length": len(word.partition(" ")[0])}]
    return {field: word, "entities" if field == "text" else "caption_entities": entities}


def album_answers(telegram: Telegram) -> list[str]:
    """The texts of the bot's messages as they stand now."""
    return [message["text"] for message in telegram.messages.values() if message.get("from", {}).get("is_bot")]


def edits(telegram: Telegram) -> int:
    return sum(method == "editMessageText" for method, _ in list(telegram.calls))


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
    start_bot(**({"WEBHOOK_URL": f"http://127.0.0.1:{free_port}/hook", "PORT": str(free_port)} if webhook else {}))
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


def test_photos_of_an_album_that_came_before_its_mention_get_their_lines_in_one_edit(
    telegram: Telegram, start_bot: StartBot
) -> None:
    start_bot()
    for _ in range(9):
        photo = telegram.files.keep_photo(draw("blue"))
        telegram.send({"photo": photo, "media_group_id": "album"}, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    last = {"photo": telegram.files.keep_photo(draw("red")), "media_group_id": "album"}
    telegram.send(last | MENTION, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    (answer,) = album_answers(telegram)
    assert answer.splitlines()[:2] == ["10 photos:", "1. blue, 99%"]
    assert "10. red, 99%" in answer
    assert edits(telegram) == 1


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
