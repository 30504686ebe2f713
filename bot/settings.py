"""The bot's settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

UNSUPPORTED = ("WEBHOOK_URL", "REDIS_URL")
"""Variables for a webhook and for many replicas; this version polls, in one process."""


class SettingsError(Exception):
    """A setting is missing or unusable; the message says which and what to do."""


@dataclass(frozen=True)
class Settings:
    token: str | None = field(repr=False)
    """From BotFather; None where the environment has none."""
    model: Path
    api_server: str | None
    """Base address of a Bot API server; None: Telegram's own."""
    threads: int
    """Threads that one photo's inference runs on."""
    max_in_flight: int
    """Updates in work at a time."""
    log_level: str
    unsupported: tuple[str, ...]
    """Which of UNSUPPORTED are set: the commands do without them, the bot on Telegram cannot."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; an empty variable counts as none. Raises SettingsError naming the variable."""
        values = {name: value.strip() for name, value in environment.items() if value.strip()}
        level = values.get("LOG_LEVEL", "INFO").upper()
        if level not in LOG_LEVELS:
            raise SettingsError(f"LOG_LEVEL is {level}, it takes one of {', '.join(LOG_LEVELS)}.")
        server = values.get("TELEGRAM_API_SERVER")
        if server is not None and not server.startswith(("http://", "https://")):
            raise SettingsError("TELEGRAM_API_SERVER is not an address that starts with http:// or https://.")
        return cls(
            token=values.get("BOT_TOKEN"),
            model=Path(values.get("MODEL_PATH", "artifacts/mask.onnx")),
            api_server=server,
            threads=_count(values, "THREADS", default=_cores()),
            max_in_flight=_count(values, "MAX_IN_FLIGHT", default=16),
            log_level=level,
            unsupported=tuple(name for name in UNSUPPORTED if name in values),
        )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _count(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{name} is {text!r}, it takes a whole number from 1 on.")
    return int(text)
