"""How much is let in from one sender, and how much is sent out to one chat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiogram import BaseMiddleware
from aiogram.enums import ChatType
from aiogram.types import Chat, Message, TelegramObject, User

from bot.monitoring.metrics import Metrics
from bot.storage.ledger import pseudonym
from bot.texts.replies import Replies


@dataclass(frozen=True)
class Rate:
    """A token bucket: `burst` at once, refilled by `per_second`."""

    per_second: float
    burst: int


# Telegram's documented limits (core.telegram.org/bots/faq): about 30 messages a second overall; 1 a second in a chat,
# with "short bursts that go over this limit"; 20 a minute in a group.
OVERALL = Rate(per_second=25, burst=5)
CHAT = Rate(per_second=1, burst=12)
GROUP = Rate(per_second=15 / 60, burst=5)
SENDER = Rate(per_second=1, burst=10)
"""Messages taken from one person. Not more than a chat may be sent at once: what has been taken is then answered
without waiting, and holds nobody else up (Telegram shows a poller 100 updates, and the next only when these are done).
"""
NOTICE = Rate(per_second=1 / 60, burst=1)
"""Times that a person is told to slow down."""
PRUNED = 10_000


class Throttle(Protocol):
    """Rates by name. Names of people and chats are pseudonyms."""

    async def reserve(self, name: str, rate: Rate, at_most: float = float("inf")) -> float | None:
        """Take the next place: the seconds until it comes. None, and nothing taken, if that is above `at_most`."""

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        """Give no place for so long."""


class MemoryThrottle:
    """For one process.

    The generic cell rate algorithm (ITU-T I.371): the only thing kept is when the bucket will be full again.
    """

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}

    async def reserve(self, name: str, rate: Rate, at_most: float = float("inf")) -> float | None:
        now = time.monotonic()
        full_at = max(self._full_at.get(name, now), now)
        wait = max(0.0, full_at - now - (rate.burst - 1) / rate.per_second)
        if wait > at_most:
            return None
        self._full_at[name] = full_at + 1 / rate.per_second
        if len(self._full_at) > PRUNED:
            self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        return wait

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        until = time.monotonic() + seconds + (rate.burst - 1) / rate.per_second
        self._full_at[name] = max(self._full_at.get(name, until), until)


class Pacing:
    """Waits before messages go out, so that Telegram need not refuse them."""

    def __init__(self, throttle: Throttle, secret: str) -> None:
        self._throttle = throttle
        self._secret = secret
        self._overall = "overall:" + pseudonym(secret, "overall")

    async def wait(self, chat: int) -> None:
        await asyncio.sleep(await self._throttle.reserve(self._name(chat), _rate(chat)) or 0)
        await asyncio.sleep(await self._throttle.reserve(self._overall, OVERALL) or 0)

    async def hold(self, chat: int, seconds: float) -> None:
        """Telegram has refused a message to this chat for so long."""
        await self._throttle.hold(self._name(chat), _rate(chat), seconds)

    def _name(self, chat: int) -> str:
        return "chat:" + pseudonym(self._secret, str(chat))


class FloodGuard(BaseMiddleware):
    """Lets a person's messages, and presses of buttons, pass at the rate SENDER; for the rest there is one notice."""

    def __init__(self, throttle: Throttle, replies: Replies, metrics: Metrics, secret: str) -> None:
        self._throttle = throttle
        self._replies = replies
        self._metrics = metrics
        self._secret = secret

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        user: User | None = data.get("event_from_user")
        chat: Chat | None = data.get("event_chat")
        name = pseudonym(self._secret, str(user.id if user else chat.id if chat else ""))
        kind = "sender" if isinstance(event, Message) else "presser"
        if await self._throttle.reserve(f"{kind}:{name}", SENDER, at_most=0) is not None and (
            chat is None
            or chat.type == ChatType.PRIVATE
            or await self._throttle.reserve(f"group:{pseudonym(self._secret, str(chat.id))}", GROUP, at_most=0)
            is not None
        ):
            return await handler(event, data)
        self._metrics.refusals.labels("flood").inc()
        if not isinstance(event, Message):
            return None
        if await self._throttle.reserve(f"notice:{name}", NOTICE, at_most=0) is not None:
            await event.reply(self._replies.say("bot", "slow-down", data.get("language")))
        return None


def _rate(chat: int) -> Rate:
    return GROUP if chat < 0 else CHAT  # groups and channels have negative numbers
