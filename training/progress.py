"""How far a stage is: a bar on a terminal, nothing in a file or a pipe, where bars would be thousands of lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from fastprogress.fastprogress import progress_bar

Item = TypeVar("Item")


def shows_bars() -> bool:
    """Whether the output is a terminal."""
    return sys.stdout.isatty()


def follow(items: Iterable[Item], total: int) -> Iterable[Item]:
    """The items, with a bar on a terminal. Elsewhere the line that named the stage is enough."""
    return progress_bar(items, total=total, leave=False) if shows_bars() else items
