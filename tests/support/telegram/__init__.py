"""A double of the Telegram Bot API over real HTTP, for tests."""

from tests.support.telegram.api import TOKEN, Telegram
from tests.support.telegram.faults import CALL_FAULTS, DOWNLOAD_FAULTS, KINDS, WEBHOOK_FAULTS, Faults, slow_downloads

__all__ = ["CALL_FAULTS", "DOWNLOAD_FAULTS", "KINDS", "TOKEN", "WEBHOOK_FAULTS", "Faults", "Telegram", "slow_downloads"]
