"""What the bot does on each kind of message. Handlers fetch, classify and reply; they compute nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from aiogram import Bot, Dispatcher, F, Router
from aiogram.enums import ChatAction, ChatType
from aiogram.exceptions import AiogramError
from aiogram.filters import Command, CommandStart
from aiogram.types import BotCommand, Document, Message

from bot.delivery.at_least_once import Trial
from bot.donations.donations import Donations
from bot.donations.store import open_store
from bot.inference.classifier import Classifier, Prediction
from bot.inference.decoding import PhotoError, Reason, decode
from bot.monitoring.metrics import Metrics, Stopwatch
from bot.settings import Settings
from bot.storage.key_values import Notes
from bot.storage.ledger import LedgerError
from bot.telegram.albums import Albums
from bot.telegram.download import download
from bot.telegram.filters import Addressed, Picture, find_picture, has_picture
from bot.telegram.handlers import feedback as buttons
from bot.telegram.handlers import people
from bot.telegram.handlers.feedback import answer_buttons
from bot.telegram.handlers.people import SpokenLanguage
from bot.texts.replies import COMMANDS, DONATING, Replies

TYPING_AFTER = 1.0
"""Seconds of work after which the chat shows that the bot is typing. So long a wait does not break a person's flow of
thought (R. B. Miller, 1968), and most photos are answered before."""

TYPING_LASTS = 4.5
"""Seconds after which it is shown anew; Telegram takes it away after 5."""

log = logging.getLogger(__name__)


def build_dispatcher(
    classifier: Classifier, replies: Replies, metrics: Metrics, notes: Notes, settings: Settings
) -> Dispatcher:
    """The dispatcher that Telegram's updates and the preview's go through alike. Raises SettingsError."""
    secret = settings.token or ""
    donations = Donations(open_store(settings.donations), notes, secret)
    spoken = SpokenLanguage(notes, secret)
    answer = PhotoAnswer(classifier, replies, metrics, notes, Albums(notes, replies, secret))
    dispatcher = Dispatcher(
        disable_fsm=True,  # aiogram's memory of states, which nothing here has, would grow with every person
        classifier=classifier,
        replies=replies,
        metrics=metrics,
        notes=notes,
        donations=donations,
        spoken=spoken,
        answer=answer,
        trial=nullcontext,  # where photos are delivered without a ledger, as in the preview, nobody is on trial
    )
    dispatcher.message.outer_middleware(spoken)
    dispatcher.callback_query.outer_middleware(spoken)
    dispatcher.edited_message.outer_middleware(spoken)
    router = Router(name="messages")
    router.message.register(cmd_start, CommandStart())
    router.message.register(cmd_help, Command("help"))
    router.message.register(cmd_privacy, Command("privacy"))
    router.message.register(cmd_what, Command("what"))
    router.message.register(answer_picture, has_picture, Addressed())
    router.message.register(cmd_what, F.text, F.reply_to_message, ~(F.chat.type == ChatType.PRIVATE), Addressed())
    router.edited_message.register(answer_picture, has_picture, Addressed())
    if settings.channel_posts:
        dispatcher.channel_post.outer_middleware(spoken)
        router.channel_post.register(answer_picture, has_picture)
    dispatcher.include_routers(router, people.make_router(settings.owners), buttons.make_router(), _last())
    return dispatcher


def _last() -> Router:
    """For what nothing else is for."""
    router = Router(name="last")
    router.message.register(hint, F.chat.type == ChatType.PRIVATE)
    return router


async def introduce(bot: Bot, replies: Replies, donating: bool) -> None:
    """Fill the command menu and the bot's profile, once for each language and once for everybody else."""
    for language in (None, *replies.languages):
        names = (*COMMANDS, *DONATING) if donating else COMMANDS
        commands = [BotCommand(command=name, description=replies.say("command", name, language)) for name in names]
        await bot.set_my_commands(commands, language_code=language)
        await bot.set_my_description(replies.say("profile", "description", language), language_code=language)
        short = replies.say("profile", "short-description", language)
        await bot.set_my_short_description(short, language_code=language)


async def cmd_start(message: Message, classifier: Classifier, replies: Replies, language: str | None) -> None:
    await message.answer(replies.greet(classifier.contract.labels, language))


async def cmd_help(message: Message, classifier: Classifier, replies: Replies, language: str | None) -> None:
    await message.answer(replies.help(classifier.contract.labels, language))


async def cmd_privacy(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    texts = [replies.say("bot", "privacy", language)]
    if donations.are_on:
        texts.append(replies.say("donation", "privacy", language))
    await message.answer("\n\n".join(texts))


async def cmd_what(message: Message, answer: PhotoAnswer, replies: Replies, language: str | None, trial: Trial) -> None:
    """A reply to a photo, in a group for example, that asks what it shows."""
    asked = message.reply_to_message
    picture = find_picture(asked, answer.pixels)
    if asked and picture:
        await answer(asked, picture, language, trial)
    else:
        await message.reply(replies.say("bot", "what", language))


async def answer_picture(
    message: Message, answer: PhotoAnswer, replies: Replies, language: str | None, trial: Trial
) -> None:
    picture = find_picture(message, answer.pixels)
    if picture is None:
        await message.reply(replies.say("bot", "no-picture", language))
    elif isinstance(picture.file, Document):
        async with answer.one_by_one:
            await answer(message, picture, language, trial)
    else:
        await answer(message, picture, language, trial)


async def hint(message: Message, replies: Replies, language: str | None) -> None:
    await message.answer(replies.say("bot", "hint", language))


@dataclass
class PhotoAnswer:
    """A photo's way: fetched, decoded, named, and the answer sent as a reply."""

    classifier: Classifier
    replies: Replies
    metrics: Metrics
    notes: Notes
    albums: Albums
    one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """For images sent as files: up to 20 MB, and hundreds once decoded. Photos are small."""

    @property
    def pixels(self) -> int:
        """Width and height that a photo should have at least."""
        return self.classifier.contract.preprocess.size

    async def __call__(self, message: Message, picture: Picture, language: str | None, trial: Trial) -> None:
        assert message.bot
        stopwatch = Stopwatch()
        typing = asyncio.create_task(_show_typing(message.bot, message.chat.id))
        found: Prediction | Reason
        try:
            with stopwatch("download"):
                data = await download(message.bot, picture.file, self.metrics)
            async with trial():
                found = await asyncio.to_thread(self._look, data, stopwatch)
            outcome = detail = "unsure" if found.unsure else "named"
        except PhotoError as error:
            found = error.reason
            outcome, detail = "refused", str(error)
            self.metrics.refusals.labels(found.value).inc()
        finally:
            typing.cancel()
        with stopwatch("reply"):
            await self._reply(message, found, picture.is_frame, language)
        with suppress(LedgerError):  # the answer is out: trouble with a count must not have it given again
            await self.notes.add("count:answered")
        self.metrics.count_photo(outcome, stopwatch)
        log.info("photo answered: %s", detail, extra={"stages": stopwatch})

    def _look(self, data: bytes, stopwatch: Stopwatch) -> Prediction:
        with stopwatch("decode"):
            pixels = decode(data, self.classifier.contract.preprocess)
        with stopwatch("predict"):
            return self.classifier.predict(pixels)

    async def _reply(self, message: Message, found: Prediction | Reason, is_frame: bool, language: str | None) -> None:
        if message.media_group_id:
            await self.albums.answer(message, found, language)
        elif isinstance(found, Reason):
            await message.reply(self.replies.refuse(found, language), allow_sending_without_reply=True)
        else:
            text = self.replies.render(found, language)
            if is_frame:
                text = f"{self.replies.say('bot', 'first-frame', language)} {text}"
            index = self.classifier.contract.labels.index(found.label)
            markup = None if found.unsure else answer_buttons(index, self.replies, language)
            await message.reply(text, reply_markup=markup, allow_sending_without_reply=True)


async def _show_typing(bot: Bot, chat: int) -> None:
    """Until it is cancelled. Not aiogram's ChatActionSender, which on its way out waits for the call in flight."""
    await asyncio.sleep(TYPING_AFTER)
    with suppress(AiogramError):
        while True:
            await bot.send_chat_action(chat, ChatAction.TYPING)
            await asyncio.sleep(TYPING_LASTS)
