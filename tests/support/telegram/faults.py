"""Troubles that Telegram and the network make, by chance and from a seed."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.telegram.responses import hang_up, refuse, refuse_for_now, trickle, truncate

ANY_FAULTS = ("reset", "bad-gateway", "server-error", "any-error", "page")
CALL_FAULTS = (*ANY_FAULTS, "too-many-requests", "held-chat", "slow", "no-answer")
DOWNLOAD_FAULTS = (*ANY_FAULTS, "truncated", "slow-download")
WEBHOOK_FAULTS = ("impatient",)
PAGE = "<html><h1>502 Bad Gateway</h1></html>"
KINDS = tuple(dict.fromkeys((*CALL_FAULTS, *DOWNLOAD_FAULTS, *WEBHOOK_FAULTS)))


@dataclass
class Faults:
    """All of them come before a method has any effect.

    A fault after the effect, such as an answer that is lost, looks to the bot like one before it: the Bot API knows no
    idempotency key, so no bot could try again without answering twice.
    """

    rate: float
    """Share of the calls, downloads or deliveries that something goes wrong with, each possible kind as often."""
    seed: int
    kinds: tuple[str, ...] = KINDS
    """`slow` holds a call up; `no-answer` holds it for longer and then closes the connection; `impatient` does not wait
    for the webhook's answer, but brings the update again while the first one is in work. `any-error` is one of all
    statuses from 500; `page` is a gateway's page with status 200; `held-chat` refuses all calls to a chat for a while.
    """
    slow_seconds: float = 2.0
    hang_seconds: float = 10.0
    held_seconds: float = 10.0
    injected: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        assert set(self.kinds) <= set(KINDS), self.kinds
        self._chance = random.Random(self.seed)
        self._held: dict[str, float] = {}
        """When each chat that is held is free again, on the loop's clock."""

    def draw(self, possible: tuple[str, ...]) -> str | None:
        """One of the possible kinds, or None: this time nothing goes wrong."""
        kinds = [kind for kind in possible if kind in self.kinds]
        number = self._chance.random()
        if not kinds or number >= self.rate:
            return None
        kind = kinds[int(number / self.rate * len(kinds))]
        self.injected[kind] += 1
        return kind

    async def handle(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer a request as `handler` does, or with a fault."""
        chat = str((await request.post()).get("chat_id", ""))
        now = asyncio.get_running_loop().time()
        if (rest := self._held.get(chat, now) - now) > 0:
            return refuse_for_now(math.ceil(rest))
        match self.draw(DOWNLOAD_FAULTS if request.path.startswith("/file/") else CALL_FAULTS):
            case "reset":
                return hang_up(request)
            case "bad-gateway":
                return web.Response(status=502, text=PAGE, content_type="text/html")
            case "page":
                return web.Response(text=PAGE, content_type="text/html")
            case "any-error":
                return refuse(self._chance.randint(500, 599), "An error of a kind that nobody has listed")
            case "server-error":
                return refuse(500, "Internal Server Error")
            case "too-many-requests":
                return refuse_for_now(1)
            case "held-chat" if chat:
                self._held[chat] = now + self.held_seconds
                return refuse_for_now(math.ceil(self.held_seconds))
            case "no-answer":
                await asyncio.sleep(self.hang_seconds)
                return hang_up(request)
            case "slow":
                await asyncio.sleep(self.slow_seconds)
                # Who asked may be gone, killed or out of patience; then nothing is done, see above.
                return await handler(request) if request.transport else web.Response()
            case "truncated" | "slow-download" as fault:
                response = await handler(request)
                if response.status != 200 or not isinstance(response, web.Response):
                    return response
                assert isinstance(response.body, bytes)
                if fault == "truncated":
                    return await truncate(request, response.body)
                return await trickle(request, response.body, self.slow_seconds)
            case _:
                return await handler(request)


def slow_downloads(seconds: float) -> Faults:
    """Every download takes this long: photos stay in work."""
    return Faults(rate=1, seed=1, kinds=("slow-download",), slow_seconds=seconds)
