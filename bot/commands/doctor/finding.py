"""What one look finds."""

from __future__ import annotations

from dataclasses import dataclass

from bot.inference.names import show_path
from bot.redaction import hide_secrets


@dataclass(frozen=True)
class Finding:
    good: bool
    what: str
    text: str
    """What is so, or what is wrong and what to do."""

    def __str__(self) -> str:
        return show_path(hide_secrets(f"{'ok ' if self.good else 'BAD'}  {self.what}: {self.text}"))
