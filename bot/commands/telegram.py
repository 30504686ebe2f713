"""`python -m bot`: the bot on Telegram."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial

from bot.commands import loading
from bot.monitoring.logs import set_up_logging
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.startup.signals import end_after

GRACE = 0.5
"""Seconds above SHUTDOWN_SECONDS after which the process is ended that has not ended by itself."""


def answer_on_telegram(options: argparse.Namespace, settings: Settings) -> int:
    """Returns the exit status when the bot has been stopped. Raises SettingsError, ModelError, TextsError."""
    if settings.token is None:
        name = next((name for name, ours in settings.misspelt.items() if ours == "BOT_TOKEN"), None)
        raise SettingsError(
            f"BOT_TOKEN is not set{f', but {name} is' if name else ''}. "
            "Get a token from @BotFather on Telegram (/newbot); "
            "without one, the command `preview --open` shows the bot in a browser."
        )
    set_up_logging(settings.log_level, settings.log_format, secret=settings.token)
    classifier = loading.load(settings)

    from bot.app import run  # aiogram is imported by now, in the way that the settings ask for
    from bot.texts.replies import Replies

    at_end = partial(end_after, settings.shutdown_seconds + GRACE)
    asyncio.run(run(settings, classifier, Replies(settings.replies_dir), at_end))
    return 0
