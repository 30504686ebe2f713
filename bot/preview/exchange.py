"""What the bot does about one update, carried out in the page's chat in the place of Telegram's servers."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.enums import ChatType
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import (
    AnswerCallbackQuery,
    EditMessageReplyMarkup,
    EditMessageText,
    GetFile,
    GetMe,
    SendChatAction,
    SendMessage,
    SendPhoto,
    TelegramMethod,
)
from aiogram.methods.base import TelegramType
from aiogram.types import BufferedInputFile, File, InlineKeyboardMarkup, Message, TelegramObject, User
from aiogram.types import Chat as TelegramChat

from bot.preview.chat import Chat

BOT = User(id=2, is_bot=True, first_name="Labelgram", username="preview_bot")
TOKEN = f"{BOT.id}:preview"
"""aiogram wants a token of the right form; it goes nowhere."""


class Exchange(BaseSession):
    """Answers the bot's calls from the chat, and lists in `shown` what the page is to show afterwards.

    That is each message in its new state, in the order of the calls, and toasts, which go by themselves.
    """

    def __init__(self, chat: Chat) -> None:
        super().__init__()
        self._chat = chat
        self.shown: list[dict[str, object]] = []

    async def make_request(
        self, bot: Bot, method: TelegramMethod[TelegramType], timeout: int | None = None
    ) -> TelegramType:
        answer = self._answer(method)
        return cast(TelegramType, answer.as_(bot) if isinstance(answer, TelegramObject) else answer)

    def _answer(self, method: TelegramMethod[Any]) -> object:
        answer: object = True
        match method:
            case SendMessage():
                answer = self._send(method, text=method.text)
            case SendPhoto(photo=BufferedInputFile(data=jpeg)):
                answer = self._send(method, jpeg, caption=method.caption)
            case EditMessageText(message_id=int(number)):
                answer = self._edit(method, number, text=method.text)
            case EditMessageReplyMarkup(message_id=int(number)):
                answer = self._edit(method, number)
            case AnswerCallbackQuery():
                self.shown += [{"toast": method.text}] if method.text else []
            case GetFile(file_id=file):
                if self._chat.find_file(file) is None:
                    raise TelegramBadRequest(method, "wrong file_id or the file is temporarily unavailable")
                answer = File(file_id=file, file_unique_id=file, file_path=file)
            case GetMe():  # asked for when a command names a bot: /start@somebody
                answer = BOT
            case SendChatAction():
                pass  # the page shows by itself that it waits
            case _:
                raise TelegramBadRequest(method, f"the preview has no {type(method).__name__} of this kind")
        return answer

    def _send(self, method: SendMessage | SendPhoto, jpeg: bytes | None = None, **content: Any) -> Message:
        reply = method.reply_parameters
        asked = self._chat.find(reply.message_id or 0) if reply else None
        message = Message(
            message_id=next(self._chat.numbers),
            date=datetime.now(UTC),
            chat=TelegramChat(id=int(method.chat_id), type=ChatType.PRIVATE),
            from_user=BOT,
            reply_to_message=asked and asked.model_copy(update={"reply_to_message": None}),
            reply_markup=_keyboard(method, method.reply_markup),
            **content,
        )
        self._show(message, jpeg)
        return message

    def _edit(self, method: EditMessageText | EditMessageReplyMarkup, number: int, **content: Any) -> Message:
        message = self._chat.find(number)
        if message is None:
            raise TelegramBadRequest(method, "message to edit not found")
        edited = message.model_copy(update={"reply_markup": _keyboard(method, method.reply_markup), **content})
        if edited == message:
            raise TelegramBadRequest(method, "message is not modified")
        self._show(edited)
        return edited

    def _show(self, message: Message, jpeg: bytes | None = None) -> None:
        self._chat.keep(message)
        rows = message.reply_markup.inline_keyboard if message.reply_markup else []
        self.shown.append(
            {
                "id": message.message_id,
                "text": message.text or message.caption or "",
                "reply_to": message.reply_to_message and message.reply_to_message.message_id,
                "buttons": [[{"text": key.text, "data": key.callback_data} for key in row] for row in rows],
                "photo": jpeg and f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
            }
        )

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        yield self._chat.find_file(url.rpartition("/")[2]) or b""

    async def close(self) -> None:
        """Nothing is open."""


def _keyboard(method: TelegramMethod[Any], markup: object) -> InlineKeyboardMarkup | None:
    if markup is None or isinstance(markup, InlineKeyboardMarkup):
        return markup
    raise TelegramBadRequest(method, f"the preview has no {type(markup).__name__}")
