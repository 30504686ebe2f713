"""What several tests of the delivery start with."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.bot_process import StartBot, listen_on


@pytest.fixture(params=["polling", "webhook"])
def start(request: pytest.FixtureRequest, start_bot: StartBot, free_port: int) -> StartBot:
    """Starts the bot in the one way and in the other."""
    return start_bot if request.param == "polling" else partial(start_bot, **listen_on(free_port))
