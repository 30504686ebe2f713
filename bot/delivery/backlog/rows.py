"""An update in work <-> its row in the state, which holds what its answer needs and nothing else.

Times in rows are those of the system's clock, which may be set at any moment, as at the start of a Raspberry Pi. A
process relies on them for nothing but what another one has put down.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace

from aiogram import Bot
from aiogram.types import User

from bot.delivery.updates.identity import find_date
from bot.delivery.updates.incoming import Entry, Incoming
from bot.delivery.updates.parsing import parse
from bot.delivery.updates.reduction import reduce_update
from bot.monitoring.metrics import Metrics
from bot.storage.backlog import PutDownUpdate

FLAWS = ("is_cut", "lost_picture", "is_apart", "is_unasked")
"""What is known of an update, and does not show in what is put down of it."""


def make_row(entry: Entry, me: User | None, person: str, pause: float, attempts: int) -> PutDownUpdate:
    """`me` is the bot, if Telegram has said so; `person` the pseudonym of whose the update is.

    `pause`: seconds until it is due. A clock that is behind Telegram's date of the message does not count.
    """
    flaws = {name: getattr(entry.incoming, name) for name in FLAWS}
    return PutDownUpdate(
        key=entry.key,
        person=person,
        update=json.dumps(reduce_update(entry.update, me) | {"update_id": entry.incoming.number} | flaws),
        since=max(time.time() - entry.slot.age, find_date(entry.update)),
        due=time.time() + pause,
        attempts=attempts,
    )


def read_row(row: PutDownUpdate, bot: Bot, metrics: Metrics) -> Incoming | None:
    """None: nothing can be made of it."""
    try:
        raw = json.loads(row.update)
    except ValueError:
        return None
    flaws = {name: raw.pop(name, False) for name in FLAWS}
    incoming = parse(raw, bot, metrics)
    since = time.monotonic() - max(0.0, time.time() - row.since)
    return replace(incoming, since=since, **flaws) if incoming and incoming.update else None
