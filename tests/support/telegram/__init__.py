"""A double of the Telegram Bot API over real HTTP, for tests."""

from tests.support.telegram.api import TOKEN, Telegram
from tests.support.telegram.faults import CALL_FAULTS, DOWNLOAD_FAULTS, KINDS, WEBHOOK_FAULTS, Faults, slow_downloads
from tests.support.telegram.refusals import DOWNLOAD, Refusal, ReplyToDeleted, refuse_with

__all__ = [
    "CALL_FAULTS",
    "DOWNLOAD",
    "DOWNLOAD_FAULTS",
    "KINDS",
    "TOKEN",
    "WEBHOOK_FAULTS",
    "Faults",
    "Refusal",
    "ReplyToDeleted",
    "Telegram",
    "refuse_with",
    "slow_downloads",
]
