"""`python -m bot preview`, the real process over HTTP."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import urllib.request
from pathlib import Path

import polib
import pytest
from PIL import Image

from bot.preview.about import TEXTS
from bot.preview.chat import FILES
from bot.texts.replies import TEXTS as CATALOGUES
from tests.support.bot_process import BOT_PYTHON, RunBot, environment
from tests.support.paths import ROOT
from tests.support.photos import COLORS, draw, draw_corner, encode
from tests.support.web.preview import ALBUM_HOW, BUTTONS, CARD, UNREADABLE, Preview, labels

USES = re.compile(r'(?:\bdata-(?:text|label|tip|hint|alt|touch)=|\bsay\(|\balt = |\balt: )"([\w-]+)"')
"""Where the page names one of its texts."""


def test_the_answers_are_the_bots_own(preview: Preview) -> None:
    assert preview.answer(text="/start").startswith("Hello!")
    assert preview.answer(text="/start@preview_bot").startswith("Hello!")
    assert "red, green, blue" in preview.answer(text="/help")
    assert preview.answer(text="what is this?").startswith("I only understand photos.")
    assert preview.answer(text="/start", language="fr-FR").startswith("Bonjour")
    for color in COLORS:
        (answer,) = preview.send(file=encode(draw(color, (1500, 1000))))
        assert (answer["text"], answer["reply_to"]) == (f"I see: {color}. I am 99% sure.", answer["id"] - 1)


def test_a_file_that_is_no_photo_is_refused_by_the_bot(preview: Preview) -> None:
    assert preview.answer(file=b"hello").startswith(UNREADABLE)
    assert preview.answer(file=b"x" * 21_000_000).startswith("Telegram lets me fetch files of up to 20 MB only.")
    assert preview.answer(file=encode(Image.new("L", (8000, 8000)), "PNG")).startswith("This image has too many pixels")


def test_an_albums_photos_share_an_answer_that_grows(preview: Preview) -> None:
    sent = [preview.send(album="holiday", file=encode(draw(color))) for color in COLORS]
    assert {answer["id"] for (answer,) in sent} == {sent[0][0]["id"]}
    assert [answer["text"].count("\n") for (answer,) in sent] == [1, 4, 5]
    assert sent[2][0]["text"] == f"3 photos:\n1. red, 99%\n2. green, 99%\n3. blue, 99%\n\n{ALBUM_HOW}"
    assert preview.answer(album="another", file=encode(draw("red"))).startswith("1 photo:")


def test_a_verdict_takes_the_buttons_away_and_is_thanked_for(preview: Preview) -> None:
    (answer,) = preview.send(file=encode(draw("red")))
    assert labels(answer) == BUTTONS
    question, choices = preview.press(answer, "👎 Wrong")
    assert question == {"toast": "What does it show?"}
    assert sorted(labels(choices)[:2]) == [["blue"], ["green"]]
    assert labels(choices)[2:] == [["None of these"], ["Why?"]]
    toast, changed = preview.press(choices, "blue")
    assert (changed["id"], changed["text"], labels(changed)) == (answer["id"], answer["text"], [["Why?"]])
    assert toast["toast"].startswith("Thank you!")


def test_why_sends_a_picture_for_as_long_as_the_photo_is_kept(preview: Preview) -> None:
    (answer,) = preview.send(file=encode(draw_corner("red")))
    (why,) = preview.press(answer, "Why?")
    assert why["photo"].startswith("data:image/jpeg;base64,")
    assert "“red”" in why["text"]
    for _ in range(FILES):
        preview.send(file=encode(draw("blue", (30, 30))))
    (gone,) = preview.press(answer, "Why?")
    assert (gone["text"], gone["photo"]) == ("I cannot fetch this photo any more. Please send it again.", None)
    (toast,) = preview.send(message="999999", press="why")  # a message that is not there any more
    assert toast == {"toast": "I cannot fetch this photo any more. Please send it again."}


def test_a_language_can_be_chosen(preview: Preview) -> None:
    (question,) = preview.send(text="/language")
    assert question["text"] == "Which language shall I answer in?"
    toast, chosen = preview.press(question, "Deutsch")
    assert toast["toast"] == chosen["text"]
    assert (chosen["id"], labels(chosen)) == (question["id"], [])
    (question,) = preview.send(text="/language")
    assert question["text"] != "Which language shall I answer in?"
    preview.send(message=str(question["id"]), press="language:auto")
    assert preview.answer(text="/start").startswith("Hello!")


def test_what_names_the_photo_that_it_replies_to(preview: Preview) -> None:
    (answer,) = preview.send(file=encode(draw("red")))
    (again,) = preview.send(text="/what", reply_to=str(answer["reply_to"]))
    assert (again["text"], again["reply_to"]) == (answer["text"], answer["reply_to"])
    for number in ("", str(answer["id"]), "999999"):  # nothing, a text, and what is not there
        reply = {"reply_to": number} if number else {}
        assert preview.answer(text="/what", **reply).startswith("Reply to a photo")


def test_the_page_asks_for_texts_that_every_language_has(preview: Preview) -> None:
    asked = set()
    for file in (ROOT / "bot" / "preview").iterdir():
        asked |= set(USES.findall(file.read_text())) if file.suffix in (".html", ".js") else set()
    assert asked == set(TEXTS)
    english = {entry.msgid for entry in polib.pofile(str(CATALOGUES / "en.po")) if entry.msgctxt == "preview"}
    assert english == set(TEXTS)  # what English has every language has: test_replies
    for language, direction in (("en", "ltr"), ("ar-EG", "rtl")):
        assert preview.get(f"/about?language={language}")["texts"]["direction"] == direction


def test_the_bot_is_described_in_the_browsers_language(preview: Preview) -> None:
    english, french = preview.get("/about?language=en-GB"), preview.get("/about?language=fr")
    assert [command["name"] for command in english["commands"]] == [
        *("/start", "/help", "/privacy", "/what", "/language")
    ]
    assert (english["language"], french["language"], english["card"]) == ("en", "fr", CARD)
    for about in ("commands", "description", "texts"):
        assert english[about] != french[about]


def test_the_page_knows_the_model_its_headline_and_three_examples(preview: Preview) -> None:
    about = preview.get("/about")
    assert about["model"] == {
        "name": "colors",
        "classes": ["red", "green", "blue"],
        "more": 0,
        "headline": "On photos of a source that it never saw expect 91.2 % right.",
    }
    assert about["examples"] == ["0-red.png", "1-green.png", "2-blue.png"]
    for name in ("9-one-too-many.png", "..%2Fcolors.onnx", "gone.png"):
        assert preview.get(f"/examples/{name}") == 404


def test_other_sites_are_refused(preview: Preview) -> None:
    assert preview.get("/about", Host="example.com") == 403
    assert preview.send({"Origin": "http://example.com"}, text="/start") == 403
    assert preview.send({"Origin": "null"}, text="/start") == 403
    assert preview.send({"Host": f"example.com:{preview.port}"}, text="/start") == 403
    assert preview.send({"Host": "localhost:x"}, text="/start") == 403
    assert preview.send({"Origin": preview.url}, text="/start")[0]["text"].startswith("Hello!")


def test_a_message_that_cannot_be_read_is_a_400(preview: Preview) -> None:
    assert preview.post(b"garbage", "multipart/form-data; boundary=x")[0] == 400
    assert preview.post(b"garbage", "multipart/form-data")[0] == 400
    assert preview.post(b"{}", "application/json")[0] == 400
    assert preview.send(other="/start") == 400
    assert preview.send(text="   ") == 400
    assert preview.send(press="why") == 400
    assert preview.send(message="x", press="why") == 400
    assert preview.send(text="/what", reply_to="x") == 400
    head = b'--x\r\nContent-Disposition: form-data; name="text"\r\nContent-Type: text/plain; charset=none\r\n\r\n'
    assert preview.post(head + b"hi\r\n--x--", "multipart/form-data; boundary=x")[0] == 400


def test_an_upload_that_ends_midway_leaves_no_traceback(preview: Preview) -> None:
    """That nothing was logged is checked by the fixture."""
    with socket.create_connection(("127.0.0.1", preview.port)) as browser:
        head = f"POST /messages HTTP/1.1\r\nHost: 127.0.0.1:{preview.port}\r\nContent-Length: 9999\r\n"
        start = '--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhi'
        browser.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n{start}".encode())
    assert preview.answer(text="/start").startswith("Hello!")


def test_the_page_is_where_any_free_port_is_printed(color_model: Path) -> None:
    with subprocess.Popen(
        [BOT_PYTHON, "-m", "bot", "preview", "--port", "0"],
        cwd=ROOT,
        env=environment(MODEL_PATH=str(color_model)),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().split()[1]
            with urllib.request.urlopen(f"{address}/about") as response:
                assert json.load(response)["model"]["classes"] == ["red", "green", "blue"]
        finally:
            process.terminate()
        assert process.wait(30) == 0


def test_a_port_in_use_ends_with_one_line(preview: Preview, run_bot: RunBot, color_model: Path) -> None:
    for port, told in ((str(preview.port), f"port {preview.port} is not free"), ("99999", "'99999' is no port")):
        done = run_bot("preview", "--port", port, MODEL_PATH=str(color_model))
        assert done.returncode == 2
        assert told in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("part", "status"),
    [
        (b'Content-Disposition: form-data; name="album"\r\nContent-Type: text/plain; charset=unicode_escape', 400),
        (b"Content-Disposition: form-data; name=\"file\"; filename*=unicode_escape''%5Cud800.jpg", 200),
        (b'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/\xff', 200),
        (b'Content-Disposition: form-data; name="file"; filename="\xff.jpg"', 200),
        (b'Content-Disposition: form-data; name="text"\r\nContent-Type: text/plain; charset=UTF-8', 200),
        (b'Content-Disposition: form-data; name="text"\r\nContent-Type: text/plain; charset=base64', 400),
        (b'Content-Disposition: form-data; name="message"', 400),
    ],
)
def test_a_part_in_any_charset_ends_no_answer_in_a_traceback(preview: Preview, part: bytes, status: int) -> None:
    head = b"--x\r\n" + part + b"\r\n\r\n\\ud800\r\n"
    photo = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    whole = b"" if b'"file"' in part else photo + encode(draw("red")) + b"\r\n"
    assert preview.post(head + whole + b"--x--\r\n", "multipart/form-data; boundary=x")[0] == status


def test_a_text_that_is_no_utf_8_is_refused(preview: Preview) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
    assert preview.post(head + b"\xff\r\n--x--\r\n", "multipart/form-data; boundary=x")[0] == 400
    for number in (b"9" * 4000, b"9" * 5000, b"-1"):
        parts = (b"message", number), (b"press", b"why")
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, value) for name, value in parts
        )
        assert preview.post(body + b"--x--\r\n", "multipart/form-data; boundary=x")[0] in (200, 400)
