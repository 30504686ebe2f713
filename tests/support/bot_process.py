"""Fixtures of the bot's tests: the real process, the Bot API double, a small model."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.bot_api import TOKEN, Telegram
from tests.support.models import write_color_model

BOT_PYTHON = os.environ.get("LABELGRAM_BOT_PYTHON", sys.executable)
"""The interpreter that runs the bot: `make test` gives one that has requirements-bot.txt and nothing else."""

RunBot = Callable[..., subprocess.CompletedProcess[str]]
StartBot = Callable[..., "subprocess.Popen[str]"]


class Pages(SimpleHTTPRequestHandler):
    """A folder's files, without a line for each."""

    def log_message(self, *args: object) -> None:
        """Nothing."""


OWN = (
    *("BOT_TOKEN", "MODEL_PATH", "TELEGRAM_API_SERVER", "WEBHOOK_URL", "WEBHOOK_SECRET", "HOST", "PORT", "REDIS_URL"),
    *("THREADS", "MAX_IN_FLIGHT", "SHUTDOWN_SECONDS", "STATE_DIR", "LOG_LEVEL", "LOG_FORMAT", "METRICS_PORT"),
    *("AIOGRAM_IMPORT", "OWNER_IDS", "DONATIONS_DIR", "CHANNEL_POSTS"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
)


def environment(**variables: str) -> dict[str, str]:
    """The test's environment without the bot's own variables, and with these."""
    own = (*OWN, "ORT_DISABLE_TELEMETRY")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return kept | {"PYTHONWARNINGS": "error"} | variables


@pytest.fixture(scope="session")
def color_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_model(tmp_path_factory.mktemp("model") / "colors.onnx")


@pytest.fixture
def telegram() -> Iterator[Telegram]:
    telegram = Telegram()
    yield telegram
    telegram.close()


@pytest.fixture
def run_bot() -> RunBot:
    """Run a command of the bot to its end: `run_bot("classify", "x.jpg", MODEL_PATH="m.onnx")`."""

    def run(*arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [BOT_PYTHON, "-m", "bot", *arguments],
            cwd=ROOT,
            env=environment(**variables),
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def start_bot(telegram: Telegram, color_model: Path, tmp_path: Path) -> Iterator[StartBot]:
    """Start the bot against the double; it is ended by SIGTERM, and its log (`tmp_path/bot.log`) is checked."""
    started: list[subprocess.Popen[str]] = []
    log = tmp_path / "bot.log"

    def start(*prefix: str, **variables: str) -> subprocess.Popen[str]:
        defaults = {
            "BOT_TOKEN": TOKEN,
            "MODEL_PATH": str(color_model),
            "TELEGRAM_API_SERVER": telegram.url,
            "STATE_DIR": str(tmp_path / "state"),
        }
        with log.open("a") as stderr:
            process = subprocess.Popen(
                [*prefix, BOT_PYTHON, "-m", "bot"],
                cwd=ROOT,
                env=environment(**defaults | variables),
                stderr=stderr,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, log.read_text()
    if log.exists():
        assert TOKEN not in log.read_text()


def find_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    return find_port()


@pytest.fixture
def free_port_too() -> int:
    return find_port()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of the test's own, empty."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed (Debian's package redis-server)")
    path = tmp_path / "redis.sock"
    process = subprocess.Popen([server, "--port", "0", "--unixsocket", path, "--save", "", "--dir", tmp_path])
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, "Redis did not start"
        time.sleep(0.02)
    yield f"unix://{path}"
    process.terminate()
    process.wait(10)
