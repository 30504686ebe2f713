"""All that the bot needs is looked at, one after the other."""

from __future__ import annotations

from bot.commands.doctor.here import (
    look_at_access,
    look_at_donations,
    look_at_memory,
    look_at_model,
    look_at_names,
    look_at_ports,
    look_at_state,
    look_at_texts,
)
from bot.commands.doctor.telegram import look_at_clock, look_at_telegram
from bot.settings.settings import Settings


async def examine(settings: Settings) -> bool:
    """Print what is found, as it is found; returns whether all is well."""
    good = True
    for look in (
        look_at_names,
        look_at_model,
        look_at_texts,
        look_at_memory,
        look_at_state,
        look_at_donations,
        look_at_clock,
        look_at_access,
        look_at_ports,
        look_at_telegram,
    ):
        async for finding in look(settings):
            print(finding, flush=True)
            good = good and finding.good
    return good
