"""A Redis that is there and refuses: what is wrong and what to do is told, and the start ends where waiting is vain."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from tests.support.bot_process import RunBot, StartBot
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Telegram

pytestmark = pytest.mark.parametrize("bot_python", [os.environ.get("LABELGRAM_REDIS_PYTHON", sys.executable)])


def want_password(redis: Redis) -> None:
    redis.config_set("requirepass", "another")


def allow_little(redis: Redis) -> None:
    redis.acl_setuser("default", enabled=True, reset_keys=True, keys=["other:*"])


def leave_as_it_is(redis: Redis) -> None:
    """Nothing."""


@pytest.mark.parametrize(
    ("prepare", "options", "told"),
    [
        (want_password, "?password=wrong", "Redis does not take this password, or wants one."),
        (want_password, "", "Redis does not take this password, or wants one."),
        (leave_as_it_is, "?password=needless", "Redis does not take this password, or wants one."),
        (leave_as_it_is, "?db=99", "Redis has no such database."),
        (allow_little, "", "Redis does not let this user read and write keys labelgram:*"),
    ],
)
def test_what_waiting_does_not_change_ends_the_start(
    telegram: Telegram,
    run_bot: RunBot,
    color_model: Path,
    redis_url: str,
    prepare: Callable[[Redis], None],
    options: str,
    told: str,
) -> None:
    with closing(Redis.from_url(redis_url)) as redis:
        prepare(redis)
    settings = {"BOT_TOKEN": TOKEN, "MODEL_PATH": str(color_model), "TELEGRAM_API_SERVER": telegram.url}
    done = run_bot(**settings, REDIS_URL=redis_url + options)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"bot: {told}")
    done = run_bot("doctor", **settings, REDIS_URL=redis_url + options)
    assert done.returncode == 1
    assert f"BAD  state: {told}" in done.stdout


def be_full(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)


def be_replica(redis: Redis) -> None:
    redis.replicaof("127.0.0.1", 1)


def be_well(redis: Redis) -> None:
    redis.config_set("maxmemory", 0)
    redis.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("prepare", "told"),
    [(be_full, "Redis has no memory left."), (be_replica, "Redis takes no writes, since it is a replica.")],
)
def test_what_passes_is_named_and_waited_for(
    telegram: Telegram,
    run_bot: RunBot,
    start_bot: StartBot,
    color_model: Path,
    tmp_path: Path,
    redis_url: str,
    prepare: Callable[[Redis], None],
    told: str,
) -> None:
    with closing(Redis.from_url(redis_url)) as redis:
        prepare(redis)
        settings = {"BOT_TOKEN": TOKEN, "MODEL_PATH": str(color_model), "TELEGRAM_API_SERVER": telegram.url}
        assert f"BAD  state: {told}" in run_bot("doctor", **settings, REDIS_URL=redis_url).stdout
        process = start_bot(REDIS_URL=redis_url)
        photo = telegram.send_photo(draw("red"))
        telegram.wait_until(lambda: f"an update has to wait: {told}" in (tmp_path / "bot.log").read_text())
        assert process.poll() is None
        be_well(redis)
        telegram.wait_until(lambda: photo in telegram.answers())


def test_a_running_bot_waits_for_its_password_too(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, redis_url: str
) -> None:
    start_bot(REDIS_URL=redis_url)
    first = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: first in telegram.answers() and telegram.unconfirmed == 0)
    with closing(Redis.from_url(redis_url)) as redis:
        want_password(redis)
        redis.client_kill_filter(_type="normal", skipme=True)
        second = telegram.send_photo(draw("blue"))
        told = "an update has to wait: Redis does not take this password, or wants one."
        telegram.wait_until(lambda: told in (tmp_path / "bot.log").read_text())
        redis.config_set("requirepass", "")
    telegram.wait_until(lambda: second in telegram.answers())


@pytest.mark.parametrize("path", ["/x", "/0/1", "/-1", "/0x"])
def test_a_database_that_is_no_number_is_a_wrong_setting(run_bot: RunBot, path: str) -> None:
    done = run_bot(BOT_TOKEN=TOKEN, REDIS_URL=f"redis://127.0.0.1:1{path}")
    told = "bot: REDIS_URL ends with the number of a database, as in redis://host:6379/0.\n"
    assert (done.returncode, done.stderr) == (2, told)
