"""Fixtures of all tests: the bot's process, the double of the Bot API, a small model, a small training run."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON, RunBot, StartBot, environment
from tests.support.datasets import draw_photo, draw_photos
from tests.support.models import write_color_model
from tests.support.network.sockets import find_port, wait_for_server
from tests.support.paths import ROOT
from tests.support.telegram import TOKEN, Telegram
from tests.support.training_runs import TRAIN
from tests.support.warm import run as run_command


def pytest_configure() -> None:
    """Where the tests run in the background of a shell, they and what they start ignore Ctrl-C: not any more."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def color_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_model(tmp_path_factory.mktemp("model") / "colors.onnx")


@pytest.fixture(scope="session")
def explaining_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_color_model(tmp_path_factory.mktemp("model") / "colors.onnx", explains=True)


@pytest.fixture
def telegram() -> Iterator[Telegram]:
    telegram = Telegram()
    yield telegram
    telegram.close()


@pytest.fixture
def bot_python() -> str:
    """The interpreter of `run_bot` and `start_bot`; a test parametrizes it to have another."""
    return BOT_PYTHON


@pytest.fixture
def run_bot(bot_python: str) -> RunBot:
    """Run a command of the bot to its end: `run_bot("classify", "x.jpg", MODEL_PATH="m.onnx")`."""

    def run(*arguments: str, stdin: bytes = b"", **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [bot_python, "-m", "bot", *arguments],
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
def start_bot(telegram: Telegram, color_model: Path, tmp_path: Path, bot_python: str) -> Iterator[StartBot]:
    """Start the bot against the double; it is ended by SIGTERM, and its log (`tmp_path/bot.log`) is checked."""
    started: list[subprocess.Popen[str]] = []
    log = tmp_path / "bot.log"

    def start(*prefix: str, module: str = "bot", **variables: str) -> subprocess.Popen[str]:
        defaults = {
            "BOT_TOKEN": TOKEN,
            "MODEL_PATH": str(color_model),
            "TELEGRAM_API_SERVER": telegram.url,
            "STATE_DIR": str(tmp_path / "state"),
        }
        with log.open("a") as stderr:
            process = subprocess.Popen(
                [*prefix, bot_python, "-m", module],
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
            assert process.wait(60) == 0, log.read_text()
    if log.exists():
        assert TOKEN not in log.read_text()


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
    wait_for_server(path)
    yield f"unix://{path}"
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one training run: `photos/`, `toy.pkl`, `toy-report/` and what the command printed, `output`."""
    folder = tmp_path_factory.mktemp("trained")
    photos = draw_photos(folder / "photos")
    (photos / "red" / "note.jpg").write_text("this is no photo")
    draw_photo((1, 1, 1), 1).save(photos / "loose.jpg")
    done = run_command("training", "--data", str(photos), "--out", str(folder / "toy"), *TRAIN)
    assert done.returncode == 0, done.stderr
    (folder / "output").write_text(done.stdout)
    return folder
