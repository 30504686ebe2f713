"""The real bot process against the Bot API double: what a user sees in the chat."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from bot.inference.decoding import read
from tests.support.bot_process import RunBot, StartBot
from tests.support.chat import TEXTS, text
from tests.support.models import write_color_model
from tests.support.photos import COLORS, draw, encode
from tests.support.telegram import TOKEN, Telegram


def test_photos_sent_at_once_are_each_named_in_a_reply(telegram: Telegram, start_bot: StartBot) -> None:
    sent = {telegram.send_photo(draw(color), user=user): color for user in range(1, 6) for color in COLORS}
    start_bot()
    telegram.wait_until(lambda: len(telegram.answers()) == len(sent))
    for message, color in sent.items():
        assert telegram.answers()[message].startswith(f"I see: {color}. I am 99% sure.")
    telegram.wait_until(lambda: telegram.unconfirmed == 0)


def test_the_answer_is_in_the_users_language_else_in_english(telegram: Telegram, start_bot: StartBot) -> None:
    french = telegram.send_photo(draw("red"), language="fr-CA")
    klingon = telegram.send_photo(draw("red"), language="tlh")
    unknown = telegram.send_photo(draw("red"), language=None)
    start_bot()
    telegram.wait_until(lambda: len(telegram.answers()) == 3)
    assert telegram.answers()[french].startswith("Je vois : red. J’en suis sûr à 99\u00a0%.")
    assert telegram.answers()[klingon] == telegram.answers()[unknown]
    assert telegram.answers()[klingon].startswith("I see: red. I am 99% sure.")


def test_a_photo_between_the_classes_gets_no_label(telegram: Telegram, start_bot: StartBot) -> None:
    message = telegram.send_photo(Image.new("RGB", (300, 300), "gray"))
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    said = text("bot", "unsure-close").format(first="red", second="green")
    assert telegram.answers()[message].split("\n\n") == [
        said,
        "▓▓▓░░░░░░░ 33% red\n▓▓▓░░░░░░░ 33% green\n▓▓▓░░░░░░░ 33% blue",
    ]


def test_start_and_help_name_the_classes_and_other_text_gets_a_hint(telegram: Telegram, start_bot: StartBot) -> None:
    start_bot()
    for sent in ("/start", "/help", "what is this?"):
        telegram.send_text(sent)
    telegram.wait_until(lambda: len(telegram.texts()) == 3)
    labels = "red, green, blue"
    expected = [text("bot", "start").format(labels=labels), text("bot", "help").format(labels=labels)]
    assert sorted(telegram.texts()) == sorted([*expected, text("bot", "hint")])


def test_the_command_menu_is_set_for_every_language(telegram: Telegram, start_bot: StartBot) -> None:
    def find_menus() -> list[dict[str, Any]]:
        return [fields for method, fields in list(telegram.calls) if method == "setMyCommands"]

    start_bot()
    telegram.wait_until(lambda: {fields.get("language_code") for fields in find_menus()} == {None, *TEXTS})
    menus = find_menus()
    assert all("/" not in fields["commands"] and '"start"' in fields["commands"] for fields in menus)


def test_an_image_sent_as_a_file_is_named_and_other_files_are_refused(telegram: Telegram, start_bot: StartBot) -> None:
    image = telegram.send_document(encode(draw("blue"), "PNG"), "image/png", "blue.png")
    lie = telegram.send_document(b"not a photo at all", "image/jpeg", "note.jpg")
    damaged = telegram.send_document(encode(draw("red"))[:-400], "image/jpeg", "half.jpg")
    huge = telegram.send_document(encode(Image.new("L", (8000, 8000)), "PNG"), "image/png", "huge.png")
    scan = telegram.send_document(
        encode(draw("red")).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), "", "scan.jpg"
    )
    telegram.send_document(b"%PDF", "application/pdf", "paper.pdf")
    start_bot()
    telegram.wait_until(lambda: len(telegram.texts()) == 6)
    answers = telegram.answers()
    assert answers[image].startswith("I see: blue. I am 99% sure.")
    assert answers[lie] == text("refusal", "unreadable")
    assert answers[damaged] == text("refusal", "damaged")
    assert answers[scan] == text("refusal", "unsupported")
    assert answers[huge] == text("refusal", "too-many-pixels")
    assert text("bot", "hint") in telegram.texts()


@pytest.mark.parametrize(
    ("mime_type", "name"),
    [
        ("application/octet-stream", "IMG_0001.JPG"),
        ("application/octet-stream", None),
        (None, "photo.jpeg"),
        (None, None),
        ("", "photo"),
        ("text/plain", "photo.png"),
        ("IMAGE/JPEG", "photo.bin"),
        ("application/octet-stream", "Photo 2026-11-28 at 10.15.33"),
        ("application/octet-stream", "photo.JPG "),
        (None, "D1x.jpg_large"),
        (None, "image.bin"),
    ],
)
def test_name_or_bytes_tell_that_a_file_is_a_photo(
    telegram: Telegram, start_bot: StartBot, mime_type: str | None, name: str | None
) -> None:
    document = telegram.files.keep(encode(draw("blue"))) | {"mime_type": mime_type, "file_name": name}
    message = telegram.send({"document": {key: value for key, value in document.items() if value is not None}})
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    assert telegram.answers()[message].startswith("I see: blue.")


def test_other_files_are_not_fetched(telegram: Telegram, start_bot: StartBot) -> None:
    sent = [
        telegram.send_document(b"PK", "application/octet-stream", "archive.zip"),
        telegram.send_document(b"PK", "application/zip", "archive"),
        telegram.send_document(b"%PDF", "application/pdf", "paper.pdf"),
        telegram.send_document(b"7z", "application/octet-stream", "photos.7z"),
    ]
    start_bot()
    telegram.wait_until(lambda: len(telegram.texts()) == len(sent) and telegram.unconfirmed == 0)
    assert telegram.downloads == []


def test_a_file_above_telegrams_limit_is_not_fetched(telegram: Telegram, start_bot: StartBot) -> None:
    announced = telegram.send_document(b"x", "image/png", "big.png")
    telegram.queue.updates[announced]["message"]["document"]["file_size"] = 21_000_000
    unannounced = telegram.send_document(b"x" * 21_000_000, "image/png", "big.png")
    del telegram.queue.updates[unannounced]["message"]["document"]["file_size"]
    start_bot()
    telegram.wait_until(lambda: len(telegram.answers()) == 2)
    assert set(telegram.answers().values()) == {text("refusal", "too-many-bytes")}
    assert len(telegram.downloads) == 1


def test_a_download_that_fails_is_told_and_leaves_no_token_in_the_log(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    telegram.fail_downloads = 100
    message = telegram.send_photo(draw("red"))
    start_bot(LOG_LEVEL="DEBUG")
    telegram.wait_until(lambda: message in telegram.answers())
    assert telegram.answers()[message] == text("refusal", "not-delivered")
    # That the token is not in there is checked by the fixture, after every test.
    telegram.wait_until(lambda: "download failed" in (tmp_path / "bot.log").read_text())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_a_camera_wrote_into_a_photo_is_in_no_log(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, form: str
) -> None:
    tags = Image.Exif()
    tags[ExifTags.Base.Artist] = "Wilhelmina Quist"
    tags[ExifTags.IFD.GPSInfo] = {1: "N", 2: (47.0, 11.0, 53.71875)}
    document = encode(draw("green"), form, exif=tags)
    message = telegram.send_document(document, f"image/{form.lower()}", "holiday")
    start_bot(LOG_LEVEL="DEBUG")
    telegram.wait_until(lambda: message in telegram.answers())
    assert telegram.answers()[message].startswith("I see: green.")
    log = (tmp_path / "bot.log").read_text()
    assert "answering as" in log
    assert "Quist" not in log
    assert "53.7" not in log


def test_a_download_that_fails_once_is_tried_again(telegram: Telegram, start_bot: StartBot) -> None:
    telegram.fail_downloads = 1
    message = telegram.send_photo(draw("red"))
    start_bot()
    telegram.wait_until(lambda: message in telegram.answers())
    assert telegram.answers()[message].startswith("I see: red. I am 99% sure.")
    assert len(telegram.downloads) == 2


def test_the_smallest_variant_that_covers_the_net_is_fetched(telegram: Telegram, start_bot: StartBot) -> None:
    upright = telegram.send_photo(draw("green", (960, 1280)))
    wide = telegram.send_photo(draw("blue", (1280, 720)))
    small = telegram.send_photo(draw("red", (200, 150)))
    start_bot()
    telegram.wait_until(lambda: telegram.answers().keys() == {upright, wide, small})
    fetched = {read(telegram.files[file]).size for file in telegram.downloads}
    assert fetched == {(240, 320), (800, 450), (200, 150)}


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_no_file_is_written_but_ledger_notes_and_a_lock(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    """Every call by which the process, or one it starts, could open or name a file for writing is looked at."""
    trace = tmp_path / "trace"
    calls = "open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,memfd_create,mknod,mknodat"
    messages = [
        telegram.send_document(encode(draw("red", (2000, 2000)), "BMP"), "image/bmp", "red.bmp"),
        telegram.send_document(b"not a photo", "image/jpeg", "note.jpg"),
        telegram.send_photo(draw("blue", (2000, 1500))),
    ]
    # -D: the process that is started is the bot, and strace its grandchild.
    start_bot("strace", "-D", "-f", "-qq", "-e", f"trace={calls}", "-o", str(trace), PYTHONDONTWRITEBYTECODE="1")
    telegram.wait_until(lambda: telegram.answers().keys() == set(messages))
    lines = [line for line in trace.read_text().splitlines() if " = -1 " not in line]
    reads = re.compile(r'open(at)?\(.*"[^"]+", (O_RDONLY|O_PATH)(?!\|O_CREAT)')
    written = {match.group(1) for line in lines if not reads.search(line) and (match := re.search('"([^"]+)"', line))}
    assert len(lines) > 500
    state = str(tmp_path / "state")
    assert {file for file in written if not file.startswith(state)} <= {"/dev/null"}
    databases = [
        f"/{name}.sqlite{ending}" for name in ("ledger", "notes") for ending in ("", "-journal", "-wal", "-shm")
    ]
    assert {file.removeprefix(state) for file in written if file.startswith(state)} <= {"", "/123456.lock", *databases}


def test_the_token_is_not_in_the_process_list(telegram: Telegram, start_bot: StartBot) -> None:
    process = start_bot()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    assert TOKEN not in Path(f"/proc/{process.pid}/cmdline").read_text()


@pytest.mark.parametrize("kind", ["no-onnx", "truncated", "huge", "other-contract"])
def test_a_bad_model_stops_the_start_before_telegram_is_asked(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, color_model: Path, kind: str
) -> None:
    model = tmp_path / "bad.onnx"
    match kind:
        case "no-onnx":
            model.write_text("this is no model")
        case "truncated":
            model.write_bytes(color_model.read_bytes()[:-300])
        case "huge":
            model.touch()
            os.truncate(model, 3_000_000_000)
        case "other-contract":
            write_color_model(model, metadata={"contract": "2"})
    assert start_bot(MODEL_PATH=str(model)).wait(30) == 2
    log = (tmp_path / "bot.log").read_text()
    assert log.startswith("bot: ")
    assert "Traceback" not in log
    assert telegram.calls == []


def test_without_a_token_one_line_says_where_to_get_one(run_bot: RunBot) -> None:
    done = run_bot()
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "@BotFather" in line
    assert "preview --open" in line


def test_a_wrong_token_ends_with_one_line(telegram: Telegram, run_bot: RunBot, color_model: Path) -> None:
    for wrong in ("999:wrong", "no colon in it", "123456:../../elsewhere", f"{'9' * 5000}:number"):
        done = run_bot(BOT_TOKEN=wrong, MODEL_PATH=str(color_model), TELEGRAM_API_SERVER=telegram.url)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("bot: BOT_TOKEN is not a token that Telegram knows.")
        assert wrong not in done.stderr


def test_without_network_it_waits_and_says_so(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    process = start_bot(TELEGRAM_API_SERVER="http://127.0.0.1:9")
    telegram.wait_until(lambda: "Telegram cannot be reached" in (tmp_path / "bot.log").read_text())
    assert process.poll() is None
    assert "Traceback" not in (tmp_path / "bot.log").read_text()


def test_more_threads_than_a_model_can_have_are_refused(run_bot: RunBot) -> None:
    """onnxruntime would end the process without a word."""
    done = run_bot(BOT_TOKEN=TOKEN, THREADS="99999")
    assert (done.returncode, done.stderr) == (2, "bot: THREADS is '99999', it takes a whole number from 1 to 32.\n")


BROKEN_ADDRESSES = [
    "https://",
    "https://:8443/hook",
    "http://[::1/hook",
    "http://example.org:99999/hook",
    "http://example.org/{token",
    "http://example.org/{token}",
    "http://two words.org",
    "https://example.org/\udcff",
    "https://example.org/\x7f",
    "https://example.org/%zz",
    "https://example.org/a/../b",
    "https://example.org/.?x",
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_IN_FLIGHT", "9" * 5000),
        ("PORT", "٨٠"),
        *((name, address) for name in ("WEBHOOK_URL", "TELEGRAM_API_SERVER") for address in BROKEN_ADDRESSES),
    ],
)
def test_a_number_or_an_address_that_no_program_takes_is_named(run_bot: RunBot, name: str, value: str) -> None:
    """Digits above Python's own limit ended in a traceback, and so did brackets and braces in the address."""
    done = run_bot(BOT_TOKEN=TOKEN, **{name: value})
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.startswith(f"bot: {name} is ")) == (2, True)


def test_a_setting_that_cannot_be_used_is_named(run_bot: RunBot) -> None:
    for name, value in {
        "THREADS": "many",
        "MAX_IN_FLIGHT": "0",
        "LOG_LEVEL": "LOUD",
        "TELEGRAM_API_SERVER": "localhost",
        "MODEL_PATH": "nowhere.onnx",
        "WEBHOOK_URL": "example.com",
        "WEBHOOK_SECRET": "with spaces",
        "REDIS_URL": "localhost",
        "PORT": "0",
        "METRICS_PORT": "none",
        "OWNER_IDS": "-5",
        "ALLOWED_IDS": "2001,ada",
        "SHUTDOWN_SECONDS": "-1",
        "LOG_FORMAT": "xml",
    }.items():
        done = run_bot(BOT_TOKEN=TOKEN, **{name: value})
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert name in line


def test_ctrl_c_ends_it_quietly(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    process: subprocess.Popen[str] = start_bot()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Traceback" not in (tmp_path / "bot.log").read_text()
