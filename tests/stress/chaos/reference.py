"""The bot to compare with: the same handlers on aiogram's default polling. `fleet` runs it in the bot's interpreter."""

from __future__ import annotations

import asyncio
import os

from bot.monitoring.logs import set_up_logging
from bot.settings.settings import Settings
from bot.startup.lazy_aiogram import DEFERRED, import_aiogram


async def main(settings: Settings) -> None:
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer

    from bot.donations.donations import Donations
    from bot.inference.classifier import Classifier
    from bot.monitoring.metrics import Metrics
    from bot.storage.memory import MemoryKeyValues
    from bot.storage.pseudonyms import Pseudonymiser
    from bot.telegram.dispatcher import Parts, build_dispatcher
    from bot.texts.replies import Replies

    assert settings.token
    assert settings.api_server
    set_up_logging(settings.log_level, settings.log_format, settings.token)
    classifier = Classifier(settings.model, settings.threads)
    key_values, pseudonymise = MemoryKeyValues(), Pseudonymiser(settings.token)
    donations = Donations(None, key_values, pseudonymise)
    parts = Parts(classifier, Replies(), Metrics(), key_values, donations, pseudonymise)
    dispatcher = build_dispatcher(parts, settings.owners, settings.channel_posts)
    server = TelegramAPIServer.from_base(settings.api_server)
    await dispatcher.start_polling(Bot(settings.token, session=AiohttpSession(api=server)))


if __name__ == "__main__":
    import_aiogram(DEFERRED)  # it starts as soon as ours
    asyncio.run(main(Settings.from_environment(os.environ)))
