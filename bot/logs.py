"""Log lines on standard error, without the token in them."""

from __future__ import annotations

import logging


def set_up_logging(level: str, secret: str | None) -> None:
    """Log from `level` on; wherever `secret` would stand in a line or a traceback, `***` does."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Scrubber(secret))
    logging.basicConfig(level=level, handlers=[handler])


class _Scrubber(logging.Formatter):
    def __init__(self, secret: str | None) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return line.replace(self._secret, "***") if self._secret else line
