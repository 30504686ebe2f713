"""Donated photos in a bucket: the real process against rclone, which serves a folder as S3 and verifies signatures."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

import bot.donations.s3
from bot.donations.s3 import Bucket
from bot.donations.store import StoreError
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from tests.support.bot_process import BOT_PYTHON, RunBot, StartBot
from tests.support.chat import press_button, text, toasts
from tests.support.network.file_server import FileHandler
from tests.support.network.sockets import find_port, wait_for_server
from tests.support.photos import draw, encode
from tests.support.telegram import TOKEN, Telegram

KEY, SECRET = "the-keys-number", "the-keys-secret"
UTCNOW = "ignore:datetime.datetime.utcnow:DeprecationWarning"
"""The package that signs asks for the time in a way that Python 3.12 would have otherwise."""
WITH_EXTRAS = pytest.mark.parametrize("bot_python", [sys.executable], ids=["extras"])
"""The bot runs where requirements-s3.txt is installed: here."""
OTHERS = 1100
"""More objects than one page of a listing has."""


@dataclass
class Server:
    folder: Path
    url: str

    def settings(self, **changes: str) -> dict[str, str]:
        usual = {"DONATIONS_DIR": "s3://photos/given", "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1"}
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        warnings = {"PYTHONWARNINGS": "error,ignore::DeprecationWarning:aws_request_signer"}
        return usual | keys | warnings | changes

    def put(self, *names: str) -> None:
        """Objects that are there already."""
        for name in names:
            file = self.folder / "photos" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()

    def objects(self) -> dict[str, bytes]:
        """As they are when the bucket is copied down."""
        root = self.folder / "photos"
        return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, with an empty bucket `photos`."""
    rclone = shutil.which("rclone")
    if rclone is None or subprocess.run([rclone, "serve", "s3", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("rclone is not installed, or older than its `serve s3` (1.65)")
    folder, port = tmp_path / "s3", find_port()
    (folder / "photos").mkdir(parents=True)
    command = [rclone, "serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    process = subprocess.Popen([*command, "--dir-cache-time", "1ms", "--config", ""], stderr=subprocess.DEVNULL)
    wait_for_server(port)
    yield Server(folder, f"http://127.0.0.1:{port}")
    process.terminate()
    process.wait(10)


def donate(telegram: Telegram) -> None:
    telegram.send_text("/donate")
    telegram.wait_until(lambda: text("donation", "ask") in telegram.texts())
    question = next(number for number, one in telegram.messages.items() if one.get("text") == text("donation", "ask"))
    telegram.press(question, "donate:yes")
    telegram.wait_until(lambda: telegram.messages[question]["text"] == text("donation", "agreed"))


def judge(telegram: Telegram, color: str, verdict: str) -> str:
    """Send a photo, and press a button under its answer; returns what is said then."""
    told = len(toasts(telegram))
    message = telegram.send_photo(draw(color))
    telegram.wait_until(lambda: message in telegram.answers())
    press_button(telegram, message, verdict)
    telegram.wait_until(lambda: len(toasts(telegram)) > told)
    return toasts(telegram)[-1]


def ask(telegram: Telegram, command: str, **sender: int) -> str:
    told = len(telegram.texts())
    telegram.send_text(command, **sender)
    telegram.wait_until(lambda: len(telegram.texts()) > told)
    return telegram.texts()[-1]


@WITH_EXTRAS
def test_photos_are_objects_in_class_folders_until_their_giver_has_them_deleted(
    telegram: Telegram, start_bot: StartBot, s3: Server
) -> None:
    others = {f"given/{label}/somebody-{number}.jpg" for label in ("blue", "red") for number in range(OTHERS // 2)}
    s3.put(*others, "given/note.txt", "elsewhere/red/x.jpg")
    before = s3.objects().keys()
    start_bot(**s3.settings(OWNER_IDS="99"))
    donate(telegram)
    for color in ("red", "green", "red"):
        assert judge(telegram, color, "right") == text("verdict", "kept")
    kept = {name: data for name, data in s3.objects().items() if name not in before and name != "given/labelgram-key"}
    assert [name.split("/")[:2] for name in sorted(kept)] == [["given", "green"], ["given", "red"]]
    assert all(name.endswith(".jpg") and data.startswith(b"\xff\xd8") for name, data in kept.items())
    assert len({name.rpartition("/")[2].partition("-")[0] for name in kept}) == 1
    assert ask(telegram, "/stats", user=99).endswith(f": {OTHERS + 2}")
    assert "deleted 2" in ask(telegram, "/forget")
    assert s3.objects().keys() - before == {"given/labelgram-key"}


@WITH_EXTRAS
def test_a_bucket_in_trouble_loses_no_answer_and_is_told_of_without_the_key(
    telegram: Telegram, start_bot: StartBot, s3: Server, tmp_path: Path
) -> None:
    start_bot(**s3.settings(OWNER_IDS="99", AWS_SECRET_ACCESS_KEY="wr0ng"))
    donate(telegram)
    assert judge(telegram, "red", "right") == text("verdict", "not-kept")
    assert ask(telegram, "/forget") == text("donation", "not-forgotten")
    assert ask(telegram, "/stats", user=99).endswith(": ?")
    message = telegram.send_photo(draw("blue"))
    telegram.wait_until(lambda: message in telegram.answers())
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert s3.objects() == {}
    log = (tmp_path / "bot.log").read_text()
    assert "a donated photo could not be kept: s3://photos/given" in log
    assert not [word for word in (KEY, SECRET, "wr0ng", "Traceback") if word in log]


@WITH_EXTRAS
def test_the_doctor_tries_the_bucket(
    telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path, s3: Server
) -> None:
    usual = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    done = run_bot("doctor", STATE_DIR=str(tmp_path / "state"), **usual, **s3.settings())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   donations: can be written to and deleted from s3://photos/given/" in done.stdout
    assert not [word for word in (KEY, SECRET) if word in done.stdout + done.stderr]
    assert s3.objects() == {}


@pytest.mark.filterwarnings(UTCNOW)
def test_what_is_wrong_with_a_bucket_is_said_with_the_setting_to_mend(s3: Server) -> None:
    for change, told in (
        ({"DONATIONS_DIR": "s3://nowhere"}, "s3://nowhere/: there is no such bucket: DONATIONS_DIR (NoSuchBucket)"),
        ({"AWS_ACCESS_KEY_ID": "x"}, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (InvalidAccessKeyId)"),
        ({"AWS_SECRET_ACCESS_KEY": "x"}, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (SignatureDoesNotMatch)"),
    ):
        with pytest.raises(StoreError, match=re.escape(told)):
            asyncio.run(open_bucket(s3.settings(**change)).check())


def test_without_its_package_a_bucket_is_refused_at_the_start(run_bot: RunBot, color_model: Path) -> None:
    if sys.executable == BOT_PYTHON:
        pytest.skip("the bot's environment holds more than its requirements")
    settings = Server(Path(), "http://127.0.0.1:1").settings(BOT_TOKEN=TOKEN, MODEL_PATH=str(color_model))
    done = run_bot(**settings)
    assert done.returncode == 2
    assert done.stderr == "bot: DONATIONS_DIR is a bucket: pip install -r requirements-s3.txt\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"AWS_SECRET_ACCESS_KEY": ""}, "DONATIONS_DIR is a bucket: set AWS_SECRET_ACCESS_KEY."),
        ({"DONATIONS_DIR": "s3:///photos"}, "a bucket is named as in s3://bucket"),
        ({"AWS_ENDPOINT_URL_S3": "http://me:secret@host"}, "AWS_ENDPOINT_URL_S3 is no address such as"),
    ],
)
def test_what_is_not_set_up_is_named(change: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told) as error:
        Settings.from_environment(Server(Path(), "http://127.0.0.1:1").settings(**change))
    assert "secret" not in str(error.value)


def open_bucket(settings: dict[str, str]) -> Bucket:
    place = Settings.from_environment(settings).donations
    assert place
    assert not isinstance(place, Path)
    return Bucket(place)


@pytest.mark.filterwarnings(UTCNOW)
@pytest.mark.parametrize("place", ["s3://photos", "s3://photos/a b/ü+%41/"])
def test_classes_may_be_called_anything(s3: Server, place: str) -> None:
    names = {f"{label}/me-1.jpg" for label in ("Ä + b", "100%", "50%25", "a&b=c?#", "~'()*!", "熊猫")}

    async def go() -> None:
        store = open_bucket(s3.settings(DONATIONS_DIR=place))
        for name in names:
            await store.write(name, encode(draw("red", (30, 30))))
        prefix = place.removeprefix("s3://photos").strip("/")
        assert {name.removeprefix(prefix).lstrip("/") for name in s3.objects()} == names
        assert set(await store.list_photos()) == names
        await store.delete(sorted(names))

    asyncio.run(go())
    assert s3.objects() == {}


@pytest.mark.filterwarnings(UTCNOW)
def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.donations.s3, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = open_bucket(Server(Path(), f"http://127.0.0.1:{silent.getsockname()[1]}").settings())
        with pytest.raises(StoreError, match=r"cannot be reached .* \(TimeoutError\)"):
            asyncio.run(store.write("red/me.jpg", b"x"))


@pytest.mark.filterwarnings(UTCNOW)
def test_a_server_that_is_down_is_tried_again(free_port: int) -> None:
    address = f"http://127.0.0.1:{free_port}"
    for url in (address, "http://no..host"):
        with pytest.raises(StoreError, match=f"cannot be reached at {url}"):
            asyncio.run(open_bucket(Server(Path(), url).settings()).list_photos())


@pytest.mark.filterwarnings(UTCNOW)
def test_a_page_in_the_place_of_s3_is_named(tmp_path: Path) -> None:
    pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(FileHandler, directory=str(tmp_path)))
    (tmp_path / "photos").write_text("<html><body>Welcome<br></body></html>")
    with pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        store = open_bucket(Server(tmp_path, f"http://127.0.0.1:{pages.server_port}").settings())
        with pytest.raises(StoreError, match="does not speak S3: AWS_ENDPOINT_URL"):
            asyncio.run(store.list_photos())
        pages.shutdown()
