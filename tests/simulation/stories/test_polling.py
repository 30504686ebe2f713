"""A chat that is held costs few requests, and others little time."""

from __future__ import annotations

from itertools import pairwise

from bot.delivery.polling import LONGEST_PAUSE
from tests.simulation.loop import START
from tests.simulation.people import Chat
from tests.simulation.plan import Plan
from tests.simulation.run import run_plan
from tests.simulation.server.fates import Trouble

HELD = 1200.0


def test_polling_slows_down_while_nothing_comes_and_an_update_is_held() -> None:
    hold = Trouble("hold", START + 1, START + HELD, chat=7)
    plan = Plan(seed=1, chats=[Chat(7, (7,)), Chat(8, (8,))], troubles=[hold], actions=10)
    result = run_plan(plan)
    assert not result.faults
    polls = [float(line.split()[0]) for line in result.lines if line.split()[1] == "getUpdates"]
    held = [time for time in polls if 100 < time < HELD]
    assert len(held) < (HELD - 100) / LONGEST_PAUSE
    assert max(later - earlier for earlier, later in pairwise(held)) < 2  # others wait no longer
