"""The command menu and the bot's profile, in every language."""

from __future__ import annotations

import logging
from functools import partial

from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BotCommand

from bot.texts.replies import COMMANDS, DONATING, Replies

log = logging.getLogger(__name__)


async def publish_profile(bot: Bot, replies: Replies, donating: bool) -> bool:
    """Fill the command menu and the bot's profile, once for each language and once for everybody else.

    Returns whether Telegram took them all: a text that it refuses is named, and the others are filled all the same.
    """
    took_all = True
    for language in (None, *replies.languages):
        names = (*COMMANDS, *DONATING) if donating else COMMANDS
        commands = [BotCommand(command=name, description=replies.text("command", name, language)) for name in names]
        description = replies.text("profile", "description", language)
        short = replies.text("profile", "short-description", language)
        for what, fill in (
            ("command menu", partial(bot.set_my_commands, commands)),
            ("description", partial(bot.set_my_description, description)),
            ("short description", partial(bot.set_my_short_description, short)),
        ):
            try:
                await fill(language_code=language)
            except TelegramBadRequest as error:
                took_all = False
                tongue = f"in {language}" if language else "for all other languages"
                log.warning("Telegram does not take the bot's %s %s: %s", what, tongue, error.message)
    return took_all
