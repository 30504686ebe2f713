"""`python -m bot doctor`: what is there, what is missing, and what to do."""

from __future__ import annotations

import shutil
import socket
from collections import defaultdict
from pathlib import Path

import polib
import pytest

from tests.support.bot_process import RunBot, StartBot
from tests.support.network.sockets import accepts
from tests.support.paths import ROOT
from tests.support.telegram import TOKEN, Telegram


def test_where_all_is_well_it_says_so(telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path) -> None:
    settings = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    folders = {"STATE_DIR": str(tmp_path / "state"), "DONATIONS_DIR": str(tmp_path / "given")}
    done = run_bot("doctor", **folders, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "given").iterdir()) == []
    assert "BAD" not in done.stdout
    for told in (
        "model: ",
        "red, green, blue",
        "donations: ",
        "token: of @test_bot",
        "webhook: none",
        "clock: ",
        "MB free",
    ):
        assert told in done.stdout
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "BAD  token: BOT_TOKEN is not set."),
        ({"BOT_TOKEN": "1:wrong"}, "BAD  token: BOT_TOKEN is not a token that Telegram knows."),
        ({"BOT_TOKEN": TOKEN, "MODEL_PATH": "nowhere.onnx"}, "BAD  model: cannot read the model nowhere.onnx"),
        (
            {"BOT_TOKEN": TOKEN, "MODEL_PATH": "onnx" * 80},
            f"BAD  model: cannot read the model {'onnx' * 80}: File name",
        ),
        ({"BOT_TOKEN": TOKEN, "MODEL_PATH": ".."}, "BAD  model: .. is not a file"),
        ({"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": "http://127.0.0.1:1"}, "BAD  network: http://127.0.0.1:1 cannot"),
        ({"BOT_TOKEN": TOKEN, "STATE_DIR": "/dev/null/x"}, "BAD  state: "),
        ({"BOT_TOKEN": TOKEN, "DONATIONS_DIR": "/dev/null/x"}, "BAD  donations: /dev/null/x: Not a directory"),
        ({"BOT_TOKEN": TOKEN, "REDIS_URL": "redis://127.0.0.1:1/0"}, "BAD  state: "),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(
    telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    usual = {"TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model), "STATE_DIR": str(tmp_path / "state")}
    done = run_bot("doctor", **usual | settings)
    assert done.returncode == 1, done.stdout + done.stderr
    assert told in done.stdout
    assert "MB are enough" in done.stdout  # it goes on to the end
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_own_texts_that_are_never_said_are_named(run_bot: RunBot, color_model: Path, tmp_path: Path) -> None:
    """Of a class before it was renamed, of a misspelt key, in a file that a browser has renamed."""
    model, texts = tmp_path / "own.onnx", tmp_path / "own-replies"
    shutil.copy(color_model, model)
    shutil.copytree(ROOT / "artifacts" / "mask-replies", texts)
    assert "texts" not in _list_bad(run_bot, ROOT / "artifacts" / "mask.onnx", tmp_path)
    (texts / "en.po").rename(texts / "English (1).po")
    said = polib.pofile(str(texts / "fr.po"))
    said.clear()
    for context, key in (("label", "red"), ("answer", "with_mask"), ("bot", "strat"), ("profile", "description")):
        said.append(polib.POEntry(msgctxt=context, msgid=key, msgstr="rouge"))
    said.save()
    for other in set(texts.glob("*.po")) - {texts / "fr.po", texts / "English (1).po"}:
        other.unlink()
    assert _list_bad(run_bot, model, tmp_path)["texts"] == [
        f"{texts}/English (1).po is in none of the bot's languages. Name it after one of them, such as en.po.",
        f"{texts}/fr.po has a text for the class with_mask, which the model does not have.",
        f"{texts}/fr.po has a text that no bot says: msgctxt bot, msgid strat. Is it misspelt?",
    ]


def _list_bad(run_bot: RunBot, model: Path, folder: Path) -> dict[str, list[str]]:
    """What is wrong, by what was looked at."""
    done = run_bot("doctor", MODEL_PATH=str(model), STATE_DIR=str(folder / "state"))
    bad = defaultdict[str, list[str]](list)
    for line in done.stdout.splitlines():
        if line.startswith("BAD  "):
            what, _, why = line.removeprefix("BAD  ").partition(": ")
            bad[what].append(why)
    return bad


def test_a_damaged_key_of_the_givers_is_told(run_bot: RunBot, color_model: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "labelgram-key").write_text("x" * 10)
    settings = {"MODEL_PATH": str(color_model), "TELEGRAM_API_SERVER": "http://127.0.0.1:1"}
    done = run_bot("doctor", STATE_DIR=str(tmp_path / "state"), DONATIONS_DIR=str(given), **settings)
    assert f"BAD  donations: labelgram-key in {given} is damaged: put it back from a copy" in done.stdout


@pytest.mark.parametrize(
    ("command", "folder"),
    [(("doctor",), "."), (("doctor",), "/"), ((), "./"), (("preview",), "."), (("classify", "-"), ".")],
)
def test_a_folder_without_a_name_is_no_model(run_bot: RunBot, command: tuple[str, ...], folder: str) -> None:
    done = run_bot(*command, BOT_TOKEN=TOKEN, MODEL_PATH=folder)
    told = f"bot: MODEL_PATH is {folder}, which is a folder. Name the ONNX file.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


def test_a_webhook_that_fails_is_told_in_telegrams_words(
    telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path
) -> None:
    url = "https://example.org/hook"
    telegram.queue.couriers.webhook = {"url": url, "last_error_message": "Connection refused", "last_error_date": 1}
    settings = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    done = run_bot("doctor", WEBHOOK_URL=url, STATE_DIR=str(tmp_path / "state"), **settings)
    assert done.returncode == 1
    assert "BAD  webhook: Telegram could not deliver: Connection refused" in done.stdout


def test_ports_are_tried_as_the_bot_would_listen(
    telegram: Telegram, run_bot: RunBot, color_model: Path, tmp_path: Path, free_port: int, free_port_too: int
) -> None:
    common = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    common |= {"WEBHOOK_URL": "https://example.org/hook", "HOST": "127.0.0.1", "STATE_DIR": str(tmp_path / "state")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_bot("doctor", **common, PORT=port, METRICS_PORT=str(free_port))
    assert done.returncode == 1
    assert f"BAD  port: cannot listen on port {port} of 127.0.0.1 (" in done.stdout
    assert "HOST and PORT choose another." in done.stdout
    assert f"ok   port: {free_port} of 127.0.0.1 is free" in done.stdout
    same = str(free_port_too)
    done = run_bot("doctor", **common, PORT=same, METRICS_PORT=same)
    assert done.returncode == 1
    assert f"BAD  port: cannot listen on port {same} of 127.0.0.1 (" in done.stdout
    assert "METRICS_HOST and METRICS_PORT choose another." in done.stdout


def test_a_port_of_the_running_bot_is_no_trouble(
    telegram: Telegram, start_bot: StartBot, run_bot: RunBot, color_model: Path, tmp_path: Path, free_port: int
) -> None:
    start_bot(METRICS_PORT=str(free_port))
    telegram.wait_until(lambda: accepts(free_port))
    common = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    done = run_bot("doctor", **common, STATE_DIR=str(tmp_path / "state"), METRICS_PORT=str(free_port))
    assert done.returncode == 0, done.stdout
    assert f"ok   port: a bot listens on port {free_port} of 127.0.0.1 already" in done.stdout
