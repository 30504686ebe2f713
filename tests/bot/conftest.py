"""Fixtures of the bot's tests: the real process, the Bot API double, a small model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bot.models import write_color_model
from tests.bot.telegram import TOKEN, Telegram
from tests.conftest import ROOT

BOT_PYTHON = os.environ.get("LABELGRAM_BOT_PYTHON", sys.executable)
"""The interpreter that runs the bot: `make test` gives one that has requirements-bot.txt and nothing else."""

RunBot = Callable[..., subprocess.CompletedProcess[str]]
StartBot = Callable[..., "subprocess.Popen[str]"]


def environment(**variables: str) -> dict[str, str]:
    """The test's environment without the bot's own variables, and with these."""
    own = (
        "BOT_TOKEN",
        "MODEL_PATH",
        "TELEGRAM_API_SERVER",
        "THREADS",
        "LOG_LEVEL",
        "WEBHOOK_URL",
        "REDIS_URL",
        "ORT_DISABLE_TELEMETRY",
    )
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

    def start(**variables: str) -> subprocess.Popen[str]:
        defaults = {"BOT_TOKEN": TOKEN, "MODEL_PATH": str(color_model), "TELEGRAM_API_SERVER": telegram.url}
        with log.open("a") as stderr:
            process = subprocess.Popen(
                [BOT_PYTHON, "-m", "bot"], cwd=ROOT, env=environment(**defaults | variables), stderr=stderr, text=True
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
