"""What the bot answers over HTTP while it waits for its state: a host that hears nothing would end the process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from bot.settings.values import SettingsError


class WaitingRoom:
    """It opens when there is something to tell, and closes before the bot itself listens there.

    A port that is taken stays closed: where the process before is on the same machine, that one answers.
    """

    def __init__(self, addresses: Sequence[tuple[str, int]]) -> None:
        """`addresses` are hosts and ports."""
        self._addresses = addresses
        self._stack = AsyncExitStack()
        self._why: str | None = None

    async def __aenter__(self) -> WaitingRoom:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def tell(self, why: str) -> None:
        """From now on `/healthz` says that the process is alive, and `/readyz` why it is not ready."""
        is_open, self._why = self._why is not None, why
        if is_open or not self._addresses:
            return
        from aiohttp import web

        from bot.monitoring.endpoints import add_health, listen

        for host, port in self._addresses:
            site = web.Application()
            add_health(site, self._find_trouble)
            try:
                await listen(self._stack, site, host, port, "")
            except SettingsError:
                continue

    async def _find_trouble(self) -> str | None:
        return self._why
