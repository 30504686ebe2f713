"""The bot with seconds for minutes, for what would take a test too long."""

from __future__ import annotations

import sys

from bot.__main__ import main
from bot.commands import loading
from bot.inference.classifier import Classifier
from bot.settings.settings import Settings

load = loading.load


def load_hastily(settings: Settings) -> Classifier:
    classifier = load(settings)

    from bot import app
    from bot.delivery import pacing, retries
    from bot.delivery.backlog import backlog
    from bot.storage.rate_limits import Rate

    app.TIDIED_EVERY = 1.0
    retries.BELIEVED_AFTER = 3.0
    retries.AT_THE_START = 3.0
    pacing.CHAT, pacing.GROUP = Rate(per_second=20, burst=12), Rate(per_second=10, burst=5)
    backlog.LOOK_EVERY = 0.1
    return classifier


if __name__ == "__main__":
    loading.load = load_hastily
    sys.exit(main())
