"""Updates on their way to a bot's webhook, as Telegram brings them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

Update = dict[str, Any]
TIMEOUT = 60.0
IMPATIENT = 0.05


class Couriers:
    """Bring updates to the webhook until it answers 2xx; each chat's one at a time and in order."""

    def __init__(self, updates: dict[int, Update], is_impatient: Callable[[], bool]) -> None:
        """`updates` are those that wait; one that is delivered is taken out. `is_impatient`: see Faults."""
        self.webhook: dict[str, Any] | None = None
        """What setWebhook was given."""
        self.posts: list[tuple[int, int]] = []
        """The update_id and the status of each try; 0: no answer."""
        self.pause, self.longest_pause = 1.0, 60.0
        """Seconds before the third try of an update, the second being at once; they double up to the latter."""
        self.retry_after = 0.0
        """The longest time that the bot has asked to wait."""
        self._updates = updates
        self._is_impatient = is_impatient
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """By chat."""

    def register(self, webhook: dict[str, Any] | None) -> None:
        """Bring updates there from now on, or None: to nowhere. What is on its way is not called back."""
        self.webhook = webhook
        if webhook:
            self._places = asyncio.Semaphore(webhook["max_connections"])
            self.call()

    def call(self) -> None:
        """There may be updates to bring."""
        for update in list(self._updates.values()):
            chat = _chat(update)
            if self.webhook and chat not in self._tasks:
                self._tasks[chat] = asyncio.create_task(self._serve(chat))

    async def start(self) -> None:
        self._client = ClientSession(connector=TCPConnector(limit=0))

    async def stop(self) -> None:
        self.webhook = None
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._client.close()

    async def _serve(self, chat: int) -> None:
        """Until the chat has no updates. One that fails holds up those behind it."""
        failures = 0
        while self.webhook and (first := next((u for u in list(self._updates.items()) if _chat(u[1]) == chat), None)):
            number, update = first
            async with self._places:
                status, retry_after = await self._post(self.webhook, update)
            self.posts.append((number, status))
            self.retry_after = max(self.retry_after, retry_after)
            if 200 <= status < 300:
                if self._updates.get(number) is update:
                    del self._updates[number]
                failures = 0
            else:
                pause = min(self.longest_pause, self.pause * 2 ** (failures - 1)) if failures else 0
                failures += 1
                await asyncio.sleep(retry_after or pause)
        del self._tasks[chat]

    async def _post(self, webhook: dict[str, Any], update: Update) -> tuple[int, float]:
        """The status of the answer, 0 if there is none, and the seconds of its Retry-After."""
        secret = webhook.get("secret_token")
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        timeout = ClientTimeout(total=IMPATIENT if self._is_impatient() else TIMEOUT)
        try:
            async with self._client.post(webhook["url"], json=update, headers=headers, timeout=timeout) as answer:
                return answer.status, float(answer.headers.get("Retry-After", 0))
        except (ClientError, TimeoutError, OSError):
            return 0, 0


def _chat(update: Any) -> int:
    """The chat by which an update is queued; 0 where there is none."""
    for event in update.values() if isinstance(update, dict) else ():
        message = event.get("message", event) if isinstance(event, dict) else {}
        chat = message.get("chat") if isinstance(message, dict) else None
        number = chat.get("id") if isinstance(chat, dict) else None
        if isinstance(number, int):
            return number
    return 0
