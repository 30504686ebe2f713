"""Manners, albums, buttons and what people may ask of the bot: the real process against the Bot API's double."""

from __future__ import annotations

from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from tests.support.bot_process import StartBot
from tests.support.chat import TEXTS, answer_to, buttons, kinds, text, toasts
from tests.support.models import write_color_model
from tests.support.photos import COLORS, draw, draw_corner, encode
from tests.support.telegram import Telegram

GROUP = -5


def test_an_album_gets_one_answer_with_a_line_per_photo(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    album = [
        telegram.send({"photo": telegram.files.keep_photo(draw(color)), "media_group_id": "album"}) for color in COLORS
    ]
    grey = telegram.send(
        {"photo": telegram.files.keep_photo(Image.new("RGB", (300, 300), "gray")), "media_group_id": "album"}
    )
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    (answer,) = [message for message in telegram.messages.values() if message["from"]["is_bot"]]
    assert answer["reply_to_message"]["message_id"] in (*album, grey)
    assert answer["text"].splitlines() == [
        "4 photos:",
        "1. red, 99%",
        "2. green, 99%",
        "3. blue, 99%",
        "4. between red and green",
        "",
        text("bot", "album-how"),
    ]


def test_in_a_group_it_speaks_only_when_it_is_asked(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    telegram.send(photo, chat=GROUP)
    telegram.send_text("hello everybody", chat=GROUP)
    mention = {"caption": "@Test_Bot please", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}
    mentioned = telegram.send(photo | mention, chat=GROUP)
    someone = {"caption": "@other_bot", "caption_entities": [{"type": "mention", "offset": 0, "length": 10}]}
    telegram.send(photo | someone, chat=GROUP)
    quiet = telegram.send(photo, chat=GROUP)
    what = [{"type": "bot_command", "offset": 0, "length": 5}]
    telegram.send({"text": "/what", "entities": what, "reply_to_message": telegram.messages[quiet]}, chat=GROUP)
    asked_of_nothing = telegram.send({"text": "/what", "entities": what}, chat=GROUP)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {mentioned, quiet, asked_of_nothing}
    assert telegram.answers()[quiet].startswith("I see: red.")
    assert telegram.answers()[asked_of_nothing] == text("bot", "what")
    own = answer_to(telegram, mentioned)
    replied = telegram.send(photo | {"reply_to_message": own}, chat=GROUP)
    telegram.wait_until(lambda: replied in telegram.answers())


def test_a_new_photo_in_an_edited_message_is_answered_and_a_new_caption_is_not(
    telegram: Telegram, start_bot: StartBot
) -> None:
    message = telegram.send_photo(draw("red"))
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    telegram.edit(message, caption="my favourite")
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.replies[message] == 1
    telegram.edit(message, photo=telegram.files.keep_photo(draw("blue")))
    telegram.wait_until(lambda: telegram.replies[message] == 2)
    assert telegram.texts()[-1].startswith("I see: blue.")


def test_stickers_and_first_frames_are_named_and_what_has_no_picture_is_refused(
    telegram: Telegram, start_bot: StartBot
) -> None:
    start_bot()
    size = {"width": 320, "height": 240}
    thumbnail = telegram.files.keep_photo(draw("green"))[-1]
    sticker = {"type": "regular", "is_animated": False, "is_video": False}
    still = telegram.send({"sticker": telegram.files.keep(encode(draw("red"), "WEBP")) | size | sticker})
    moving = telegram.send(
        {"sticker": telegram.files.keep(b"gzip") | size | sticker | {"is_animated": True, "thumbnail": thumbnail}}
    )
    video = telegram.send({"video": telegram.files.keep(b"mp4") | size | {"duration": 3, "thumbnail": thumbnail}})
    note = telegram.send({"video_note": telegram.files.keep(b"mp4") | {"length": 240, "duration": 3}})
    telegram.wait_until(lambda: len(telegram.answers()) == 4)
    assert telegram.answers()[still].startswith("I see: red.")
    for message in (moving, video):
        assert telegram.answers()[message].startswith(f"{text('bot', 'first-frame')} I see: green.")
    assert telegram.answers()[note] == text("bot", "no-picture")


def test_channel_posts_are_answered_only_if_that_is_switched_on(telegram: Telegram, start_bot: StartBot) -> None:
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    start_bot()
    telegram.post(photo)
    private = telegram.send_photo(draw("blue"))
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == {private}


def test_channel_posts_are_answered_where_it_is_switched_on(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot(CHANNEL_POSTS="on")
    post = telegram.post({"photo": telegram.files.keep_photo(draw("red"))})
    telegram.wait_until(lambda: post in telegram.answers())


def test_a_flood_of_channel_posts_is_taken_as_a_groups_is(
    telegram: Telegram, start_bot: StartBot, free_port: int
) -> None:
    """Whoever has a channel can put a bot into it, and post what it would answer for a quarter of an hour."""
    start_bot(CHANNEL_POSTS="on", METRICS_PORT=str(free_port))
    photo = {"photo": telegram.files.keep_photo(draw("red"))}
    for _ in range(60):
        telegram.post(photo)

    def count_refused() -> float:
        with urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith('labelgram_refusals_total{reason="flood"')
        )

    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    telegram.wait_until(lambda: count_refused() >= 35)


def test_why_sends_the_photo_back_with_the_area_coloured(telegram: Telegram, start_bot: StartBot) -> None:
    picture = draw_corner("green", (640, 640))
    message = telegram.send_photo(picture)
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    answer = answer_to(telegram, message)
    assert kinds(answer) == ["why", "right", "wrong"]
    fetched = len(telegram.downloads)
    telegram.press(answer["message_id"], "why")
    telegram.wait_until(lambda: any("sent_photo" in fields for fields in telegram.sent))
    (sent,) = [fields for fields in telegram.sent if "sent_photo" in fields]
    assert "“green”" in sent["caption"]
    assert len(telegram.downloads) == fetched + 1
    shown = np.asarray(sent["sent_photo"].convert("RGB"), int)  # [height, width, 3]
    before = np.asarray(picture.resize(sent["sent_photo"].size), int)
    changed = abs(shown - before).max(2) > 40
    height, width = changed.shape
    assert changed[height // 2 :, width // 2 :].all()
    assert not changed[: height // 4, : width // 4].any()


def test_why_says_so_where_the_whole_photo_decided(telegram: Telegram, start_bot: StartBot) -> None:
    message = telegram.send_photo(draw("blue"))
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    telegram.press(answer_to(telegram, message)["message_id"], "why")
    telegram.wait_until(lambda: text("why", "no-area").format(label="blue") in telegram.texts())


def test_why_says_so_where_it_may_not_send_photos(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.photoless.add(GROUP)
    mention = {"caption": "@test_bot", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}
    photo = telegram.files.keep_photo(draw_corner("green", (640, 640)))
    message = telegram.send({"photo": photo} | mention, chat=GROUP)
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    telegram.press(answer_to(telegram, message)["message_id"], "why", user=8)
    telegram.wait_until(lambda: text("why", "no-rights") in telegram.texts())


def test_a_model_without_evidence_has_no_why(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    message = telegram.send_photo(draw("red"))
    process = start_bot()
    telegram.wait_until(lambda: message in telegram.answers() and telegram.unconfirmed == 0)
    process.terminate()
    process.wait(30)
    start_bot(MODEL_PATH=str(write_color_model(tmp_path / "silent.onnx", explains=False)))
    another = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: another in telegram.answers())
    assert kinds(answer_to(telegram, another)) == ["right", "wrong"]
    telegram.press(answer_to(telegram, message)["message_id"], "why")
    telegram.wait_until(lambda: toasts(telegram) == [text("why", "never")])


def test_a_photo_that_is_gone_cannot_be_explained(telegram: Telegram, start_bot: StartBot) -> None:
    message = telegram.send_photo(draw("red"))
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    answer = answer_to(telegram, message)
    telegram.messages[answer["message_id"]] = {name: answer[name] for name in answer if name != "reply_to_message"}
    telegram.press(answer["message_id"], "why")
    telegram.wait_until(lambda: bool(toasts(telegram)))
    assert toasts(telegram) == [text("why", "gone")]


def test_a_bot_without_a_folder_for_them_takes_no_donations(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    telegram.send_text("/donate")
    telegram.wait_until(lambda: telegram.texts() == [text("donation", "off")])


def test_a_chosen_language_overrides_telegrams_and_outlives_a_restart(telegram: Telegram, start_bot: StartBot) -> None:
    process = start_bot()
    telegram.send_text("/language")
    telegram.wait_until(lambda: len(telegram.texts()) == 1)
    (question,) = [number for number, one in telegram.messages.items() if "reply_markup" in one]
    assert len(buttons(telegram.messages[question])) == len(TEXTS) + 1  # and Telegram's own
    telegram.press(question, "language:de")
    telegram.wait_until(lambda: "Deutsch" in telegram.messages[question]["text"])
    process.terminate()
    process.wait(30)
    start_bot()
    message = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: message in telegram.answers())
    assert "99\u00a0%" in telegram.answers()[message]


@pytest.mark.parametrize("language", ["ar", "zh"])
def test_the_profile_and_the_menu_are_told_in_every_language(
    telegram: Telegram, start_bot: StartBot, language: str
) -> None:
    def told(method: str) -> set[str | None]:
        return {fields.get("language_code") for name, fields in list(telegram.calls) if name == method}

    start_bot()
    methods = ("setMyCommands", "setMyDescription", "setMyShortDescription")
    telegram.wait_until(lambda: all(len(told(method)) == len(TEXTS) + 1 for method in methods))
    assert all(language in told(method) for method in methods)
