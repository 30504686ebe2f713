"""Dataclasses <-> JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from training.records import from_json, to_json


@dataclass(frozen=True)
class Inner:
    share: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Outer:
    name: str
    parts: dict[str, Inner]
    numbers: list[int]
    recipe: dict[str, Any]
    other: Inner | None = None


OUTER = Outer("a", {"x": Inner(1 / 3, (0.0, 1.0))}, [1, 2], {"any": [1, {"b": None}]})


def test_what_is_written_is_read_again() -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(OUTER)))) == OUTER
    assert to_json(OUTER, digits=2)["parts"]["x"]["share"] == 0.33


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "^name is 1, not a text"),
        ({"numbers": [1, "2"]}, "^numbers is '2', not a whole number"),
        ({"numbers": [1, 10**400]}, "^numbers is too large a number"),
        ({"parts": {"x": {"share": 1}}}, "^parts.x lacks interval"),
        ({"parts": {"x": {"share": 1, "interval": [1]}}}, r"^parts.x.interval is \[1\], not such a list"),
        ({"parts": []}, r"^parts is \[\], not an object"),
        ({"other": 3}, "^other is 3, not an object"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(Outer, to_json(OUTER) | change)


def test_what_is_no_record_at_all_is_named_in_plain_words() -> None:
    with pytest.raises(ValueError, match=r"^it is None, not an object"):
        from_json(Outer, None)
    with pytest.raises(ValueError, match=r"^it lacks name"):
        from_json(Outer, {})
