"""Verdicts on answers, and photos that are kept: whose, which and when. The real process against the double."""

from __future__ import annotations

import io
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.storage.pseudonyms import Pseudonymiser
from tests.support.bot_process import StartBot, kill, listen_on
from tests.support.chat import MENTION, answer_to, buttons, kinds, press_button, text, toasts
from tests.support.models import write_color_model
from tests.support.paths import read_all
from tests.support.photos import COLORS, draw, encode
from tests.support.telegram import DOWNLOAD, Refusal, Telegram, refuse_with

GROUP = -5
ADA, BOB = 7, 8
ANONYMOUS = {
    "from": {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"},
    "sender_chat": {"id": GROUP, "type": "supergroup", "title": "Friends"},
}
FORWARDED = {"forward_origin": {"type": "hidden_user", "date": 1, "sender_user_name": "Eve"}}
OWN_FORWARD = {
    "forward_origin": {"type": "user", "date": 1, "sender_user": {"id": ADA, "is_bot": False, "first_name": "Ada"}}
}
VIA_BOT = {"via_bot": {"id": 5, "is_bot": True, "first_name": "Pic"}}
FROM_CHANNEL = {
    "from": {"id": 777000, "is_bot": False, "first_name": "Telegram"},
    "sender_chat": {"id": -1001, "type": "channel", "title": "News"},
    "is_automatic_forward": True,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "donations"


def kept(folder: Path) -> list[str]:
    return sorted(f"{file.parent.name}/{file.suffix}" for file in folder.glob("*/*"))


def open_photo(file: Path) -> Image.Image:
    return Image.open(io.BytesIO(file.read_bytes()))


def agree(telegram: Telegram, user: int = ADA) -> None:
    """Send /donate in a private chat and say yes."""
    known = set(telegram.messages)
    telegram.send_text("/donate", user=user)

    def find_question() -> int | None:
        new = [number for number in list(telegram.messages) if number not in known]
        return next((number for number in new if "donate:yes" in buttons(telegram.messages[number])), None)

    telegram.wait_until(lambda: find_question() is not None)
    question = find_question()
    assert question
    telegram.press(question, "donate:yes", user=user)
    telegram.wait_until(lambda: telegram.messages[question]["text"] == text("donation", "agreed"))


def send(telegram: Telegram, photo: Image.Image, extra: Mapping[str, Any] = MappingProxyType({}), **sender: Any) -> int:
    """Send a photo, and wait for its answer."""
    message = telegram.send({"photo": telegram.files.keep_photo(photo), **extra}, **sender)
    telegram.wait_until(lambda: message in telegram.answers())
    return message


def press(telegram: Telegram, message: int, kind: str, number: int = 0, **presser: int) -> str:
    """Press a button under the answer to `message`; returns what is said then."""
    told = len(toasts(telegram))
    press_button(telegram, message, kind, number, **presser)
    telegram.wait_until(lambda: len(toasts(telegram)) > told and telegram.unconfirmed == 0)
    return toasts(telegram)[-1]


def test_verdicts_are_counted_once_and_only_the_owner_sees_the_figures(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot(OWNER_IDS="99")
    red, green, blue = (send(telegram, draw(color)) for color in COLORS)
    assert press(telegram, red, "right") == text("verdict", "thanks")
    assert press(telegram, green, "right") == text("verdict", "thanks")
    assert press(telegram, blue, "wrong") == text("verdict", "which")
    assert press(telegram, blue, "is", 1) == text("verdict", "thanks")
    assert all(kinds(answer_to(telegram, message)) == ["why"] for message in (red, green, blue))
    send(telegram, Image.new("RGB", (300, 300), "gray"))
    telegram.send_text("/stats", user=99)
    telegram.send_text("/stats", user=ADA)
    telegram.wait_until(lambda: len(telegram.texts()) == 6)
    (stats,) = set(telegram.texts()[4:]) - {text("bot", "hint")}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert stats.split("\n\n") == [
        f"{today}: 4 answered, 25% not sure, 25% wrong",
        "red: 1 named, 0% wrong, 0 missed\ngreen: 1 named, 0% wrong, 1 missed\nblue: 1 named, 100% wrong, 0 missed",
        "Photos answered: 4\nNot sure: 1 (25%)\nCalled right: 2\nCalled wrong: 1 (25%)\n"
        "None of these: 0\nPhotos kept: 0",
    ]


def test_presses_that_cross_are_counted_once(telegram: Telegram, start_bot: StartBot) -> None:
    """Both were made before the buttons went."""
    start_bot(OWNER_IDS="99")
    message = send(telegram, draw("red"), MENTION, chat=GROUP)
    answer = dict(answer_to(telegram, message))
    right, wrong = (data for data in buttons(answer) if not data.startswith("why"))
    for user, data in ((BOB, right), (ADA, wrong), (BOB, right)):
        telegram.forge_press(answer, data, user=user)
    telegram.wait_until(lambda: len(toasts(telegram)) == 3)
    telegram.send_text("/stats", user=99)
    telegram.wait_until(lambda: len(telegram.texts()) == 2)
    figures = telegram.texts()[-1]
    assert ("Called right: 1" in figures) != ("Called wrong: 1" in figures)
    assert "Called right: 0" in figures or "Called wrong: 0" in figures


@pytest.mark.parametrize("kind", ["right", "is", "none"])
def test_a_press_is_answered_though_its_buttons_cannot_be_taken_away_yet(
    telegram: Telegram, start_bot: StartBot, kind: str
) -> None:
    start_bot()
    message = send(telegram, draw("red"))
    if kind != "right":
        press(telegram, message, "wrong")
    telegram.refusals.append(refuse_with("editMessageReplyMarkup", 429, parameters={"retry_after": 3600}))
    told = len(toasts(telegram))
    press_button(telegram, message, kind)
    telegram.wait_until(lambda: toasts(telegram)[told:] == [text("verdict", "thanks")])


def test_photos_are_kept_only_with_consent_and_deleted_when_it_is_taken_back(
    telegram: Telegram, start_bot: StartBot, folder: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    assert press(telegram, send(telegram, draw("red")), "right") == text("verdict", "thanks")
    assert kept(folder) == []
    agree(telegram)
    assert press(telegram, send(telegram, draw("red")), "right") == text("verdict", "kept")
    message = send(telegram, draw("green"))
    press(telegram, message, "wrong")
    assert press(telegram, message, "is") == text("verdict", "kept")
    assert kept(folder) in (["red/.jpg", "red/.jpg"], ["blue/.jpg", "red/.jpg"])  # which is likelier is open
    for file in folder.glob("*/*"):
        Image.open(io.BytesIO(file.read_bytes())).load()
    telegram.send_text("/privacy")
    telegram.wait_until(lambda: text("donation", "privacy") in telegram.texts()[-1])
    telegram.send_text("/forget")
    telegram.wait_until(lambda: "deleted 2" in telegram.texts()[-1])
    assert kept(folder) == []
    assert press(telegram, send(telegram, draw("red")), "right") == text("verdict", "thanks")
    assert kept(folder) == []


def test_photos_of_a_folder_that_was_emptied_meanwhile_are_found_by_the_next_process(
    telegram: Telegram, start_bot: StartBot, folder: Path, tmp_path: Path
) -> None:
    """The key of the givers' names goes with the photos that are taken away to train with."""
    process = start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    assert press(telegram, send(telegram, draw("red")), "right") == text("verdict", "kept")
    (tmp_path / "train").mkdir()
    for file in folder.iterdir():
        file.rename(tmp_path / "train" / file.name)
    assert press(telegram, send(telegram, draw("green")), "right") == text("verdict", "kept")
    kill(process)
    start_bot(DONATIONS_DIR=str(folder))
    telegram.send_text("/forget")
    telegram.wait_until(lambda: "deleted 1" in telegram.texts()[-1])
    assert kept(folder) == []


def test_a_photo_that_was_kept_by_one_label_is_moved_to_another(
    telegram: Telegram, start_bot: StartBot, folder: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    photo = telegram.files.keep_photo(draw("green"))
    first = telegram.send({"photo": photo})
    second = telegram.send({"photo": photo})
    telegram.wait_until(lambda: telegram.answers().keys() >= {first, second})
    press(telegram, first, "right")
    assert kept(folder) == ["green/.jpg"]
    press(telegram, second, "wrong")
    press(telegram, second, "is", 0)
    assert kept(folder) == ["red/.jpg"] or kept(folder) == ["blue/.jpg"]


@pytest.mark.parametrize("presser", [ADA, BOB])
@pytest.mark.parametrize("donor", [ADA, BOB])
def test_only_the_senders_own_verdict_and_consent_keep_a_photo(
    telegram: Telegram, start_bot: StartBot, folder: Path, donor: int, presser: int
) -> None:
    """Ada's photo, in a group: it is kept if she agreed and she judges, and then she can have it deleted."""
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram, donor)
    message = send(telegram, draw("red"), MENTION, chat=GROUP, user=ADA)
    is_kept = (donor, presser) == (ADA, ADA)
    assert press(telegram, message, "right", user=presser) == text("verdict", "kept" if is_kept else "thanks")
    assert kept(folder) == (["red/.jpg"] if is_kept else [])
    telegram.send_text("/forget", user=ADA)
    telegram.wait_until(lambda: f"deleted {int(is_kept)}" in telegram.texts()[-1])
    assert kept(folder) == []


@pytest.mark.parametrize(
    "extra",
    [FORWARDED, OWN_FORWARD, VIA_BOT, ANONYMOUS, FROM_CHANNEL],
    ids=["forwarded", "own-forward", "via-bot", "anonymous", "from-channel"],
)
@pytest.mark.parametrize("chat", [ADA, GROUP])
def test_somebody_elses_photo_is_explained_but_neither_judged_nor_kept(
    telegram: Telegram, start_bot: StartBot, folder: Path, extra: dict[str, Any], chat: int
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    message = send(telegram, draw("red"), MENTION | extra, chat=chat)
    answer = answer_to(telegram, message)
    assert kinds(answer) == ["why"]
    own = answer_to(telegram, send(telegram, draw("red")))
    for data in buttons(own):  # what a client could send all the same
        if not data.startswith("why"):
            telegram.forge_press(answer, data)
            telegram.forge_press(answer | {"reply_markup": own["reply_markup"]}, data)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert kept(folder) == []


def test_a_photo_that_was_asked_about_is_never_kept(telegram: Telegram, start_bot: StartBot, folder: Path) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram, ADA)
    agree(telegram, BOB)
    photo = telegram.send({"photo": telegram.files.keep_photo(draw("red"))}, chat=GROUP, user=ADA)
    what = [{"type": "bot_command", "offset": 0, "length": 5}]
    ask = {"text": "/what", "entities": what, "reply_to_message": telegram.messages[photo]}
    telegram.send(ask, chat=GROUP, user=BOB)
    telegram.wait_until(lambda: photo in telegram.answers())
    assert kinds(answer_to(telegram, photo)) == ["why"]
    telegram.messages.pop(answer_to(telegram, photo)["message_id"])
    telegram.send(ask, chat=GROUP, user=ADA)
    telegram.wait_until(lambda: telegram.replies[photo] == 2)
    assert kinds(answer_to(telegram, photo)) == ["why", "right", "wrong"]
    assert press(telegram, photo, "right", user=ADA) == text("verdict", "thanks")
    assert kept(folder) == []


def test_what_a_client_makes_up_does_nothing(
    telegram: Telegram, start_bot: StartBot, folder: Path, tmp_path: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder), OWNER_IDS="99")
    agree(telegram)
    message = send(telegram, draw("red"))
    answer = answer_to(telegram, message)
    (right,) = (data for data in buttons(answer) if data.startswith("right"))
    parts = right.split(":")
    forged = [
        *("is:0", "right:x", "wrong:1e9", "right:0", "wrong:-1", "why:", "whY", "", ":", "right:", "is:" + "9" * 61),
        *("donate:yes", "donate:", "language:de", "language:../../x", "none", "page:1", "\x00", "{}", "right:0:0:0"),
        *(":".join([parts[0], "1", *parts[2:]]), ":".join(["is", *parts[1:], "1"]), right + ":1", right + "x"),
        *(os.urandom(32).hex() for _ in range(3)),
        *(bytes(32 + n % 95 for n in os.urandom(64)).decode() for _ in range(20)),
    ]
    other_bot = {"from": {"id": 5, "is_bot": True, "first_name": "Other"}}
    channel = {"chat": {"id": -1001, "type": "channel", "title": "News"}}
    before, told = len(telegram.calls), len(toasts(telegram))
    for data in forged:
        telegram.forge_press(answer, data)
        telegram.forge_press({**answer, **channel}, data)
        telegram.wait_until(lambda: telegram.unconfirmed < 80)
    telegram.forge_press(answer | other_bot, right)
    telegram.forge_press({key: value for key, value in answer.items() if key != "reply_markup"}, right)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    later = [method for method, _ in telegram.calls[before:]]
    assert set(later) <= {"getUpdates", "getMe", "setMyCommands", "setMyDescription", "setMyShortDescription"}
    assert len(toasts(telegram)) == told
    assert kept(folder) == []
    assert buttons(answer_to(telegram, message)) == buttons(answer)
    log = (tmp_path / "bot.log").read_text()
    assert "Traceback" not in log
    assert len(log) < 3000
    assert press(telegram, message, "right") == text("verdict", "kept")


def test_buttons_of_other_classes_or_another_photo_say_that_they_are_old(
    telegram: Telegram, start_bot: StartBot, folder: Path, tmp_path: Path
) -> None:
    process = start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    changed = send(telegram, draw("red"))
    replaced = send(telegram, draw("red"))
    version_1 = dict(answer_to(telegram, changed))
    old = {"inline_keyboard": [[{"text": "Right", "callback_data": "right:0"}]]}
    telegram.forge_press(version_1 | {"reply_markup": old}, "right:0")
    telegram.wait_until(lambda: toasts(telegram).count(text("verdict", "outdated")) == 1)
    answer = dict(answer_to(telegram, replaced))
    telegram.edit(replaced, photo=telegram.files.keep_photo(draw("blue")))
    telegram.wait_until(lambda: telegram.replies[replaced] == 2)
    telegram.forge_press(answer | {"reply_to_message": telegram.messages[replaced]}, buttons(answer)[1])
    telegram.wait_until(lambda: toasts(telegram).count(text("verdict", "outdated")) == 2 and telegram.unconfirmed == 0)
    process.terminate()
    process.wait(30)
    model = write_color_model(tmp_path / "other.onnx", ["crimson", "green", "blue"])
    start_bot(DONATIONS_DIR=str(folder), MODEL_PATH=str(model))
    for kind in ("right", "wrong"):
        assert press(telegram, changed, kind) == text("verdict", "outdated")
    assert kept(folder) == []


def test_wrong_pages_through_all_classes_the_likeliest_first(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    labels = [f"class {number}" for number in range(20)]
    unsure = {"unsure": '{"rule": "best_probability_below", "threshold": 0.001}'}
    start_bot(OWNER_IDS="99", MODEL_PATH=str(write_color_model(tmp_path / "many.onnx", labels, unsure)))
    message = send(telegram, draw("blue"))  # class 2, then 5, 8, 11, 14 and 17, which look at blue too

    def names() -> list[str]:
        rows = answer_to(telegram, message)["reply_markup"]["inline_keyboard"]
        return [button["text"] for row in rows for button in row]

    press(telegram, message, "wrong")
    telegram.wait_until(lambda: "1/3 ▶" in names())
    shown = names()
    assert set(shown[:5]) == {f"class {number}" for number in (5, 8, 11, 14, 17)}
    assert shown[8:] == ["1/3 ▶", "None of these", "Why?"]
    press_button(telegram, message, "page")
    telegram.wait_until(lambda: "2/3 ▶" in names())
    shown += names()
    press_button(telegram, message, "page", 1)
    telegram.wait_until(lambda: "◀" in names() and "2/3 ▶" not in names())
    shown += names()
    classes = [name for name in shown if name.startswith("class")]
    assert sorted(classes) == sorted(set(labels) - {"class 2"})
    assert press(telegram, message, "none") == text("verdict", "thanks")
    assert names() == ["Why?"]
    telegram.send_text("/stats", user=99)
    telegram.wait_until(lambda: any("None of these: 1" in sent for sent in telegram.texts()))


def test_no_verdict_is_asked_for_where_nothing_was_named(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    grey = send(telegram, Image.new("RGB", (300, 300), "gray"))
    assert kinds(answer_to(telegram, grey)) == ["why"]
    lie = telegram.send_document(b"not a photo at all", "image/jpeg", "note.jpg")
    telegram.wait_until(lambda: lie in telegram.answers())
    assert kinds(answer_to(telegram, lie)) == []


def test_a_question_of_donate_is_for_who_asked_it(telegram: Telegram, start_bot: StartBot, folder: Path) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    asked = telegram.send_text("/donate", user=ADA, chat=GROUP)
    telegram.wait_until(lambda: asked in telegram.answers())
    assert press(telegram, asked, "donate", user=BOB) == text("donation", "not-yours")
    assert answer_to(telegram, asked)["text"] == text("donation", "ask")
    press_button(telegram, asked, "donate", user=ADA)
    telegram.wait_until(lambda: answer_to(telegram, asked)["text"] == text("donation", "agreed"))
    assert press(telegram, send(telegram, draw("red"), user=BOB), "right", user=BOB) == text("verdict", "thanks")
    assert press(telegram, send(telegram, draw("red"), user=ADA), "right", user=ADA) == text("verdict", "kept")


def test_who_writes_as_a_group_can_neither_agree_nor_forget(
    telegram: Telegram, start_bot: StartBot, folder: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    command = [{"type": "bot_command", "offset": 0, "length": 7}]
    for word in ("/donate", "/forget"):
        message = telegram.send({"text": word, "entities": command} | ANONYMOUS, chat=GROUP)
        telegram.wait_until(lambda: telegram.unconfirmed == 0)
        assert telegram.answers()[message] == text("donation", "person")


def test_what_is_kept_has_the_pixels_upright_and_nothing_else(
    telegram: Telegram, start_bot: StartBot, folder: Path
) -> None:
    photo = draw("red", (1280, 960))
    photo.paste(COLORS["green"], (0, 0, 100, 100))  # the corner that comes to the right when it is turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right
    exif[0x010F] = "Camera of Ada"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 0.0)
    data = encode(photo, exif=exif, comment=b"at home", quality=95)
    assert b"Camera of Ada" in data
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    message = telegram.send_document(data, "image/jpeg", "ada.jpg")
    telegram.wait_until(lambda: message in telegram.answers())
    press(telegram, message, "right")
    png = telegram.send_document(encode(draw("blue"), "PNG", exif=exif), "image/png", "ada.png")
    telegram.wait_until(lambda: png in telegram.answers())
    press(telegram, png, "right")
    (jpeg,) = folder.glob("red/*")
    (lossless,) = folder.glob("blue/*")
    for file in (jpeg, lossless):
        assert b"Ada" not in file.read_bytes()
        assert b"home" not in file.read_bytes()
        assert not open_photo(file).getexif()
    shown = open_photo(jpeg)
    assert shown.size == (960, 1280)
    corner = np.asarray(shown, int)[30, 930]
    assert abs(corner - COLORS["green"]).max() < 12
    assert np.array_equal(np.asarray(open_photo(lossless)), np.asarray(draw("blue", (240, 320))))


def test_so_many_photos_of_one_person_are_kept_and_no_more(
    telegram: Telegram, start_bot: StartBot, folder: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram, ADA)
    agree(telegram, BOB)
    press(telegram, send(telegram, draw("red")), "right")
    (first,) = folder.glob("red/*")
    giver = first.name.partition("-")[0]
    for number in range(499):
        (folder / "red" / f"{giver}-{number}.jpg").touch()
    assert press(telegram, send(telegram, draw("blue")), "right") == text("verdict", "full")
    assert press(telegram, send(telegram, draw("blue"), user=BOB), "right", user=BOB) == text("verdict", "kept")


def test_a_download_that_is_in_work_writes_nothing_after_forget(
    telegram: Telegram, start_bot: StartBot, folder: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    message = send(telegram, draw("red"))
    telegram.hold_downloads.clear()
    fetched = len(telegram.downloads)
    press_button(telegram, message, "right")
    telegram.wait_until(lambda: len(telegram.downloads) > fetched)
    telegram.send_text("/forget")
    telegram.wait_until(lambda: "deleted 0" in telegram.texts()[-1])
    agree(telegram)  # to later photos
    told = len(toasts(telegram))
    telegram.hold_downloads.set()
    telegram.wait_until(lambda: len(toasts(telegram)) > told)
    assert toasts(telegram)[told:] == [text("verdict", "thanks")]
    assert kept(folder) == []


def test_a_giver_is_known_by_a_key_beside_the_photos(
    telegram: Telegram, start_bot: StartBot, folder: Path, tmp_path: Path
) -> None:
    """A renewed token, and another STATE_DIR: /forget still finds what was given."""
    process = start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    press(telegram, send(telegram, draw("red")), "right")
    assert kept(folder) == ["red/.jpg"]
    process.terminate()
    process.wait(30)
    telegram.token = "123456:renewed"
    start_bot(DONATIONS_DIR=str(folder), BOT_TOKEN=telegram.token, STATE_DIR=str(tmp_path / "other"))
    telegram.send_text("/forget")
    telegram.wait_until(lambda: "deleted 1" in telegram.texts()[-1])
    assert kept(folder) == []


@pytest.mark.parametrize("forgets", [False, True])
def test_forget_deletes_what_was_put_down_of_photos_that_wait(
    telegram: Telegram, start_bot: StartBot, free_port: int, tmp_path: Path, forgets: bool
) -> None:
    settings = listen_on(free_port)
    process = start_bot(**settings)
    telegram.hold_downloads.clear()
    sizes = telegram.files.keep_photo(draw("red"))
    photo = telegram.send({"photo": sizes})
    telegram.wait_until(lambda: telegram.unconfirmed == 0)  # it is put down
    if forgets:
        telegram.send_text("/forget")
        telegram.wait_until(lambda: "deleted 0" in "".join(telegram.texts()))
    assert (str(sizes[-1]["file_id"]).encode() in read_all(tmp_path / "state")) == (not forgets)
    kill(process)
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite")) as state:
        ((waiting,),) = state.execute("SELECT count(*) FROM backlog")
    assert waiting == int(not forgets)
    telegram.hold_downloads.set()
    start_bot(**settings)
    another = telegram.send_photo(draw("blue"), user=BOB)
    telegram.wait_until(lambda: another in telegram.answers() and (forgets or photo in telegram.answers()), seconds=60)
    assert not forgets or photo not in telegram.answers()


def test_forget_leaves_nothing_of_a_person_on_the_disk(
    telegram: Telegram, start_bot: StartBot, folder: Path, tmp_path: Path
) -> None:
    """Notes of a person have a pseudonym, which the token's owner can tell."""
    start_bot(DONATIONS_DIR=str(folder))
    for user in (BOB, ADA):
        agree(telegram, user)
        known = set(telegram.messages)
        telegram.send_text("/language", user=user)
        telegram.wait_until(lambda known=known: len(telegram.messages) > len(known) + 1)  # type: ignore[misc]
        telegram.press(max(telegram.messages), "language:en", user=user)
        telegram.wait_until(lambda: telegram.unconfirmed == 0)
        press(telegram, send(telegram, draw("red"), chat=user, user=user), "right", user=user)
    ada, bob = (Pseudonymiser(telegram.token)(str(user)).encode() for user in (ADA, BOB))
    assert ada in read_all(tmp_path / "state")
    telegram.send_text("/forget", user=ADA)
    telegram.wait_until(lambda: "deleted 1" in "".join(telegram.texts()))
    assert bob in read_all(tmp_path / "state")
    assert ada not in read_all(tmp_path / "state")


def test_forget_counts_for_a_photo_that_is_put_down_and_tried_meanwhile(
    telegram: Telegram, start_bot: StartBot, free_port: int, tmp_path: Path
) -> None:
    """Its download fails after `/forget`: it is not to be put down again."""
    sizes = telegram.files.keep_photo(draw("red"))
    files = frozenset(size["file_id"] for size in sizes)
    telegram.refusals.append(Refusal(DOWNLOAD, 500, "x", files=files, seconds=10))
    start_bot(**listen_on(free_port))
    photo = telegram.send({"photo": sizes}, user=ADA)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)  # it is put down
    telegram.send_text("/forget", user=ADA)
    telegram.wait_until(lambda: "deleted 0" in "".join(telegram.texts()))
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite")) as state:

        def put_down() -> list[str]:
            return [row[0] for row in state.execute("SELECT content FROM backlog")]

        assert put_down() == []
        is_tried = "an update is let go: it is forgotten"
        telegram.wait_until(lambda: is_tried in (tmp_path / "bot.log").read_text() or put_down() != [])
        assert put_down() == []
    assert photo not in telegram.answers()


def test_a_photo_that_is_kept_is_decoded_under_the_crash_guard(
    telegram: Telegram, start_bot: StartBot, folder: Path, tmp_path: Path
) -> None:
    start_bot(DONATIONS_DIR=str(folder))
    agree(telegram)
    message = send(telegram, draw("red"))
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite", isolation_level=None)) as state:
        state.execute("CREATE TABLE guarded (key TEXT)")
        state.execute(
            "CREATE TRIGGER guard AFTER UPDATE ON updates WHEN NEW.failures > OLD.failures"
            " BEGIN INSERT INTO guarded VALUES (NEW.key); END"
        )
        assert press(telegram, message, "right") == text("verdict", "kept")
        assert state.execute("SELECT count(*) FROM guarded").fetchone() == (1,)
