"""The bot to compare with: the same handlers on aiogram's default polling. `fleet` runs it in the bot's interpreter."""

from __future__ import annotations

import asyncio
import os

from bot.deferred import DEFERRED, import_aiogram
from bot.logs import set_up_logging
from bot.settings import Settings


async def main(settings: Settings) -> None:
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer

    from bot.classifier import Classifier
    from bot.handlers import build_dispatcher
    from bot.metrics import Metrics
    from bot.notes import MemoryNotes
    from bot.replies import Replies

    assert settings.token
    assert settings.api_server
    set_up_logging(settings.log_level, settings.log_format, settings.token)
    classifier = Classifier(settings.model, settings.threads)
    dispatcher = build_dispatcher(classifier, Replies(), Metrics(), MemoryNotes(), settings)
    server = TelegramAPIServer.from_base(settings.api_server)
    await dispatcher.start_polling(Bot(settings.token, session=AiohttpSession(api=server)))


if __name__ == "__main__":
    import_aiogram(DEFERRED)  # it starts as soon as ours
    asyncio.run(main(Settings.from_environment(os.environ)))
