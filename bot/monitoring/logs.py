"""Log lines on standard error, for people or for programs, without the token in them."""

from __future__ import annotations

import json
import logging
import math

from bot.redaction import hide_secrets

MINUTE = 60.0
SAME = 60
"""Characters of a line by which it is the same one."""
REMEMBERED = 1000
"""Different lines."""
BAD_REQUESTS = ("aiohttp.http_exceptions", "aiohttp.web_protocol")
"""Modules of the errors that mean a request's head and its body. Imported, they would cost memory while polling."""
BROKEN_OFF = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
REQUEST_TASK = "RequestHandler.start"
"""What asyncio calls the task in which aiohttp reads a connection's requests."""


def set_up_logging(level: str, form: str, secret: str | None) -> None:
    """Log from `level` on, as `text` or `json`; wherever `secret` would stand in a line or a traceback, `***` does.

    DEBUG is for the bot's own lines. Libraries log what they work on: Pillow each EXIF tag, with names and places.
    """
    handler = logging.StreamHandler()
    handler.addFilter(shorten_bad_request)
    handler.addFilter(OnceAMinute())
    handler.setFormatter(_Json(secret) if form == "json" else _Text(secret))
    logging.basicConfig(level="INFO" if level == "DEBUG" else level, handlers=[handler])
    logging.getLogger("bot").setLevel(level)
    if level == "INFO":
        logging.getLogger("aiogram.event").setLevel("WARNING")  # a second line for each update


def shorten_bad_request(record: logging.LogRecord) -> bool:
    """aiohttp shows a traceback for what strangers send that is not HTTP, though nothing is wrong here."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind and (why := _find_strangers_doing(record, kind)):
        record.exc_info, record.levelname = None, "WARNING"
        record.msg, record.args = f"{why}: {kind.__name__}", ()  # without an address: the next one is the same line
    return True


def _find_strangers_doing(record: logging.LogRecord, kind: type[BaseException]) -> str | None:
    if kind.__module__ in BAD_REQUESTS:
        return "a request that is not HTTP was refused"
    if record.name == "aiohttp.server" and issubclass(kind, BROKEN_OFF):  # Expect: 100-continue, and hung up
        return "a request was broken off"
    if record.name == "asyncio" and issubclass(kind, UnicodeError) and REQUEST_TASK in record.getMessage():
        return "a request with a wrong host was refused"
    return None


class OnceAMinute:
    """Drops what a library logs again within a minute: what strangers send must not fill the disk."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        """By logger and start of the line: when it was logged, and how often it was dropped since."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] in ("bot", "root"):
            return True
        key = record.name, record.getMessage().partition("\n")[0][:SAME]
        at, dropped = self._seen.get(key, (-math.inf, 0))
        if record.created - at < MINUTE:
            self._seen[key] = at, dropped + 1
            return False
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[key] = record.created, 0
        if dropped:
            record.msg, record.args = f"{record.getMessage()} (and {dropped} times more in the last minute)", ()
        return True


class _Text(logging.Formatter):
    def __init__(self, secret: str | None) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if stages := getattr(record, "stages", None):
            line += f" ({stages})"
        return hide_secrets(line.replace(self._secret, "***") if self._secret else line)


class _Json(_Text):
    """One object a line: `time`, `level`, `logger`, `message`, and where there are any `stages` (s) and `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        stages = getattr(record, "stages", None)
        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "stages": {stage: round(seconds, 4) for stage, seconds in stages.seconds.items()} if stages else None,
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        line = json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
        return hide_secrets(line.replace(self._secret, "***") if self._secret else line)
