"""Third hop: a prediction -> a text in the user's language.

The texts are gettext catalogues, `texts/<language>.po`, that a translator edits with any PO editor. A message is
found by context and key: `bot` (what it says), `refusal` (why a photo has no answer), `command` (its menu),
`label` (a class's name in running text) and `answer` (the answer for one class). A class that no catalogue
mentions gets its own name and the general answer, so a new model needs no text.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from gettext import GNUTranslations
from pathlib import Path

import polib

from bot.classifier import Prediction
from bot.photo import Reason

TEXTS = Path(__file__).parent / "texts"
FALLBACK = "en"
COMMANDS = ("start", "help", "privacy")
MAX_NAMED_LABELS = 10
"""A greeting names this many classes; the rest are counted."""


class Replies:
    """The texts of every language, loaded once."""

    def __init__(self, folder: Path = TEXTS) -> None:
        self._catalogues = {file.stem: _load(file) for file in sorted(folder.glob("*.po"))}
        for language, catalogue in self._catalogues.items():
            if language != FALLBACK:
                catalogue.add_fallback(self._catalogues[FALLBACK])

    @property
    def languages(self) -> list[str]:
        return list(self._catalogues)

    def greet(self, labels: Sequence[str], language: str | None) -> str:
        return self._say("bot", "start", language).format(labels=self._list(labels, language))

    def help(self, labels: Sequence[str], language: str | None) -> str:
        return self._say("bot", "help", language).format(labels=self._list(labels, language))

    def hint(self, language: str | None) -> str:
        """The answer to anything that is not a photo."""
        return self._say("bot", "hint", language)

    def explain_privacy(self, language: str | None) -> str:
        """What happens to a photo."""
        return self._say("bot", "privacy", language)

    def slow_down(self, language: str | None) -> str:
        """What a person is told, once, who sends more than the bot takes."""
        return self._say("bot", "slow-down", language)

    def apologise(self, language: str | None) -> str:
        """The answer to a photo that could not be answered in several attempts."""
        return self._say("bot", "failed", language)

    def refuse(self, reason: Reason, language: str | None) -> str:
        return self._say("refusal", reason.value, language)

    def command(self, name: str, language: str | None) -> str:
        """The description of one of COMMANDS in Telegram's menu."""
        return self._say("command", name, language)

    def render(self, prediction: Prediction, language: str | None) -> str:
        """Say what a photo shows and how sure the model is, or that it is not."""
        if prediction.unsure:
            return self._say("bot", "unsure", language)
        answer = self._say("answer", prediction.label, language)
        if answer == prediction.label:  # gettext gives the key back where no catalogue has it
            answer = self._say("bot", "answer", language)
        return answer.format(
            label=self._name(prediction.label, language), percent=self._percent(prediction.probability, language)
        )

    def _percent(self, probability: float, language: str | None) -> str:
        # Rounded down, and never 100: no model is that sure of a photo.
        return self._say("bot", "percent", language).format(number=min(99, int(probability * 100)))

    def _list(self, labels: Sequence[str], language: str | None) -> str:
        names = ", ".join(self._name(label, language) for label in labels[:MAX_NAMED_LABELS])
        more = len(labels) - MAX_NAMED_LABELS
        if more <= 0:
            return names
        catalogue = self._catalogue(language)
        return catalogue.npgettext("bot", "more-labels", "more-labels", more).format(names=names, count=more)

    def _name(self, label: str, language: str | None) -> str:
        name = self._say("label", label, language)
        return name if name != label else label.replace("_", " ")

    def _say(self, context: str, key: str, language: str | None) -> str:
        return self._catalogue(language).pgettext(context, key)

    def _catalogue(self, language: str | None) -> GNUTranslations:
        """Of an IETF tag as Telegram sends it: `pt-br` is looked for as `pt-br`, `pt`, then FALLBACK."""
        tag = (language or FALLBACK).lower()
        for candidate in (tag, tag.partition("-")[0]):
            if candidate in self._catalogues:
                return self._catalogues[candidate]
        return self._catalogues[FALLBACK]


def _load(file: Path) -> GNUTranslations:
    return GNUTranslations(io.BytesIO(polib.pofile(str(file), encoding="utf-8").to_binary()))
