"""The bot without the limits on how fast it sends and takes, which are Telegram's, to see what the machine can do."""

from __future__ import annotations

import sys

from bot.__main__ import main
from bot.commands import loading
from bot.inference.classifier import Classifier
from bot.settings.settings import Settings

load = loading.load


def load_unpaced(settings: Settings) -> Classifier:
    classifier = load(settings)

    from bot.delivery import pacing
    from bot.storage.rate_limits import Rate
    from bot.telegram import middlewares

    pacing.OVERALL = pacing.CHAT = middlewares.SENDER = Rate(per_second=1e6, burst=10**6)
    return classifier


if __name__ == "__main__":
    loading.load = load_unpaced
    sys.exit(main())
