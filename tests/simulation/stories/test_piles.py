"""A pile of one person's photos is answered in order and at the chat's pace, and nobody else waits for it."""

from __future__ import annotations

from tests.simulation.loop import START
from tests.simulation.people import Chat
from tests.simulation.plan import PACE, Plan
from tests.simulation.run import run_plan
from tests.simulation.server.fates import Trouble

PILE = 200


def test_a_pile_takes_no_longer_than_the_chats_pace() -> None:
    asleep = Trouble("polls", START + 1, START + PACE * PILE)
    result = run_plan(Plan(seed=1, chats=[Chat(7, (7,))], troubles=[asleep], actions=10, pile=PILE))
    assert not result.faults
    answers = [line.split() for line in result.lines if "    sent " in line and " to 96," in line]
    numbers = [int(words[7].rstrip(":")) for words in answers]
    assert len(numbers) == PILE
    assert numbers == sorted(numbers)
    assert float(answers[-1][0]) - PACE * PILE < PILE  # a second each, but for the first twelve


def test_others_texts_do_not_wait_for_a_burst_of_photos_that_has_the_only_place() -> None:
    chats = [Chat(number, (number,)) for number in (7, 8, 9, 10)]
    result = run_plan(Plan(seed=2, chats=chats, troubles=[], actions=60, slots=1, burst=START + 5))
    assert not result.faults
