"""One message's exchange with the bot, in memory, in the place of Telegram's servers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import GetFile, GetMe, SendChatAction, SendMessage, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Chat, File, Message, User


class Exchange(BaseSession):
    """Gives the bot the message's files and keeps what it answers; both go when the exchange is over."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self._files = files
        self.answers: list[SendMessage] = []

    async def make_request(
        self, bot: Bot, method: TelegramMethod[TelegramType], timeout: int | None = None
    ) -> TelegramType:
        return cast(TelegramType, self._answer(method))

    def _answer(self, method: TelegramMethod[Any]) -> object:
        match method:
            case SendMessage(chat_id=int(chat)):
                self.answers.append(method)
                return Message(message_id=0, date=datetime.now(UTC), chat=Chat(id=chat, type="private"))
            case GetFile(file_id=file) if file in self._files:
                return File(file_id=file, file_unique_id=file, file_path=file)
            case GetMe():  # asked for when a command names a bot: /start@somebody
                return User(id=1, is_bot=True, first_name="Labelgram", username="preview_bot")
            case SendChatAction():
                return True
            case _:
                raise TelegramBadRequest(method, f"the preview has no {type(method).__name__} of this kind")

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        yield self._files[url.rpartition("/")[2]]

    async def close(self) -> None:
        """Nothing is open."""
