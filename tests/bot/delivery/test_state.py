"""Where the state cannot be kept for a time, or is gone, no photo is: the real process, its disk and its Redis."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from redis import Redis

from tests.support.bot_process import RunBot, StartBot, listen_on
from tests.support.chat import press_button, text
from tests.support.photos import COLORS, draw
from tests.support.telegram import TOKEN, Telegram, slow_downloads


@contextmanager
def fill_disk(process: subprocess.Popen[str], state: Path) -> Iterator[None]:
    """Every byte that the process wants to write is one too many."""
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, most))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def lock_database(process: subprocess.Popen[str], state: Path, name: str = "ledger") -> Iterator[None]:
    """A backup program, or somebody's sqlite3, is at it."""
    with closing(sqlite3.connect(state / f"{name}.sqlite", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def wreck_folder(process: subprocess.Popen[str], state: Path) -> Iterator[None]:
    """A memory card dies: its files are noise, and nothing can be made in the folder."""
    for file in state.glob("*.sqlite*"):
        with file.open("r+b") as content:
            content.write(b"noise" * (file.stat().st_size // 5))
    state.rename(state.with_name("gone"))
    state.touch()
    yield
    state.unlink()
    state.with_name("gone").rename(state)


@pytest.mark.skipif(sys.platform != "linux", reason="a running process's limits can be changed on Linux alone")
@pytest.mark.parametrize("trouble", [fill_disk, lock_database, wreck_folder])
def test_what_comes_while_the_state_cannot_be_written_is_answered_afterwards(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, free_port: int, trouble: object
) -> None:
    process = start_bot(METRICS_PORT=str(free_port))
    first = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: first in telegram.answers() and telegram.unconfirmed == 0)
    assert ask(free_port, "/readyz") == "ready\n"
    with trouble(process, tmp_path / "state"):  # type: ignore[operator]
        sent = {telegram.send_photo(draw(color)): color for color in (*COLORS, *COLORS, *COLORS)}
        telegram.wait_until(lambda: ask(free_port, "/readyz") == "the bot's state cannot be reached\n")
        assert telegram.answers().keys() == {first}
    telegram.wait_until(lambda: telegram.answers().keys() == {first, *sent})
    assert all(telegram.answers()[message].startswith(f"I see: {color}.") for message, color in sent.items())
    assert set(telegram.replies.values()) == {1}
    telegram.wait_until(lambda: ask(free_port, "/readyz") == "ready\n")
    assert process.poll() is None


def test_a_stranger_is_turned_away_once_though_that_cannot_be_noted(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    process = start_bot(ALLOWED_IDS="1")
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    with lock_database(process, tmp_path / "state", "notes"):
        telegram.send_text("hello", user=3001)
        telegram.wait_until(lambda: telegram.unconfirmed == 0 or len(telegram.texts()) > 1)
    assert telegram.texts() == [text("bot", "not-allowed").format(number=3001)]


def test_an_answer_is_explained_once_though_that_cannot_be_noted(
    telegram: Telegram, start_bot: StartBot, explaining_model: Path, tmp_path: Path
) -> None:
    process = start_bot(MODEL_PATH=str(explaining_model))
    photo = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: photo in telegram.answers() and telegram.unconfirmed == 0)
    with lock_database(process, tmp_path / "state", "notes"):
        press_button(telegram, photo, "why")
        telegram.wait_until(lambda: telegram.unconfirmed == 0 or len(telegram.sent) > 2)
    assert len(telegram.sent) == 2  # the answer, and its explanation


def test_notes_that_have_outlived_their_time_are_deleted_while_the_bot_runs(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    start_bot(module="tests.support.hasty")
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    with closing(sqlite3.connect(tmp_path / "state" / "notes.sqlite", isolation_level=None)) as database:
        find = "SELECT count(*) FROM notes WHERE name = 'album:a'"
        for _ in range(2):
            database.execute("INSERT INTO notes (name, value, until) VALUES ('album:a', 'short', 1)")
            telegram.wait_until(lambda: database.execute(find).fetchone() == (0,))


def test_a_start_waits_for_a_locked_database(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    process = start_bot()
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    message = telegram.send_photo(draw("red"))
    with lock_database(process, tmp_path / "state"):
        process = start_bot()
        telegram.wait_until(lambda: "the bot waits until its state can be kept" in (tmp_path / "bot.log").read_text())
        assert process.poll() is None
    telegram.wait_until(lambda: message in telegram.answers())


@pytest.mark.parametrize("way", ["polling", "webhook"])
def test_a_process_that_waits_for_its_state_says_that_it_is_alive_and_not_ready(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, free_port: int, free_port_too: int, way: str
) -> None:
    """A host that asks would end it, and start it again, for as long as the process before is there."""
    first = start_bot(METRICS_PORT=str(free_port_too))
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    hook = listen_on(free_port)
    own = hook if way == "webhook" else {"METRICS_PORT": str(free_port)}
    second = start_bot(**{"METRICS_PORT": str(free_port_too)} | own)  # a port of the first is no trouble yet
    telegram.wait_until(lambda: ask(free_port, "/readyz") == "another process of the bot has its state\n")
    assert ask(free_port, "/healthz") == "alive\n"
    with lock_database(first, tmp_path / "state"):
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
        telegram.wait_until(lambda: ask(free_port, "/readyz") == "the bot's state cannot be kept\n")
        assert ask(free_port, "/healthz") == "alive\n"
    telegram.wait_until(lambda: ask(free_port, "/readyz") == "ready\n")
    message = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: message in telegram.answers())
    assert second.poll() is None


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("ledger", "ALTER TABLE updates RENAME COLUMN at TO moment", "table updates has no column named at"),
        ("notes", "ALTER TABLE notes RENAME COLUMN until TO ends", "no such column: until"),
        ("notes", "PRAGMA user_version = 7", "its tables have the number 7, this one knows 0"),
    ],
)
def test_a_state_of_another_version_stops_the_start_and_stays_as_it_is(
    telegram: Telegram,
    start_bot: StartBot,
    run_bot: RunBot,
    color_model: Path,
    tmp_path: Path,
    name: str,
    change: str,
    why: str,
) -> None:
    process = start_bot()
    message = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: message in telegram.answers())
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    state = tmp_path / "state"
    with closing(sqlite3.connect(state / f"{name}.sqlite", isolation_level=None)) as database:
        database.execute(change)
    settings = {"MODEL_PATH": str(color_model), "TELEGRAM_API_SERVER": telegram.url, "STATE_DIR": str(state)}
    done = run_bot(BOT_TOKEN=TOKEN, **settings)
    told = f"bot: {state}/{name}.sqlite is of another version of Labelgram ({why}). Start that version,"
    assert done.returncode == 2
    assert done.stderr.startswith(told)
    assert not list(state.glob("*.damaged-*"))


@pytest.mark.parametrize("bot_python", [os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable)])
@pytest.mark.parametrize("option", ["nonsense=1", "db=one", "socket_timeout=long"])
def test_an_option_of_redis_that_its_client_does_not_know_stops_the_start(
    run_bot: RunBot, color_model: Path, option: str
) -> None:
    done = run_bot(BOT_TOKEN=TOKEN, MODEL_PATH=str(color_model), REDIS_URL=f"redis://127.0.0.1:1/?{option}")
    assert (done.returncode, done.stderr) == (2, "bot: REDIS_URL is not an address of Redis: ValueError.\n")


@pytest.mark.parametrize("bot_python", [os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable)])
def test_a_redis_that_forgets_everything_in_mid_work_stops_nothing(
    telegram: Telegram, start_bot: StartBot, redis_url: str
) -> None:
    telegram.faults = slow_downloads(0.3)
    sent = {telegram.send_photo(draw(color), user=user): color for user in range(1, 9) for color in COLORS}
    start_bot(REDIS_URL=redis_url)
    with closing(Redis.from_url(redis_url)) as redis:
        for share in range(1, 5):
            telegram.wait_until(lambda share=share: len(telegram.answers()) >= share * len(sent) // 5)  # type: ignore[misc]
            redis.flushall()
    telegram.wait_until(lambda: telegram.answers().keys() == sent.keys())
    assert all(telegram.answers()[message].startswith(f"I see: {color}.") for message, color in sent.items())
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert set(telegram.replies.values()) == {1}


def test_two_bots_in_one_folder_do_not_mix_their_counts(
    telegram: Telegram, start_bot: StartBot, free_port: int, free_port_too: int
) -> None:
    other = Telegram("654321:another-token-that-is-never-logged")
    try:
        bots = [(telegram, free_port, 2), (other, free_port_too, 3)]
        for bot, port, photos in bots:
            start_bot(BOT_TOKEN=bot.token, TELEGRAM_API_SERVER=bot.url, OWNER_IDS="99", METRICS_PORT=str(port))
            for _ in range(photos):
                bot.send_photo(draw("red"))
        for bot, port, photos in bots:
            counted = f'labelgram_answers_total{{outcome="named"}} {photos}.0'
            bot.wait_until(lambda port=port, counted=counted: counted in ask(port, "/metrics"))  # type: ignore[misc]
        for bot, _, photos in bots:
            bot.send_text("/stats", user=99)
            bot.wait_until(lambda bot=bot, photos=photos: len(bot.texts()) == photos + 1)  # type: ignore[misc]
            assert f"Photos answered: {photos}\n" in bot.texts()[-1]
    finally:
        other.close()


def ask(port: int, path: str) -> str:
    """What the bot says of its health: also why it is not ready. Nothing where it does not listen yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        with error:
            return error.read().decode()
    except OSError:
        return ""
