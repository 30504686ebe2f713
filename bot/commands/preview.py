"""`python -m bot preview`: the bot in a page of the browser, without a token."""

from __future__ import annotations

import argparse
import asyncio
import secrets

from bot.commands import loading
from bot.monitoring.logs import set_up_logging
from bot.settings.settings import Settings


def preview(options: argparse.Namespace, settings: Settings) -> int:
    """Returns the exit status when the preview has been stopped. Raises SettingsError, ModelError, TextsError."""
    set_up_logging(settings.log_level, settings.log_format, secret=settings.token)
    classifier = loading.load(settings)

    from bot.donations.backends import open_store
    from bot.donations.donations import Donations
    from bot.monitoring.metrics import Metrics
    from bot.preview.server import serve
    from bot.storage.memory import MemoryKeyValues
    from bot.storage.pseudonyms import Pseudonymiser
    from bot.telegram.dispatcher import Parts
    from bot.texts.replies import Replies

    key_values, pseudonymise = MemoryKeyValues(), Pseudonymiser(secrets.token_hex())
    donations = Donations(open_store(settings.donations), key_values, pseudonymise)
    parts = Parts(classifier, Replies(settings.replies_dir), Metrics(), key_values, donations, pseudonymise)
    asyncio.run(serve(parts, settings, options.port, open_browser=options.open))
    return 0
