"""Who may use the bot: the real process with ALLOWED_IDS against the Bot API's double."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from tests.support.bot_process import RunBot, StartBot
from tests.support.chat import MENTION, answer_to, buttons, text
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Telegram
from tests.support.telegram.refusals import refuse_with

FRIEND, OWNER, STRANGER = 2001, 99, 3001
OURS, THEIRS = -1001000000009, -1001000000010


@pytest.fixture
def limited(telegram: Telegram, start_bot: StartBot) -> Telegram:
    start_bot(ALLOWED_IDS=f"{FRIEND}, {OURS}", OWNER_IDS=str(OWNER))
    return telegram


def test_allowed_people_are_answered_anywhere_and_anybody_in_an_allowed_group(limited: Telegram) -> None:
    photo = {"photo": limited.files.keep_photo(draw("red"))} | MENTION
    answered = {
        limited.send_photo(draw("red"), user=FRIEND),
        limited.send_photo(draw("red"), user=OWNER),
        limited.send(photo, user=FRIEND, chat=THEIRS),
        limited.send(photo, user=OWNER, chat=THEIRS),
        limited.send(photo, user=STRANGER, chat=OURS),
    }
    silent = limited.send(photo, user=STRANGER, chat=THEIRS)
    limited.wait_until(lambda: limited.unconfirmed == 0)
    assert limited.answers().keys() == answered
    assert silent not in answered


def test_others_are_told_so_once_whatever_they_send_and_across_a_restart(
    telegram: Telegram, start_bot: StartBot
) -> None:
    process = start_bot(ALLOWED_IDS=str(FRIEND))
    photo = telegram.send_photo(draw("red"), user=STRANGER)
    telegram.send_text("/start", user=STRANGER)
    telegram.send_text("/donate", user=STRANGER)
    telegram.edit(photo, photo=telegram.files.keep_photo(draw("blue")))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    process.terminate()
    process.wait(30)
    start_bot(ALLOWED_IDS=str(FRIEND))
    telegram.send_photo(draw("green"), user=STRANGER)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.texts() == [text("bot", "not-allowed").format(number=STRANGER)]
    assert telegram.downloads == []


def test_who_is_turned_away_is_told_so_in_the_language_that_they_chose(telegram: Telegram, start_bot: StartBot) -> None:
    process = start_bot()
    asked = telegram.send_text("/language", user=STRANGER)
    telegram.wait_until(lambda: len(telegram.texts()) == 1 and telegram.unconfirmed == 0)
    question = max(telegram.messages)
    assert question > asked
    telegram.press(question, "language:de", user=STRANGER)
    telegram.wait_until(lambda: telegram.messages[question]["text"] == text("language", "chosen", "de"))
    process.terminate()
    process.wait(30)
    start_bot(ALLOWED_IDS=str(FRIEND))
    telegram.send_photo(draw("red"), user=STRANGER)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.texts()[-1] == text("bot", "not-allowed", "de").format(number=STRANGER)


def test_one_who_cannot_be_told_keeps_nobody_else_waiting(limited: Telegram) -> None:
    """Telegram holds the first stranger's chat for longer than the test waits."""
    limited.refusals.append(refuse_with("sendMessage", 429, chat=STRANGER, parameters={"retry_after": 3600}))
    limited.send_text("hello", user=STRANGER)
    limited.wait_until(lambda: any(method == "sendMessage" for method, _ in list(limited.calls)))
    limited.send_text("hello", user=STRANGER + 1)
    limited.wait_until(lambda: limited.texts() == [text("bot", "not-allowed").format(number=STRANGER + 1)])


def test_a_button_in_a_private_chat_is_no_way_in(telegram: Telegram, start_bot: StartBot) -> None:
    """Somebody who was answered before is no longer allowed."""
    process = start_bot()
    message = telegram.send_photo(draw("red"), user=STRANGER)
    telegram.wait_until(lambda: message in telegram.answers() and telegram.unconfirmed == 0)
    process.terminate()
    process.wait(30)
    start_bot(ALLOWED_IDS=str(FRIEND))
    answer = answer_to(telegram, message)
    fetched = len(telegram.downloads)
    for data in buttons(answer):
        telegram.press(answer["message_id"], data, user=STRANGER)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert buttons(answer_to(telegram, message)) == buttons(answer)
    assert len(telegram.downloads) == fetched


@pytest.mark.parametrize("value", ["2001,ada", "2001;3", "1e9", "--5", "@ada", ",", "٢٠٠١", "12345678901234567890"])
def test_a_word_that_is_no_number_stops_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_IDS takes Telegram's numbers of people and groups") as error:
        Settings.from_environment({"ALLOWED_IDS": value})
    assert value == "," or value not in str(error.value)


def test_the_doctor_shows_who_is_answered(
    telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path
) -> None:
    settings = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    settings |= {"STATE_DIR": str(tmp_path / "state")}
    assert "access: everybody is answered" in run_bot("doctor", **settings).stdout
    done = run_bot("doctor", ALLOWED_IDS=f"{FRIEND},{OURS}", OWNER_IDS=str(OWNER), **settings)
    assert "access: answered are only these of OWNER_IDS and ALLOWED_IDS: people 2, groups 1" in done.stdout


def test_a_stranger_in_a_held_chat_holds_up_nobody(telegram: Telegram, start_bot: StartBot) -> None:
    """More messages than there are slots, of which the first has to be sent again."""
    told = refuse_with("sendMessage", 429, chat=STRANGER, times=2, parameters={"retry_after": 2})
    telegram.refusals.append(told)
    for _ in range(6):
        telegram.send_text("hello", user=STRANGER)
    start_bot(ALLOWED_IDS=str(FRIEND), MAX_IN_FLIGHT="2")
    telegram.wait_until(lambda: told.answered == 1)
    for command in ("/start", "/help", "/start"):
        telegram.send_text(command, user=FRIEND)
    telegram.wait_until(lambda: len(telegram.texts()) == 4)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
