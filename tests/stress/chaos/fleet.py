"""The bot in each of its modes: its processes, and what stands before and behind them."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.stress.chaos.processes import Process
from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.network.sockets import accepts, find_port
from tests.support.telegram import TOKEN, Telegram

MODES = {
    "reference": "aiogram's default polling",
    "polling": "polling",
    "webhook": "webhook",
    "replicas": "three replicas",
}
REDIS_PYTHON = os.environ.get("LABELGRAM_REDIS_PYTHON", BOT_PYTHON)
"""The interpreter that runs replicas: it has requirements-redis.txt as well."""
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin"
HAPROXY = """
global
    maxconn 500
defaults
    mode http
    timeout connect 1s
    timeout check 5s
    timeout client 70s
    timeout server 70s
    timeout queue 5s
    retries 3
    option redispatch 1
frontend telegram
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance leastconn
    option httpchk GET /readyz
    default-server check inter 500ms fall 1 rise 1 on-marked-down shutdown-sessions
"""


def find_missing(mode: str) -> str | None:
    """What a mode needs and this machine has not; None: it can run."""
    if mode != "replicas":
        return None
    programs = [name for name in ("redis-server", "haproxy") if not shutil.which(name, path=PATH)]
    if programs:
        return f"{' and '.join(programs)} (apt-get install --no-install-recommends {' '.join(programs)})"
    if subprocess.run([REDIS_PYTHON, "-c", "import redis"], capture_output=True, check=False).returncode:
        return "the package redis (requirements-redis.txt) in the interpreter that LABELGRAM_REDIS_PYTHON names"
    return None


@contextmanager
def start_fleet(mode: str, telegram: Telegram, model: Path, folder: Path) -> Iterator[list[Process]]:
    """The bot's processes, for killing; state and logs are in `folder`. All are killed in the end."""
    settings = {
        "BOT_TOKEN": TOKEN,
        "MODEL_PATH": str(model.resolve()),
        "TELEGRAM_API_SERVER": telegram.url,
        "STATE_DIR": str(folder / "state"),
        "HOST": "127.0.0.1",
        "THREADS": "1",
        "MAX_IN_FLIGHT": "100",  # where half of all calls fail most of the work is waiting
        "LOG_LEVEL": "WARNING",
    }
    with ExitStack() as stack:

        def start(command: list[str], serves: Callable[[float], bool], log: str, **settings: str) -> Process:
            process = Process(command, environment(**settings), folder / f"{log}.log", serves)
            stack.callback(process.end)
            return process

        def start_listening(python: str, port: int) -> Process:
            own = settings | {"PORT": str(port)}
            return start([python, "-m", "bot"], lambda _: _is_alive(port), f"bot-{port}", **own)

        if mode in ("reference", "polling"):
            module = "tests.stress.chaos.reference" if mode == "reference" else "bot"
            has_polled: Callable[[float], bool] = lambda started_at: telegram.queue.polled_at > started_at  # noqa: E731
            yield [start([BOT_PYTHON, "-m", module], has_polled, "bot", **settings)]
        elif mode == "webhook":
            port = find_port()
            settings["WEBHOOK_URL"] = f"http://127.0.0.1:{port}/telegram"
            yield [start_listening(BOT_PYTHON, port)]
        else:
            redis, proxy, *replicas = (find_port() for _ in range(5))
            start(_redis(redis, folder), lambda _: accepts(redis), "redis").wait_until_up()
            start(_haproxy(proxy, replicas, folder), lambda _: accepts(proxy), "haproxy").wait_until_up()
            settings |= {
                "WEBHOOK_URL": f"http://127.0.0.1:{proxy}/telegram",
                "REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            }
            yield [start_listening(REDIS_PYTHON, port) for port in replicas]


def _redis(port: int, folder: Path) -> list[str]:
    where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    return [_find("redis-server"), *where, "--save", "", "--appendonly", "no"]


def _haproxy(port: int, replicas: list[int], folder: Path) -> list[str]:
    servers = [f"    server replica-{replica} 127.0.0.1:{replica}\n" for replica in replicas]
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(port=port) + "".join(servers))
    return [_find("haproxy"), "-db", "-f", str(file)]


def _find(program: str) -> str:
    path = shutil.which(program, path=PATH)
    assert path, f"{program} is not installed"
    return path


def _is_alive(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
