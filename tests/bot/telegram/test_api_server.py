"""TELEGRAM_API_SERVER: a Bot API server of one's own, whose files are on the disk (--local) or come over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bot_process import RunBot, StartBot
from tests.support.chat import text
from tests.support.photos import draw, encode
from tests.support.telegram import TOKEN, Telegram


def test_a_local_servers_files_are_read_from_the_disk(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    telegram.files.folder = tmp_path
    photo = telegram.send_photo(draw("green"))
    document = telegram.send_document(encode(draw("blue"), "PNG"), "image/png", "blue.png")
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == {photo, document})
    assert telegram.answers()[photo].startswith("I see: green")
    assert telegram.answers()[document].startswith("I see: blue")
    assert telegram.downloads == []


@pytest.mark.parametrize("is_local", [False, True])
def test_a_file_is_fetched_whatever_its_path_holds(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    """A server of one's own names files as their senders did."""
    names = ["x?y=1.jpg", "x#y.jpg", "a%2fb.jpg", "50%.jpg", "a b+c&d;e.jpg", "a\\b.jpg", "ä😀.jpg", "line\nbreak.jpg"]
    telegram.files.folder = tmp_path if is_local else None
    paths = {}
    sent = []
    for name in names:
        document = telegram.files.keep(encode(draw("green"), "PNG"))
        telegram.files[name] = telegram.files[document["file_id"]]
        paths[document["file_id"]] = telegram.files.locate(name)
        sent.append(telegram.send({"document": document | {"mime_type": "image/png", "file_name": name}}))
    monkeypatch.setattr(telegram.files, "locate", paths.__getitem__)
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == set(sent), seconds=30)
    assert all(answer.startswith("I see: green") for answer in telegram.answers().values())


def test_a_huge_local_file_is_not_read_into_memory(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    telegram.files.folder = tmp_path
    message = telegram.send_document(b"x" * 20_000_001, "image/png", "huge.png")
    del telegram.messages[message]["document"]["file_size"]
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    assert telegram.answers()[message] == text("refusal", "too-many-bytes")


@pytest.mark.parametrize(
    ("mode", "told", "status"),
    [
        ("local", "ok   files: read from its folder (--local)", 0),
        ("http", "ok   files: fetched from it over HTTP", 0),
        ("other folder", "BAD  files: to be read from its folder (--local), which fails", 1),
        ("no photo", "ok   files: not tried: the bot has no profile photo", 0),
    ],
)
def test_doctor_tries_the_files(
    telegram: Telegram,
    run_bot: RunBot,
    color_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    told: str,
    status: int,
) -> None:
    if mode != "no photo":
        telegram.profile_photos = [telegram.files.keep_photo(draw())]
    if mode in ("local", "other folder"):
        telegram.files.folder = tmp_path
    if mode == "other folder":
        locate = telegram.files.locate
        monkeypatch.setattr(telegram.files, "locate", lambda name: f"/nowhere{locate(name)}")
    settings = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    done = run_bot("doctor", STATE_DIR=str(tmp_path / "state"), **settings)
    assert told in done.stdout
    assert done.returncode == status, done.stdout + done.stderr
