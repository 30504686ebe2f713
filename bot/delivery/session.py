"""Telegram's answers -> results and errors, whatever comes: any status, any body."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramEntityTooLarge,
    TelegramNetworkError,
    TelegramServerError,
)
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Chat, Message
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, FormData
from pydantic import ValidationError

LONGEST_WAIT = 24 * 3600
"""Seconds; no update is kept for longer."""
DEFAULT_WAIT = 5
"""Seconds to wait after a 429 that does not say how long."""


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class RedirectError(ClientError):
    """Telegram sends nobody elsewhere. Another host would get people's answers, and its "ok" would be believed."""


class ProxyError(ClientError):
    """The proxy on the way makes no connection. A package for SOCKS has kinds of its own for that."""


class RawUpdates(TelegramMethod[Any]):
    """getUpdates, whose updates are taken as they are: one that cannot be parsed is one, and not all."""

    __returning__ = Any
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


class ApiServer(TelegramAPIServer):
    """Where the Bot API is, with paths of files as an address takes them: a name may hold any sign."""

    def file_url(self, token: str, path: str | Path) -> str:
        return super().file_url(token, quote(str(path)))


class Session(AiohttpSession):
    """What Telegram says that it has carried out is never carried out again because of how the result looks."""

    def __init__(self, through: str | None = None, **options: Any) -> None:
        """`through`: a proxy on the way, http:// or socks5://. Raises ImportError where the latter needs a package."""
        is_socks = through is not None and through.startswith("socks5://")
        if is_socks:
            import_module("aiohttp_socks")
        super().__init__(proxy=through if is_socks else None, **options)
        self._http_proxy = None if is_socks else through

    async def create_session(self) -> ClientSession:
        if self._session is None or self._session.closed:
            self._session = ClientSession(
                connector=self._connector_type(**self._connector_init),
                proxy=self._http_proxy,  # aiogram needs a package for it; aiohttp does not
            )
            self._should_reset_connector = False
        return await super().create_session()

    @asynccontextmanager
    async def open(self, method: str, url: str, **options: Any) -> AsyncIterator[ClientResponse]:
        """An answer whose body is not read yet. Raises ClientError, TimeoutError, OSError; no text holds the token."""
        client = await self.create_session()
        async with AsyncExitStack() as stack:
            try:
                request = client.request(method, url, allow_redirects=False, **options)
                answer = await stack.enter_async_context(request)
            except (ClientError, TimeoutError, OSError):
                raise
            except Exception as error:
                raise ProxyError(type(error).__name__) from None
            yield answer

    async def make_request(
        self, bot: Bot, method: TelegramMethod[TelegramType], timeout: float | None = None
    ) -> TelegramType:
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        body = self._build_body(bot, method)
        try:
            async with self.open(
                "POST",
                url,
                data=body,
                headers=FORM if isinstance(body, bytes) else None,
                timeout=ClientTimeout(self.timeout if timeout is None else timeout),
            ) as answer:
                content = await answer.read()
        except Exception as error:
            raise TelegramNetworkError(method, type(error).__name__) from None
        return cast(TelegramType, self.check_response(bot, method, answer.status, content).result)

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: float = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        async with self.open(
            "GET", url, headers=headers, timeout=ClientTimeout(timeout), raise_for_status=raise_for_status
        ) as answer:
            if answer.status != HTTPStatus.OK:
                raise RedirectError
            async for chunk in answer.content.iter_chunked(chunk_size):
                yield chunk

    def _build_body(self, bot: Bot, method: TelegramMethod[Any]) -> bytes | FormData:
        """As aiogram's form has it, at half its cost where no file is sent."""
        files: dict[str, Any] = {}
        fields = {name: self.prepare_value(value, bot, files) for name, value in method}
        if files:
            return self.build_form_data(bot, method)
        filled = {name: value for name, value in fields.items() if value}
        return urlencode(filled, doseq=True).encode()  # as aiohttp does: else a text that is an enum gives its name

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str | bytes
    ) -> Response[TelegramType]:
        """Raises ClientDecodeError for what is no answer of Telegram's, and TelegramAPIError for its refusals."""
        if status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # from a gateway, more often than from Telegram
            raise TelegramEntityTooLarge(method, "413")
        try:
            body = self.json_loads(content)
        except Exception as error:
            raise ClientDecodeError("not JSON", error, None) from None
        if not isinstance(body, dict) or not isinstance(body.get("ok"), bool):
            raise ClientDecodeError("not an answer of the Bot API", TypeError(type(body).__name__), None)
        is_success = HTTPStatus.OK <= status_code <= HTTPStatus.IM_USED
        if body["ok"]:
            if not is_success:
                raise TelegramServerError(method, f"ok with status {status_code}")
            if method.__api_method__.startswith("get"):
                return _parse(bot, method, body)
            return Response.model_construct(ok=True, result=_confirm(method, body.get("result")))
        code = body.get("error_code")
        status = code if is_success and type(code) is int and code >= HTTPStatus.BAD_REQUEST else status_code
        return super().check_response(bot, method, status, json.dumps(_clean(body, status)))


def _parse(bot: Bot, method: TelegramMethod[TelegramType], body: dict[str, Any]) -> Response[TelegramType]:
    """Raises ClientDecodeError."""
    reason: Exception = TypeError("no result")
    try:
        response: Response[TelegramType] = _find_response(method.__returning__).model_validate(
            body, context={"bot": bot}
        )
        if response.result is not None:
            return response
    except ValidationError as error:
        reason = error
    raise ClientDecodeError("a result of another shape", reason, None)


@cache
def _find_response(returning: Any) -> type[Response[Any]]:
    """The model of an answer. pydantic would forget one that nothing holds, and build it again."""
    return Response[returning]


def _confirm(method: TelegramMethod[Any], result: object) -> Any:
    """The result of a call that Telegram has carried out. Of a message that was sent, only the number is read."""
    if method.__returning__ is not Message:
        return True
    number = result.get("message_id") if isinstance(result, dict) else None
    chat = getattr(method, "chat_id", 0)
    return Message(
        message_id=number if type(number) is int else 0,
        date=datetime.now(UTC),
        chat=Chat(id=chat if isinstance(chat, int) else 0, type="private"),
    )


def _clean(body: dict[str, Any], status: int) -> dict[str, Any]:
    """A refusal with no more than what is understood of it."""
    given = body.get("parameters")
    parameters = {}
    if isinstance(given, dict):
        wait, chat = given.get("retry_after"), given.get("migrate_to_chat_id")
        if isinstance(wait, int | float) and wait > 0 and status < HTTPStatus.INTERNAL_SERVER_ERROR:  # no gateway's
            parameters["retry_after"] = int(min(wait, LONGEST_WAIT)) or 1
        if type(chat) is int and chat:
            parameters["migrate_to_chat_id"] = chat
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        parameters.setdefault("retry_after", DEFAULT_WAIT)
    return {"ok": False, "description": str(body.get("description") or status), "parameters": parameters}
