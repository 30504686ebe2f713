"""Third hop: a prediction -> a text in the user's language.

The texts are gettext catalogues, `<language>.po`, that a translator edits with any PO editor: those of all bots are in
`bot/texts`, a bot's own in `NAME-replies` beside its model `NAME.onnx`. A text is found by context and key: `bot` (what
it says), `refusal` (why a photo has no answer), `command` (its menu), `label` (a class's name in running text) and
`answer` (the answer for one class), to name the most used. A class that no catalogue mentions gets its own name and the
general answer, so a new model needs no text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from gettext import GNUTranslations
from pathlib import Path

from bot.inference.classifier import Prediction
from bot.inference.contract import UnsureBecause
from bot.inference.decoding import Reason
from bot.texts.catalogues import Catalogues, find_fields

TEXTS = Path(__file__).parent

FALLBACK = "en"

COMMANDS = ("start", "help", "privacy", "what", "language")
"""Of the menu; with DONATING where photos may be donated."""

DONATING = ("donate", "forget")

OWNING = ("stats",)
"""Of the bot's owners, and in no menu."""

MAX_NAMED_LABELS = 10
"""A greeting names this many classes; the rest are counted."""

LABELLED = ("label", "answer")
"""Contexts of texts whose keys are classes."""

NEARLY_CERTAIN = 0.95
"""The probability from which an answer needs no bars."""

BARS = 3
"""Classes with a bar under an answer that is not nearly certain."""

BAR_LENGTH = 10


class Replies:
    """The texts of every language."""

    def __init__(self, own: Path | None = None) -> None:
        """`own` is the folder of the bot's own texts, which need not be there. Raises TextsError."""
        self._common = Catalogues(TEXTS)
        self._own = Catalogues(own, self._find_placeholders)
        self._first: dict[str, list[GNUTranslations]] = {}
        """Of a language, its own before the common ones."""
        for language in self._own.files:  # few; what a translator broke is told at the start
            self._own.find(language)

    @property
    def languages(self) -> list[str]:
        """Tags of the languages that all texts are there in."""
        return list(self._common.files)

    @property
    def digest(self) -> str:
        """Changes when any text does."""
        files = [*self._common.files.values(), *self._own.files.values()]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def greet(self, labels: Sequence[str], language: str | None) -> str:
        return self.text("bot", "start", language).format(labels=self.list_names(labels, language))

    def help(self, labels: Sequence[str], language: str | None) -> str:
        return self.text("bot", "help", language).format(labels=self.list_names(labels, language))

    def refuse(self, reason: Reason, language: str | None) -> str:
        return self.text("refusal", reason.value, language)

    def render(self, prediction: Prediction, language: str | None) -> str:
        """Say what a photo shows and how sure the model is, or why it is not; with bars if it is not nearly certain."""
        bars = f"\n\n{self._draw_bars(prediction, language)}" if prediction.probability < NEARLY_CERTAIN else ""
        match prediction.unsure_because:
            case UnsureBecause.OUTSIDER:
                labels = self.list_names(list(prediction.probabilities), language)
                return self.text("bot", "unsure-outsider", language).format(labels=labels)
            case UnsureBecause.CLOSE:
                return self.text("bot", "unsure-close", language).format(**self._name_two(prediction, language)) + bars
        special = _look(self._own_first(language), "answer", prediction.label)
        answer = special or self.text("bot", "answer", language)
        label, percent = self.name(prediction.label, language), self.percent(prediction.probability, language)
        return answer.format(label=label, percent=percent) + bars

    def album_line(self, outcome: Prediction | Reason, language: str | None) -> str:
        """What is said of one photo of an album."""
        if isinstance(outcome, Reason):
            return self.refuse(outcome, language)
        match outcome.unsure_because:
            case UnsureBecause.OUTSIDER:
                return self.text("bot", "album-outsider", language)
            case UnsureBecause.CLOSE:
                return self.text("bot", "album-close", language).format(**self._name_two(outcome, language))
        return self.text("bot", "album-line", language).format(
            label=self.name(outcome.label, language), percent=self.percent(outcome.probability, language)
        )

    def render_album(self, lines: Sequence[str], language: str | None) -> str:
        """The answer to an album, of which each photo has one of the `lines`."""
        head = self.plural("bot", "album", len(lines), language)
        numbered = (f"{number}. {line}" for number, line in enumerate(lines, start=1))
        how = ["", self.text("bot", "album-how", language)] if len(lines) > 1 else []
        return "\n".join([head, *numbered, *how])

    def name(self, label: str, language: str | None) -> str:
        """A class's name in running text."""
        return _look(self._own_first(language), "label", label) or label.replace("_", " ")

    def percent(self, probability: float, language: str | None) -> str:
        # Rounded down, and never 100: no model is that sure of a photo.
        return self.text("bot", "percent", language).format(number=min(99, int(probability * 100)))

    def text(self, context: str, key: str, language: str | None) -> str:
        """The text in the language, else in English. The key, if no language has the text."""
        return _look(self._all(language), context, key) or key

    def plural(self, context: str, key: str, number: int, language: str | None, **values: str) -> str:
        """The text in the language's form for `number`, with `{count}` and `values` filled in."""
        for catalogue in self._all(language):
            text = catalogue.npgettext(context, key, key, number)
            if text != key:
                return text.format(count=number, **values)
        return key

    def resolve_language(self, language: str | None) -> str:
        """The tag of the language in which somebody is spoken to whose Telegram has the IETF tag `language`.

        `pt-br` is looked for as `pt-br`, `pt`, then FALLBACK.
        """
        tag = (language or FALLBACK).lower()
        return next((known for known in (tag, tag.partition("-")[0]) if known in self._common.files), FALLBACK)

    def _draw_bars(self, prediction: Prediction, language: str | None) -> str:
        lines = []
        for label, probability in rank(prediction)[:BARS]:
            full = round(probability * BAR_LENGTH)
            bar = "▓" * full + "░" * (BAR_LENGTH - full)
            lines.append(f"{bar} {self.percent(probability, language)} {self.name(label, language)}")
        return "\n".join(lines)

    def _name_two(self, prediction: Prediction, language: str | None) -> dict[str, str]:
        """The names of the two most probable classes."""
        (first, _), (second, _), *_ = rank(prediction)
        return {"first": self.name(first, language), "second": self.name(second, language)}

    def list_names(self, labels: Sequence[str], language: str | None) -> str:
        """The classes' names in running text, MAX_NAMED_LABELS at most."""
        separator = self.text("bot", "separator", language)
        names = separator.join(self.name(label, language) for label in labels[:MAX_NAMED_LABELS])
        more = len(labels) - MAX_NAMED_LABELS
        return self.plural("bot", "more-labels", more, language, names=names) if more > 0 else names

    def find_unused(self, labels: Sequence[str]) -> Iterator[str]:
        """What is wrong with each of the bot's own texts that it never says, given the model's classes."""
        for language, file in self._own.files.items():
            if language not in self._common.files:
                yield f"{file} is in none of the bot's languages. Name it after one of them, such as {FALLBACK}.po."
                continue
            for context, key in self._own.list_texts(language):
                if context in LABELLED and key not in labels:
                    yield f"{file} has a text for the class {key}, which the model does not have."
                elif context not in LABELLED and self._find_placeholders(context, key) is None:
                    yield f"{file} has a text that no bot says: msgctxt {context}, msgid {key}. Is it misspelt?"

    def _find_placeholders(self, context: str, key: str) -> frozenset[str] | None:
        """What may stand in braces in one of a bot's own texts: the same as in the English one."""
        if context == "answer":
            return frozenset({"label", "percent"})
        english = self._common.find(FALLBACK)
        assert english
        text = english.pgettext(context, key)
        return None if text == key else frozenset(find_fields(text))

    def _own_first(self, language: str | None) -> Sequence[GNUTranslations]:
        """The language's catalogues: not English ones, since there is something to say in the language without them."""
        tag = self.resolve_language(language)
        if tag not in self._first:
            found = (texts.find(tag) for texts in (self._own, self._common))
            self._first[tag] = [catalogue for catalogue in found if catalogue]
        return self._first[tag]

    def _all(self, language: str | None) -> Iterator[GNUTranslations]:
        yield from self._own_first(language)
        yield from self._own_first(FALLBACK)


def rank(prediction: Prediction) -> list[tuple[str, float]]:
    """Classes and their probabilities, the most probable first."""
    return sorted(prediction.probabilities.items(), key=lambda item: item[1], reverse=True)


def _look(catalogues: Iterable[GNUTranslations], context: str, key: str) -> str | None:
    for catalogue in catalogues:
        text = catalogue.pgettext(context, key)
        if text != key:  # gettext gives the key back where it has nothing
            return text
    return None
