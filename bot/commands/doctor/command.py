"""The command: whether all is there is its exit status."""

from __future__ import annotations

import argparse
import asyncio

from bot.settings.settings import Settings
from bot.startup.lazy_aiogram import import_aiogram


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Returns the exit status: 0, or 1 if something is missing."""
    import_aiogram(settings.aiogram_import)

    from bot.commands.doctor.examination import examine

    return 0 if asyncio.run(examine(settings)) else 1
