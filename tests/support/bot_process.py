"""The bot's process: its interpreter and its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

BOT_PYTHON = os.environ.get("LABELGRAM_BOT_PYTHON", sys.executable)
"""The interpreter that runs the bot: `make test` gives one that has requirements-bot.txt and nothing else."""

RunBot = Callable[..., subprocess.CompletedProcess[str]]
StartBot = Callable[..., "subprocess.Popen[str]"]

SETTINGS = (
    *("BOT_TOKEN", "MODEL_PATH", "TELEGRAM_API_SERVER", "WEBHOOK_URL", "WEBHOOK_SECRET", "HOST", "PORT", "REDIS_URL"),
    *(
        "THREADS",
        "MAX_IN_FLIGHT",
        "SHUTDOWN_SECONDS",
        "STATE_DIR",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "METRICS_PORT",
        "METRICS_HOST",
    ),
    *("AIOGRAM_IMPORT", "OWNER_IDS", "ALLOWED_IDS", "DONATIONS_DIR", "CHANNEL_POSTS", "TELEGRAM_PROXY"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "ORT_DISABLE_TELEMETRY"),
)
"""What the bot reads of its environment."""


MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
"""Of the `make test` around the tests: a make in one of them would look for its helpers."""


def environment(**variables: str) -> dict[str, str]:
    """The test's environment without the bot's settings, and with these."""
    others = {name: value for name, value in os.environ.items() if name not in (*SETTINGS, *MAKE)}
    return others | {"PYTHONWARNINGS": "error", "LABELGRAM_ENV_FILE": os.devnull} | variables


def listen_on(port: int) -> dict[str, str]:
    """The settings of a bot that gets its updates by webhook, on this machine."""
    return {"WEBHOOK_URL": f"http://127.0.0.1:{port}/hook", "HOST": "127.0.0.1", "PORT": str(port)}


def kill(process: subprocess.Popen[str]) -> None:
    """As kill -9 does, and until it is over."""
    process.kill()
    process.wait()
