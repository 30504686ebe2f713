"""How long a file is waited for that does not come."""

from __future__ import annotations

import pytest

from tests.simulation.loop import START
from tests.simulation.people import Chat
from tests.simulation.plan import Plan
from tests.simulation.run import run_plan
from tests.simulation.server.fates import Trouble

CHAT = Chat(7, (7,))


@pytest.mark.parametrize("webhook", [False, True])
def test_another_file_in_its_place_is_waited_for_five_minutes(webhook: bool) -> None:
    pages = Trouble("file pages", START, START + 2000, chat=7)
    result = run_plan(Plan(seed=5, chats=[CHAT], troubles=[pages], actions=8, webhook=webhook))
    asked = [float(line.split()[0]) for line in result.lines if line.split()[1:3] == ["file", "7"]]
    assert 250 < asked[-1] < 700  # what was put down is tried every five minutes
    assert result.faults
    assert all("got refusal not-delivered" in fault or "album" in fault for fault in result.faults)


def test_a_photo_whose_chat_was_held_for_long_survives_a_file_server_that_fails_once() -> None:
    """By polling it is put down, and older than a file is waited for when its chat can be written to again."""
    hold = Trouble("hold", START + 1, START + 4000, chat=7)
    hiccups = Trouble("file errors", START + 3600, START + 4600, chat=7, strength=0.3)
    result = run_plan(Plan(seed=5, chats=[CHAT], troubles=[hold, hiccups], actions=0, crowd=60))
    assert any("file 7 page" in line for line in result.lines)
    assert not result.faults
