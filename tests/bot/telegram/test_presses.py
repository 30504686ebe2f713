"""Presses of buttons that come twice, too often, or from somebody else: the real process against the double."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.bot_process import StartBot
from tests.support.chat import MENTION, answer_to, buttons, command, press_button, text, toasts
from tests.support.photos import draw, draw_corner
from tests.support.telegram import Telegram
from tests.support.telegram.chats import CHANNEL

GROUP = -5
ADA, BOB = 7, 8
ANONYMOUS = {
    "from": {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"},
    "sender_chat": {"id": GROUP, "type": "supergroup", "title": "Friends"},
}


def test_why_can_be_asked_again_where_the_photo_could_not_be_fetched(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    photo = telegram.send_photo(draw_corner("green", (640, 640)))
    telegram.wait_until(lambda: photo in telegram.answers())
    telegram.fail_downloads = 8
    press_button(telegram, photo, "why")
    telegram.wait_until(lambda: text("why", "gone") in telegram.texts() and telegram.unconfirmed == 0)
    telegram.fail_downloads = 0
    press_button(telegram, photo, "why")
    telegram.wait_until(lambda: any(method == "sendPhoto" for method, _ in telegram.calls))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    press_button(telegram, photo, "why")  # it is explained now
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert sum(method == "sendPhoto" for method, _ in telegram.calls) == 1


@pytest.mark.parametrize(("first", "second"), [("right", "right"), ("right", "wrong"), ("is", "none"), ("is", "is")])
def test_a_second_press_is_told_that_the_answer_is_judged(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, first: str, second: str
) -> None:
    """Both were made before the buttons went. The photo may have been kept: a second press must not deny that."""
    start_bot(DONATIONS_DIR=str(tmp_path / "donations"))
    telegram.send_text("/donate")
    telegram.wait_until(lambda: any("donate:yes" in buttons(one) for one in list(telegram.messages.values())))
    question = next(number for number, one in telegram.messages.items() if "donate:yes" in buttons(one))
    telegram.press(question, "donate:yes")
    photo = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: photo in telegram.answers() and telegram.unconfirmed == 0)
    if first == "is":
        press_button(telegram, photo, "wrong")
        telegram.wait_until(lambda: telegram.unconfirmed == 0)
    answer = dict(answer_to(telegram, photo))
    for kind, told in ((first, "kept"), (second, "judged")):
        data = next(data for data in buttons(answer) if data.startswith(kind))
        telegram.forge_press(answer, data)
        telegram.wait_until(lambda: telegram.unconfirmed == 0)
        assert toasts(telegram)[-1] == text("verdict", told)


def test_every_press_above_the_rate_is_answered(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    photo = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: photo in telegram.answers() and telegram.unconfirmed == 0)
    answer = dict(answer_to(telegram, photo))  # its buttons change at the first press that is answered
    wrong = next(data for data in buttons(answer) if data.startswith("wrong"))
    for _ in range(30):
        telegram.forge_press(answer, wrong, user=BOB)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    answered = [fields for method, fields in telegram.calls if method == "answerCallbackQuery"]
    assert len(answered) == 30
    assert toasts(telegram).count(text("bot", "slow-down")) >= 10  # the rate lets some more in while they are answered


def test_one_readers_presses_do_not_take_a_channels_places(telegram: Telegram, start_bot: StartBot) -> None:
    """A channel's posts have no sender, the presses of its readers have one: each has a rate of their own."""
    start_bot(CHANNEL_POSTS="on")
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    post = telegram.post(photo)
    telegram.wait_until(lambda: post in telegram.answers() and telegram.unconfirmed == 0)
    answer = dict(answer_to(telegram, post)) | {"chat": {"id": CHANNEL, "type": "channel", "title": "News"}}
    for _ in range(30):
        telegram.forge_press(answer, "why", user=BOB)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    another = telegram.post(photo)
    telegram.wait_until(lambda: another in telegram.answers() and telegram.unconfirmed == 0)
    assert text("bot", "slow-down") not in telegram.texts()


def test_presses_do_not_silence_a_group(telegram: Telegram, start_bot: StartBot) -> None:
    """They take the places of who presses. One person's presses alone are more than a group's messages may be."""
    start_bot()
    photo = {"photo": telegram.files.keep_photo(draw("red"))} | MENTION
    own = telegram.send(photo, chat=GROUP, user=ADA)
    telegram.wait_until(lambda: own in telegram.answers() and telegram.unconfirmed == 0)
    answer = dict(answer_to(telegram, own))
    right = next(data for data in buttons(answer) if data.startswith("right"))
    for presser in (ADA, BOB, 9):
        for _ in range(10):
            telegram.forge_press(answer, right, user=presser)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    others = {telegram.send(photo, chat=GROUP, user=user) for user in range(10, 14)}
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert all(telegram.answers()[message].startswith("I see: red.") for message in others)


def test_too_many_whys_are_told_to_slow_down(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    photos = [telegram.send_photo(draw_corner("green", (640, 640))) for _ in range(6)]
    telegram.wait_until(lambda: telegram.answers().keys() == set(photos) and telegram.unconfirmed == 0)
    for photo in photos:
        press_button(telegram, photo, "why", user=BOB)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert 1 <= toasts(telegram).count(text("bot", "slow-down")) <= 3


def test_only_who_asked_chooses_a_language_in_a_group(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    asked = telegram.send(command("/language"), chat=GROUP, user=ADA)
    telegram.wait_until(lambda: asked in telegram.answers())
    question = answer_to(telegram, asked)["message_id"]
    telegram.press(question, "language:de", user=BOB)
    telegram.wait_until(lambda: toasts(telegram) == [text("language", "not-yours")])
    assert telegram.messages[question]["text"] == text("language", "choose")
    telegram.press(question, "language:fr", user=ADA)
    telegram.wait_until(lambda: telegram.messages[question]["text"] == text("language", "chosen", "fr"))
    photo = {"photo": telegram.files.keep_photo(draw("red"))} | MENTION
    theirs, own = (telegram.send(photo, chat=GROUP, user=user) for user in (BOB, ADA))
    telegram.wait_until(lambda: {theirs, own} <= telegram.answers().keys())
    assert telegram.answers()[theirs].startswith("I see: red.")
    assert telegram.answers()[own].startswith("Je vois : red.")


def test_who_writes_in_a_groups_name_is_asked_for_no_language(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    asked = telegram.send(command("/language") | ANONYMOUS, chat=GROUP)
    telegram.wait_until(lambda: asked in telegram.answers())
    assert telegram.answers()[asked] == text("donation", "person")
    assert buttons(answer_to(telegram, asked)) == []


@pytest.mark.parametrize(("word", "data"), [("/language", "language:de"), ("/donate", "donate:yes")])
@pytest.mark.parametrize("gone", ["question", "command"])
def test_whom_an_old_question_in_a_group_was_for_is_not_guessed(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, word: str, data: str, gone: str
) -> None:
    start_bot(DONATIONS_DIR=str(tmp_path / "donations"))
    asked = telegram.send(command(word), chat=GROUP, user=ADA)
    telegram.wait_until(lambda: asked in telegram.answers())
    question = answer_to(telegram, asked)
    shown = question | {"reply_to_message": None} if gone == "command" else _without_content(question)
    telegram.forge_press(shown, data, user=ADA)
    telegram.wait_until(lambda: toasts(telegram) == [text("bot", "question-gone")])


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize(
    ("word", "data", "told"),
    [
        ("/language", "language:de", ("language", "chosen", "de")),
        ("/donate", "donate:yes", ("donation", "agreed", "en")),
    ],
)
def test_an_old_question_in_private_gets_its_outcome(
    telegram: Telegram,
    start_bot: StartBot,
    tmp_path: Path,
    word: str,
    data: str,
    told: tuple[str, str, str],
    is_deleted: bool,
) -> None:
    start_bot(DONATIONS_DIR=str(tmp_path / "donations"))
    telegram.send(command(word), user=ADA)
    telegram.wait_until(lambda: any(data in buttons(one) for one in list(telegram.messages.values())))
    question = next(one for one in telegram.messages.values() if data in buttons(one))
    if is_deleted:
        del telegram.messages[question["message_id"]]
    telegram.forge_press(_without_content(question), data, user=ADA)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert toasts(telegram) == [text(*told)]
    if not is_deleted:
        assert telegram.messages[question["message_id"]]["text"] == question["text"]  # a forged press may name any
        assert buttons(telegram.messages[question["message_id"]]) == []


def _without_content(message: dict[str, Any]) -> dict[str, Any]:
    """As Telegram shows a message that is deleted, or older than 48 hours."""
    return {"chat": message["chat"], "message_id": message["message_id"], "date": 0}
