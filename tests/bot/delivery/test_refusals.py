"""Whatever Telegram answers: one update's refusal is its own, and what was carried out is not done again."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.support.bot_process import StartBot
from tests.support.chat import command, text
from tests.support.photos import draw
from tests.support.telegram import DOWNLOAD, Refusal, ReplyToDeleted, Telegram, refuse_with

FINAL = [400, 402, 403, 404, 405, 406, 409, 410, 413, 414, 418, 420, 422, 451, 499]
PASSING: dict[str, Refusal] = {
    "500": refuse_with("sendMessage", 500),
    "501": refuse_with("sendMessage", 501),
    "502 of a gateway": Refusal("sendMessage", 502, "<html>502 Bad Gateway</html>"),
    "200 of a gateway": Refusal("sendMessage", 200, "<html>log in to the wifi</html>"),
    "403 of a gateway": Refusal("sendMessage", 403, "<html>forbidden</html>"),
    "nothing": Refusal("sendMessage", 200, ""),
    "null": Refusal("sendMessage", 200, "null"),
    "a list": Refusal("sendMessage", 200, []),
    "no ok": Refusal("sendMessage", 200, {"result": True}),
    "500 without a description": Refusal("sendMessage", 500, {"ok": False}),
    "500 that says ok": Refusal("sendMessage", 500, {"ok": True, "result": {}}),
    "503 for a day": refuse_with("sendMessage", 503, parameters={"retry_after": 86400}),
    "429 that does not say how long": Refusal("sendMessage", 429, {"ok": False, "error_code": 429}),
    "429 in a 200": Refusal("sendMessage", 200, {"ok": False, "error_code": 429, "parameters": {"retry_after": 1}}),
    "429 for a part of a second": refuse_with("sendMessage", 429, parameters={"retry_after": 0.2}),
    "429 for no time": refuse_with("sendMessage", 429, parameters={"retry_after": -1}),
    "429 for text": refuse_with("sendMessage", 429, parameters={"retry_after": "soon"}),
    "401 for a time": refuse_with("sendMessage", 401),
}
CARRIED_OUT: dict[str, object] = {
    "a message of another shape": {"ok": True, "result": {"message_id": 5}},
    "a message that is true": {"ok": True, "result": True},
    "no result": {"ok": True},
    "null": {"ok": True, "result": None},
    "text": {"ok": True, "result": "sent"},
    "a field of tomorrow": {"ok": True, "result": {"message_id": 1, "date": "x", "chat": [], "quote": 1}},
}


def test_a_refusal_is_final_for_its_update_alone(telegram: Telegram, start_bot: StartBot) -> None:
    for status in FINAL:
        telegram.refusals.append(refuse_with("sendMessage", status, "a refusal", chat=status))
        telegram.send_photo(draw("red"), user=status)
    telegram.refusals.append(Refusal("sendMessage", 200, {"ok": False}, chat=1000))
    telegram.refusals.append(refuse_with("sendMessage", 429, chat=1001, parameters={"retry_after": 10**18}))
    for user in (1000, 1001):
        telegram.send_text("/start", user=user)
    sent = telegram.send_photo(draw("red"), user=8)
    process = start_bot()
    telegram.wait_until(lambda: sent in telegram.answers() and telegram.unconfirmed == 0)
    assert process.poll() is None
    assert {chat for _, chat in telegram.sent_at} == {8}


def test_what_passes_is_tried_again(telegram: Telegram, start_bot: StartBot) -> None:
    sent = []
    for user, refusal in enumerate(PASSING.values(), start=100):
        refusal.chat, refusal.times, refusal.answered = user, 2, 0
        telegram.refusals.append(refusal)
        sent.append(telegram.send_photo(draw("red"), user=user))
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == set(sent), seconds=240)
    assert set(telegram.replies.values()) == {1}


def test_what_was_carried_out_is_not_done_again(telegram: Telegram, start_bot: StartBot) -> None:
    sent = []
    for user, body in enumerate(CARRIED_OUT.values(), start=100):
        telegram.refusals.append(Refusal("sendMessage", 200, body, chat=user, carried_out=True))
        sent.append(telegram.send_photo(draw("red"), user=user))
        photo = telegram.files.keep_photo(draw("red"))
        sent.append(telegram.send({"photo": photo, "media_group_id": str(user)}, user=user))
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.answers().keys() == set(sent)
    assert set(telegram.replies.values()) == {1}


@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed(telegram: Telegram, start_bot: StartBot, status: int) -> None:
    """Another host got the answer, and its "ok" was believed: the photo stayed without one."""
    with closing(Telegram()) as other:
        sent = []
        for user, method in enumerate(["sendMessage", "getFile", DOWNLOAD], start=100):
            sizes = telegram.files.keep_photo(draw("red"))
            place = f"file/bot{other.token}/x" if method == DOWNLOAD else f"bot{other.token}/getMe"
            redirect = Refusal(method, status, location=f"{other.url}/{place}", times=2)
            if method == "sendMessage":
                redirect.chat = user
            else:
                redirect.files = frozenset(size["file_id"] for size in sizes)
            telegram.refusals.append(redirect)
            sent.append(telegram.send({"photo": sizes}, user=user))
        start_bot()
        telegram.wait_until(lambda: telegram.unconfirmed == 0 and telegram.answers().keys() == set(sent), seconds=30)
        assert all(answer.startswith("I see: red.") for answer in telegram.answers().values())
        assert (other.calls, other.downloads) == ([], [])


def test_the_answer_follows_a_group_that_became_a_supergroup(telegram: Telegram, start_bot: StartBot) -> None:
    group, supergroup = -5, -1001234567890
    moved = refuse_with(
        "sendMessage", 400, "group chat was upgraded", chat=group, parameters={"migrate_to_chat_id": supergroup}
    )
    telegram.refusals.append(moved)
    mention = {"caption": "@test_bot", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}
    telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | mention, chat=group)
    circle = refuse_with("sendMessage", 400, chat=-6, parameters={"migrate_to_chat_id": -6})
    telegram.refusals.append(circle)
    telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | mention, chat=-6)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert [chat for _, chat in telegram.sent_at] == [supergroup]
    assert telegram.texts()[0].startswith("I see: red.")


@pytest.mark.parametrize(
    "refusal",
    [
        refuse_with("getUpdates", 401, times=3),
        refuse_with("getUpdates", 409, "Conflict: terminated by other getUpdates request", times=1),
        refuse_with("getUpdates", 418, times=3),
        refuse_with("getUpdates", 429, times=1, parameters={"retry_after": 1}),
        refuse_with("getUpdates", 503, times=1, parameters={"retry_after": 86400}),
        Refusal("getUpdates", 200, "<html>", times=3),
        Refusal("getUpdates", 200, {"ok": True, "result": {"update_id": 1}}, times=3),
        Refusal("getUpdates", 200, {"ok": True, "result": "none"}, times=3),
        Refusal("getUpdates", 200, {"ok": True}, times=3),
        Refusal("getUpdates", 500, {"ok": False}, times=3),
        Refusal("getUpdates", 200, "[" * 100_000, times=3),
    ],
    ids=lambda refusal: f"{refusal.status} {str(refusal.body)[:20]}",
)
def test_nothing_that_getupdates_answers_ends_polling(
    telegram: Telegram, start_bot: StartBot, refusal: Refusal
) -> None:
    first = telegram.send_photo(draw("red"), user=7)
    process = start_bot()
    telegram.wait_until(lambda: first in telegram.answers())
    telegram.refusals.append(refusal)
    sent = telegram.send_photo(draw("red"), user=8)
    telegram.wait_until(lambda: refusal.answered == refusal.times)
    telegram.wait_until(lambda: sent in telegram.answers() and telegram.unconfirmed == 0)
    assert process.poll() is None


@pytest.mark.parametrize("body", [{"ok": True}, {"ok": True, "result": None}, {"ok": True, "result": {"id": 123456}}])
def test_a_photo_in_a_group_is_answered_though_getme_has_not_said_who_the_bot_is(
    telegram: Telegram, start_bot: StartBot, body: object
) -> None:
    telegram.refusals.append(Refusal("getMe", 200, body, times=4))
    mention = {"caption": "@test_bot", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}
    sent = telegram.send({"photo": telegram.files.keep_photo(draw("red"))} | mention, chat=-5)
    start_bot()
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.replies[sent] == 1


def test_an_answer_to_a_press_that_telegram_refuses_stops_nothing(telegram: Telegram, start_bot: StartBot) -> None:
    old = "Bad Request: query is too old and response timeout expired or query ID is invalid"
    telegram.refusals.append(refuse_with("answerCallbackQuery", 400, old))
    telegram.send_text("/language")
    start_bot()
    telegram.wait_until(lambda: len(telegram.texts()) == 1)
    (question,) = [number for number, sent in telegram.messages.items() if "reply_markup" in sent]
    buttons = [key for row in telegram.messages[question]["reply_markup"]["inline_keyboard"] for key in row]
    telegram.press(question, next(key["callback_data"] for key in buttons if key["callback_data"].endswith("de")))
    telegram.wait_until(lambda: "Deutsch" in telegram.messages[question].get("text", ""))


UNAVAILABLE = "Bad Request: wrong file_id or the file is temporarily unavailable"


def test_a_file_that_is_away_for_a_time_is_waited_for(telegram: Telegram, start_bot: StartBot) -> None:
    """For longer than the eight tries that a refusal gets."""
    refusals = [
        refuse_with("getFile", 400, UNAVAILABLE, times=10),
        *(Refusal("getFile", 200, {"ok": True} | result, times=4) for result in ({}, {"result": None})),
        Refusal(DOWNLOAD, 500, "x", times=10),
        Refusal(DOWNLOAD, 503, "x", times=10),
        Refusal(DOWNLOAD, 429, "x", times=10),
        Refusal(DOWNLOAD, 200, "<html>Bad Gateway</html>", times=10),
        Refusal(DOWNLOAD, 200, {"ok": False, "error_code": 502}, times=10),
        Refusal(DOWNLOAD, 200, "", times=10),
        Refusal(DOWNLOAD, 200, "upstream connect error", times=3),
    ]
    sent = []
    for user, refusal in enumerate(refusals, start=100):
        sizes = telegram.files.keep_photo(draw("red"))
        refusal.files = frozenset(size["file_id"] for size in sizes)
        telegram.refusals.append(refusal)
        sent.append(telegram.send({"photo": sizes}, user=user))
    gone = telegram.send({"photo": telegram.files.keep_photo(draw("red"))}, user=200)
    for size in telegram.messages[gone]["photo"]:
        telegram.refusals.append(refuse_with("getFile", 400, "Bad Request: invalid file_id", files={size["file_id"]}))
    page = telegram.send_document(b"<html>a page that a person sent</html>", "image/jpeg", "page.jpg", user=201)
    start_bot()
    telegram.wait_until(lambda: {gone, page} <= telegram.answers().keys())
    assert telegram.answers()[gone] == text("refusal", "not-delivered")
    assert telegram.answers()[page] == text("refusal", "unreadable")
    telegram.wait_until(lambda: telegram.answers().keys() == {gone, page, *sent}, seconds=120)
    assert all(telegram.answers()[number].startswith("I see: red.") for number in sent)


def test_an_answer_comes_though_what_it_replies_to_was_deleted(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.refusals.append(ReplyToDeleted())
    start_bot()
    photo = telegram.send({"photo": telegram.files.keep_photo(draw("red"))})
    refused = telegram.send({"document": telegram.files.keep(b"no photo") | {"mime_type": "image/jpeg"}})
    asked = telegram.send(command("/what"))
    album = telegram.send({"photo": telegram.files.keep_photo(draw("blue")), "media_group_id": "album"})
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert {photo, refused, asked, album} <= telegram.answers().keys()


def test_an_album_whose_answer_was_deleted_gets_another(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    first = telegram.send({"photo": telegram.files.keep_photo(draw("red")), "media_group_id": "album"})
    telegram.wait_until(lambda: first in telegram.answers() and telegram.unconfirmed == 0)
    (answer,) = [number for number, sent in telegram.messages.items() if sent["from"]["is_bot"]]
    del telegram.messages[answer]
    second = telegram.send({"photo": telegram.files.keep_photo(draw("green")), "media_group_id": "album"})
    telegram.wait_until(lambda: second in telegram.answers() and telegram.unconfirmed == 0)
    assert telegram.answers()[second].splitlines()[1:3] == ["1. red, 99%", "2. green, 99%"]


@pytest.mark.parametrize(
    ("caption", "kind"), [("@test_bot", "mention"), ("/what", "bot_command"), ("/what@test_bot", "bot_command")]
)
def test_a_document_that_an_edit_replaced_and_a_caption_that_it_added_are_looked_at(
    caption: str, kind: str, telegram: Telegram, start_bot: StartBot
) -> None:
    start_bot()
    document = telegram.send_document(b"no photo", "image/jpeg", "a.jpg")
    quiet = telegram.send({"photo": telegram.files.keep_photo(draw("green"))}, chat=-5)
    telegram.wait_until(lambda: document in telegram.answers() and telegram.unconfirmed == 0)
    photo = telegram.files.keep_photo(draw("red"))[-1]
    telegram.edit(document, document=photo | {"mime_type": "image/jpeg"})
    telegram.wait_until(lambda: telegram.replies[document] == 2)
    assert telegram.answers()[document].startswith("I see: red.")
    entities = [{"type": kind, "offset": 0, "length": len(caption)}]
    telegram.edit(quiet, caption=caption, caption_entities=entities)
    telegram.wait_until(lambda: quiet in telegram.answers())
    telegram.edit(quiet, caption=f"{caption} please", caption_entities=entities)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.replies[quiet] == 1
