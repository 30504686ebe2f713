"""What the page tells of the bot before anything is sent: the model, its card, examples, commands, the page's words."""

from __future__ import annotations

import re
from pathlib import Path

from bot.inference.names import is_folder
from bot.inference.photo_files import find_photos
from bot.preview.card import describe_card
from bot.telegram.dispatcher import Parts
from bot.texts.replies import COMMANDS, DONATING

TEXTS = (
    *(
        "direction",
        "title",
        "tagline",
        "card",
        "whole-card",
        "close",
        "chat",
        "drop-here",
        "tap-here",
        "drop",
        "examples",
        "start",
        "commands",
        "choose",
    ),
    *("camera", "take", "cancel", "message", "send", "reply", "in-reply", "buttons", "typing"),
    *("your-photo", "bot-photo", "failed", "unreachable", "no-camera"),
)
"""What the page says by itself, in its language: keys in bot/texts."""
MOST_EXAMPLES = 3
MOST_CLASSES = 10
"""Classes that are named before anything is sent."""
HEADLINE = re.compile(r"\*\*([^*]*\d\s?%[^*]*)\*\*")
"""The headline figure of a card that another program wrote: the first bold words with a share in them."""


class About:
    """Of one model file, what lies beside it: its card `NAME.md` and example photos in `NAME-examples/`."""

    def __init__(self, model: Path, parts: Parts) -> None:
        self._file, self._name = model.name, model.stem
        self._card = model.with_suffix(".md")
        self._parts = parts
        folder = model.with_name(f"{model.stem}-examples")
        photos = find_photos(folder)[:MOST_EXAMPLES] if is_folder(folder) else []
        self.examples = {photo.name: photo for photo in photos}
        """Files by the names that the page asks for."""

    def describe(self, language: str | None) -> dict[str, object]:
        """As JSON, in the language. `card` is the file beside the model, in English, or None without one.

        `own_card` is made of the model's metadata, or None where they have no figures.
        """
        replies, contract = self._parts.replies, self._parts.classifier.contract
        card, own_card = self._read_card(), describe_card(self._file, contract, replies, language)
        names = (*COMMANDS, *DONATING) if self._parts.donations.are_on else COMMANDS
        labels = contract.labels
        return {
            "language": replies.resolve_language(language),
            "texts": {name: replies.text("preview", name, language) for name in TEXTS},
            "description": replies.text("profile", "description", language),
            "commands": [{"name": f"/{name}", "does": replies.text("command", name, language)} for name in names],
            "model": {
                "name": self._name,
                "classes": [replies.name(label, language) for label in labels[:MOST_CLASSES]],
                "more": max(0, len(labels) - MOST_CLASSES),
                "headline": own_card.headline if own_card else _find_headline(card),
            },
            "examples": list(self.examples),
            "card": card,
            "own_card": own_card and own_card.markdown,
        }

    def _read_card(self) -> str | None:
        """What `python -m export` wrote beside the model, in Markdown, if it is there."""
        try:
            return self._card.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None


def _find_headline(card: str | None) -> str | None:
    headline = HEADLINE.search(card or "")
    return " ".join(headline[1].split()) if headline else None
