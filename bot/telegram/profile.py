"""The command menu and the bot's profile, in every language."""

from __future__ import annotations

from aiogram import Bot
from aiogram.types import BotCommand

from bot.texts.replies import COMMANDS, DONATING, Replies


async def publish_profile(bot: Bot, replies: Replies, donating: bool) -> None:
    """Fill the command menu and the bot's profile, once for each language and once for everybody else."""
    for language in (None, *replies.languages):
        names = (*COMMANDS, *DONATING) if donating else COMMANDS
        commands = [BotCommand(command=name, description=replies.text("command", name, language)) for name in names]
        await bot.set_my_commands(commands, language_code=language)
        await bot.set_my_description(replies.text("profile", "description", language), language_code=language)
        short = replies.text("profile", "short-description", language)
        await bot.set_my_short_description(short, language_code=language)
