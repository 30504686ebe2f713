"""The Bot API double, `tests.support.telegram`, under the name by which the bot's tests know it."""

from tests.support.telegram import CALL_FAULTS, DOWNLOAD_FAULTS, KINDS, TOKEN, WEBHOOK_FAULTS, Faults, Telegram

__all__ = ["CALL_FAULTS", "DOWNLOAD_FAULTS", "KINDS", "TOKEN", "WEBHOOK_FAULTS", "Faults", "Telegram"]
