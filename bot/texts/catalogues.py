"""Gettext catalogues of a folder, `<language>.po`, each read when it is first asked for."""

from __future__ import annotations

import io
import string
from collections.abc import Callable
from gettext import GNUTranslations
from pathlib import Path

import polib

from bot.errors import LabelgramError
from bot.inference.names import is_folder

MAX_LETTERS = 3000
"""Of a text: a message has 4,096 at most (Bot API, sendMessage), and names and bars are added."""
COUNTS = range(200)
"""Numbers for which a rule of plurals is tried."""

FindPlaceholders = Callable[[str, str], frozenset[str] | None]
"""Context and key of a text -> the names that may stand in braces there. None: braces mean nothing in it."""


class TextsError(LabelgramError):
    """A catalogue cannot be read; the message names it and says why."""


class Catalogues:
    """Of a folder, each read when it is first asked for: a bot speaks few languages at a time."""

    def __init__(self, folder: Path | None, find_placeholders: FindPlaceholders | None = None) -> None:
        """Texts are checked as they are read if `find_placeholders` says what may be in them."""
        self.files = {file.stem: file for file in sorted(folder.glob("*.po"))} if folder and is_folder(folder) else {}
        self._find_placeholders = find_placeholders
        self._known: dict[str, GNUTranslations] = {}

    def find(self, language: str) -> GNUTranslations | None:
        """The language's catalogue, if there is one. Raises TextsError."""
        if language in self.files and language not in self._known:
            self._known[language] = _load(self.files[language], self._find_placeholders)
        return self._known.get(language)


def find_fields(text: str) -> list[str]:
    """What stands in braces in a text, with all that str.format would make of it. Raises ValueError on odd braces."""
    return [
        field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        for _, field, spec, conversion in string.Formatter().parse(text)
        if field is not None
    ]


def _load(file: Path, find_placeholders: FindPlaceholders | None) -> GNUTranslations:
    try:
        texts = polib.pofile(str(file), encoding="utf-8")
        catalogue = GNUTranslations(io.BytesIO(texts.to_binary()))
        for count in COUNTS:
            catalogue.plural(count)  # type: ignore[attr-defined]  # gettext's own; a rule may divide by 0
    except (OSError, ValueError, SyntaxError, ArithmeticError) as error:
        raise TextsError(f"the texts in {file} cannot be read: {error}") from error
    if find_placeholders:
        lines = file.read_text(encoding="utf-8").splitlines()
        for entry in texts.translated_entries():
            first = next(n for n, line in enumerate(lines, 1) if n >= entry.linenum and line.startswith("msgstr"))
            names = find_placeholders(entry.msgctxt or "", entry.msgid)
            for text in entry.msgstr_plural.values() or [entry.msgstr]:
                _check(text, names, f"{file}, line {first}")
    return catalogue


def _check(text: str, names: frozenset[str] | None, where: str) -> None:
    """Raises TextsError if str.format would fail on `text`, show anything but `names`, or make it wide."""
    if len(text) > MAX_LETTERS:
        raise TextsError(f"{where}: the text has {len(text)} letters, {MAX_LETTERS} are the most.")
    if names is None:
        return
    takes = f"This text may hold {', '.join(f'{{{name}}}' for name in sorted(names)) or 'no words in braces'}."
    try:
        fields = find_fields(text)
    except ValueError as error:
        raise TextsError(f"{where}: a brace is open or closed alone ({error}). {takes}") from error
    for field in fields:
        if field not in names:
            raise TextsError(f"{where}: {{{field[:40]}}} cannot be filled in. {takes}")
