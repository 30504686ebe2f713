"""Which of the updates that were put down go on next."""

from __future__ import annotations

import math

from bot.delivery.backlog.places import EACH, LaneName, Place, Places
from bot.delivery.updates.identity import Lane

NOW = 1000.0


def put(places: Places, lane: LaneName | None, *numbers: int, due: float = NOW) -> None:
    for number in numbers:
        places.put(f"{number}", Place("somebody", lane, number, since=0, due=due, attempts=0))


def photos_of(chat: int) -> LaneName:
    return chat, Lane.PHOTO


def test_the_first_of_each_lane_comes_before_the_second_of_any() -> None:
    places = Places()
    put(places, photos_of(1), 1, 2, 3, 4)
    put(places, photos_of(2), 5, 6)
    assert places.choose(NOW, [], 10, math.inf) == ["1", "5", "2", "6", "3"]
    assert places.choose(NOW, ["1", "2"], 3, math.inf) == ["5"]


def test_lanes_take_turns_where_there_are_more_than_places() -> None:
    """Of 40 groups that may be sent one in four seconds none keeps another chat waiting, which came later."""
    places = Places()
    for group in range(40):
        put(places, photos_of(-1 - group), *range(100 * group, 100 * group + 50))
    put(places, photos_of(1), *range(5000, 5010))
    most = 32
    in_work: list[str] = []
    private = 0
    for _ in range(40):
        in_work += places.choose(NOW, in_work, most, math.inf)
        assert len(in_work) <= most
        done, in_work = in_work[:8], in_work[8:]
        private += sum(int(key) >= 5000 for key in done)
        for key in done:
            places.discard(key)
    assert private >= 6


def test_what_is_not_due_holds_up_its_own_lane_alone() -> None:
    places = Places()
    put(places, photos_of(1), 1, due=NOW + 5)
    put(places, photos_of(1), 2, 3)
    put(places, photos_of(2), 4)
    assert places.choose(NOW, [], 10, math.inf) == ["4"]
    assert places.choose(NOW + 5, ["4"], 10, math.inf) == ["1", "2", "3"]


def test_what_has_left_its_lane_waits_for_no_other() -> None:
    places = Places()
    put(places, None, 1, due=NOW + 5)
    put(places, None, *range(2, 2 + 2 * EACH))
    assert places.choose(NOW, [], 100, math.inf) == [str(number) for number in range(2, 2 + 2 * EACH)]


def test_nothing_begins_that_is_behind_what_telegram_has_not_shown_yet() -> None:
    """What was in work when the process died comes again, and goes before the rows that were behind it."""
    places = Places()
    put(places, photos_of(1), 5, 6, 8)
    assert places.choose(NOW, [], 10, -math.inf) == []
    assert places.choose(NOW, [], 10, 6) == ["5", "6"]
    assert places.choose(NOW, ["5", "6"], 10, 9) == ["8"]
