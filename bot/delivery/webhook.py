"""Updates by webhook: Telegram's request gets its 200 when the update is answered, and comes again otherwise."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramRetryAfter
from aiohttp import web
from yarl import URL

from bot.backoff import backoff
from bot.delivery.at_least_once import Delivery
from bot.delivery.lanes.waiting import ChatHeld, Policy
from bot.delivery.retries import UNKNOWN
from bot.delivery.updates.parsing import parse
from bot.monitoring.endpoints import add_health
from bot.monitoring.health import Health
from bot.storage.ledger import RetryLater
from bot.storage.pseudonyms import Pseudonymiser

MAX_BODY = 4_000_000
"""Bytes. A message with all the formatted text that Telegram allows in it has 1.4 MB."""
BODY_SECONDS = 15.0
"""Time for a request's body, once its headers are there."""
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
QUEUE = 4
"""Updates that are taken in, in work and waiting, for each that may be in work."""
LONGEST_PAUSE = 3600
"""Seconds after which an update comes again at the latest."""
AGAIN = 900.0
"""Seconds until a webhook that was taken away is set for another time. A copy that polls takes it away each time."""
MAX_CONNECTIONS = 100
"""The most that Telegram opens (Bot API, setWebhook)."""

log = logging.getLogger(__name__)


def make_secret(pseudonymise: Pseudonymiser) -> str:
    """A webhook secret where none is set: the same in every replica, and no way back to the token."""
    return pseudonymise("webhook")


@dataclass
class Registration:
    """The webhook as Telegram knows it. Every program that has the token may take it away."""

    delivery: Delivery
    url: str
    secret: str
    _named: str = field(default="", init=False)
    """The address as Telegram writes it, once it was asked."""
    _again_at: float = field(default=-math.inf, init=False)
    """When it was last set again (by `time.monotonic`)."""

    async def make(self, is_token_wrong: Callable[[], bool]) -> None:
        """Have Telegram send updates to `url`; what it holds stays. Tries for as long as Telegram is in trouble.

        Raises TelegramBadRequest if Telegram does not take the address; TelegramUnauthorizedError or TelegramNotFound
        if it does not know the token and `is_token_wrong`.
        """
        attempt = 0
        while True:
            try:
                await self._set()
                break
            except AiogramError as error:
                if isinstance(error, TelegramBadRequest) or (isinstance(error, UNKNOWN) and is_token_wrong()):
                    raise
                attempt += 1
                wait = float(error.retry_after) if isinstance(error, TelegramRetryAfter) else backoff(attempt)
                log.warning("the webhook could not be set: %s; trying again in %.1f s", type(error).__name__, wait)
            await asyncio.sleep(wait)
        with suppress(AiogramError):
            self._named = (await self.delivery.bot.get_webhook_info()).url

    async def find_trouble(self) -> str | None:
        """Why Telegram brings no updates to `url`. A webhook that was taken away is set again. Raises AiogramError.

        Not before AGAIN has passed since the last time. One that leads elsewhere stays: it may be that of the version
        that comes after this one.
        """
        there = (await self.delivery.bot.get_webhook_info()).url
        if not there:
            if time.monotonic() - self._again_at >= AGAIN:
                log.warning("another program has taken the webhook away, as a copy that polls does; it is set again")
                await self._set()
                self._again_at = time.monotonic()
            return "the webhook was taken away"
        self._named = self._named or there
        return None if there == self._named else "another program has the webhook"

    async def _set(self) -> None:
        await self.delivery.bot.set_webhook(
            self.url,
            secret_token=self.secret,
            max_connections=min(MAX_CONNECTIONS, QUEUE * self.delivery.at_once),
            allowed_updates=self.delivery.dispatcher.resolve_used_update_types(),
            drop_pending_updates=False,
        )


def build_app(delivery: Delivery, health: Health, url: str, secret: str) -> web.Application:
    """The application behind `url`: its path takes updates, /healthz and /readyz are there, all else is a 404."""

    async def receive(request: web.Request) -> web.Response:
        """200 when the update needs nothing more, also if it is not an update: Telegram repeats any other status."""
        given = request.headers.get(SECRET_HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, secret.encode()):
            return web.Response(status=401)
        if health.stopped.is_set() or delivery.in_work >= QUEUE * delivery.at_once:
            return _come_again()
        try:
            raw = await _read_json(request)
        except ConnectionError:  # the sender is gone, and will send it again
            return _come_again()
        incoming = parse(raw, delivery.bot, delivery.metrics)
        if incoming is None:
            return web.Response()
        try:
            await delivery.deliver(incoming, Policy.RESEND)
        except RetryLater as reason:
            log.info("an update has to come again: %s", reason)
            return _come_again(reason.seconds if isinstance(reason, ChatHeld) else 1)
        except Exception:  # what one update raises is over with it
            log.exception("an update failed, and is passed over")
        return web.Response()

    app = web.Application(client_max_size=MAX_BODY)
    # aiohttp compares what is asked for without its percent signs, and would take braces for a pattern.
    resource = web.PlainResource(URL(url, encoded=True).path_safe)
    resource.add_route("POST", receive)
    app.router.register_resource(resource)
    add_health(app, health.find_trouble)
    return app


async def _read_json(request: web.Request) -> object:
    """What a body says, or None where it is no JSON. Raises web.HTTPException where the sender has to do better."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return json.loads(await request.read())
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except web.RequestPayloadError:  # its body is not packed as its headers say, which is not Telegram's doing
        raise web.HTTPBadRequest from None
    except web.HTTPRequestEntityTooLarge:
        log.warning("an update of more than %d MB came", MAX_BODY // 1_000_000)
    except (ValueError, RecursionError):
        if request.headers.get("Content-Encoding"):  # packed by a proxy, and cut off
            raise web.HTTPBadRequest from None
    return None


def _come_again(seconds: float = 1) -> web.Response:
    wait = math.ceil(min(max(seconds, 1), LONGEST_PAUSE))
    return web.Response(status=503, headers={"Retry-After": str(wait)})
