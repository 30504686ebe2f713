"""How much is sent out to one chat, and to all: Telegram refuses more."""

from __future__ import annotations

import asyncio

from bot.delivery.lanes.waiting import PATIENCE
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.rate_limits import Rate, RateLimiter

# Telegram's documented limits (core.telegram.org/bots/faq): about 30 messages a second overall; 1 a second in a chat,
# with "short bursts that go over this limit"; 20 a minute in a group.
OVERALL = Rate(per_second=25, burst=5)

CHAT = Rate(per_second=1, burst=12)

GROUP = Rate(per_second=15 / 60, burst=5)


class SendPacer:
    """Waits before messages go out, so that Telegram need not refuse them."""

    def __init__(self, rate_limiter: RateLimiter, pseudonymise: Pseudonymiser) -> None:
        self._rate_limiter = rate_limiter
        self._pseudonymise = pseudonymise
        self._overall = "overall:" + pseudonymise("overall")

    async def wait(self, chat: int) -> float:
        """Wait until a message may go to the chat, if that is no longer than PATIENCE; then return 0.

        Else return the seconds that it takes, at once: nothing is reserved.
        """
        place = await self._rate_limiter.reserve(self._name(chat), _rate(chat), at_most=PATIENCE)
        if not place.taken:
            return place.wait
        await _sleep(place.wait)
        await _sleep((await self._rate_limiter.reserve(self._overall, OVERALL)).wait)
        return 0.0

    async def hold(self, chat: int, seconds: float) -> None:
        """Telegram has refused a message to this chat for so long."""
        await self._rate_limiter.hold(self._name(chat), _rate(chat), seconds)

    def _name(self, chat: int) -> str:
        return "chat:" + self._pseudonymise(str(chat))


async def _sleep(seconds: float) -> None:
    """`asyncio.sleep`, which has everything else go first even where there is nothing to wait for."""
    if seconds:
        await asyncio.sleep(seconds)


def _rate(chat: int) -> Rate:
    return GROUP if chat < 0 else CHAT  # groups and channels have negative numbers
