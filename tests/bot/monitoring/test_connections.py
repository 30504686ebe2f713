"""Strangers at the bot's ports: real sockets that say nothing, too little or nonsense, and the bot goes on."""

from __future__ import annotations

import logging
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest

from bot.monitoring.logs import OnceAMinute
from tests.support.bot_process import StartBot, listen_on
from tests.support.paths import ROOT
from tests.support.photos import draw
from tests.support.telegram import Telegram

LIMITED = ("sh", "-c", 'ulimit -n 512; exec "$@"', "sh")
"""A process that may have 512 files open."""


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """For the test's own sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ask(port: int, path: str = "/healthz") -> str:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        text: bytes = answer.read()
    return text.decode()


@pytest.mark.parametrize("said", [b"", b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET / HTTP/1.1\r\n\r\n"])
def test_1100_connections_that_say_little_stop_nothing(
    said: bytes, telegram: Telegram, start_bot: StartBot, tmp_path: Path, free_port: int, free_port_too: int
) -> None:
    hook = listen_on(free_port)
    start_bot(*LIMITED, METRICS_PORT=str(free_port_too), **hook)
    telegram.wait_until(lambda: telegram.webhook is not None)
    with ExitStack() as stack:
        for port in (free_port, free_port_too):
            for _ in range(1100):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
                connection.sendall(said)
            assert ask(port) == "alive\n"
        message = telegram.send_photo(draw("red"))
        telegram.wait_until(lambda: message in telegram.answers(), seconds=60)
    assert len((tmp_path / "bot.log").read_text()) < 20_000


def test_what_is_not_http_is_refused_and_takes_one_line_of_the_log(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, free_port: int
) -> None:
    start_bot(METRICS_PORT=str(free_port))
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    for said in (b"\x16\x03\x01garbage\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n") * 5:
        with socket.create_connection(("127.0.0.1", free_port), timeout=60) as stranger:
            stranger.sendall(said)
            assert b" 400 " in stranger.recv(1000)
    telegram.wait_until(lambda: "not HTTP" in (tmp_path / "bot.log").read_text())
    log = (tmp_path / "bot.log").read_text()
    assert "Traceback" not in log
    assert log.count("not HTTP") == 1


def test_who_says_nothing_is_hung_up_on(telegram: Telegram, start_bot: StartBot, free_port: int) -> None:
    start_bot(METRICS_PORT=str(free_port))
    telegram.wait_until(lambda: any(method == "getUpdates" for method, _ in telegram.calls))
    with socket.create_connection(("127.0.0.1", free_port), timeout=60) as silent:
        start = time.monotonic()
        silent.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(100):
            time.sleep(0.5)
            try:
                silent.sendall(b"X: y\r\n")  # a byte now and then is no reason to go on waiting
            except OSError:
                break
        assert 5 < time.monotonic() - start < 45


def test_metrics_are_for_this_machine_unless_a_setting_says_otherwise(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path, free_port: int, free_port_too: int
) -> None:
    def listening() -> str:
        return "".join(Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6"))

    start_bot(METRICS_PORT=str(free_port))
    telegram.wait_until(lambda: f"0100007F:{free_port:04X}" in listening())
    assert f"00000000:{free_port:04X}" not in listening()
    start_bot(METRICS_PORT=str(free_port_too), METRICS_HOST="0.0.0.0", STATE_DIR=str(tmp_path / "another"))
    telegram.wait_until(lambda: f"00000000:{free_port_too:04X} 00000000:0000 0A" in listening())


def probe(**variables: str) -> int:
    script = ROOT / "bot" / "monitoring" / "probe.py"
    return subprocess.run([sys.executable, script], env=variables, capture_output=True, check=False).returncode


def test_the_images_health_check(telegram: Telegram, start_bot: StartBot, free_port: int, free_port_too: int) -> None:
    start_bot(METRICS_PORT=str(free_port), METRICS_HOST="0.0.0.0")
    telegram.wait_until(lambda: probe(METRICS_PORT=str(free_port), METRICS_HOST="0.0.0.0") == 0)
    assert probe(METRICS_PORT=str(free_port)) == 0
    assert probe(METRICS_PORT=str(free_port_too)) == 1
    assert probe(METRICS_PORT="") == 0
    assert probe() == 0


def test_what_a_library_repeats_is_logged_once_a_minute() -> None:
    once, lines = OnceAMinute(), []
    for second in range(0, 130, 10):
        for name in ("asyncio", "bot.app"):
            record = logging.LogRecord(name, logging.ERROR, "", 0, "no more files\nfile %d", (second,), None)
            record.created = float(second)
            if once.filter(record):
                lines.append((name, record.getMessage().partition("(and")[2]))
    assert [line for line in lines if line[0] == "asyncio"] == [
        ("asyncio", ""),
        ("asyncio", " 5 times more in the last minute)"),
        ("asyncio", " 5 times more in the last minute)"),
    ]
    assert len([line for line in lines if line[0] == "bot.app"]) == 13
