"""Gettext catalogues of a folder, `<language>.po`, each read when it is first asked for."""

from __future__ import annotations

import io
import re
import string
from collections.abc import Callable, Mapping, Sequence
from gettext import GNUTranslations
from pathlib import Path

import polib

from bot.errors import LabelgramError, describe_error, explain_os_error
from bot.inference.names import is_folder
from bot.texts.limits import find_limit, is_blank, measure

COUNTS = range(200)
"""Numbers for which a rule of plurals is tried."""

QUOTED = r'"(?:[^"\\]|\\.)*"'
"""A text as it stands in a line of a catalogue."""

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

    def list_texts(self, language: str) -> list[tuple[str, str]]:
        """Context and key of what is said in the language's file, which `find` has read."""
        texts = polib.pofile(str(self.files[language]), encoding="utf-8").translated_entries()
        return [(entry.msgctxt or "", entry.msgid) for entry in texts]


def find_fields(text: str) -> list[str]:
    """What stands in braces in a text, with all that str.format would make of it. Raises ValueError on odd braces."""
    return [
        field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        for _, field, spec, conversion in string.Formatter().parse(text)
        if field is not None
    ]


def _load(file: Path, find_placeholders: FindPlaceholders | None) -> GNUTranslations:
    """A translator's file is a stranger's: whatever is wrong with it is told. Raises TextsError."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n") if find_placeholders else []
        _check_quotes(file, lines)
        texts = polib.pofile(str(file), encoding="utf-8")
        texts.metadata = _clean_head(texts.metadata)
        catalogue = GNUTranslations(io.BytesIO(texts.to_binary()))
        for count in COUNTS:
            catalogue.plural(count)  # type: ignore[attr-defined]  # gettext's own; a rule may divide by 0
        if find_placeholders:
            _check_all(texts, find_placeholders, file, lines)
    except TextsError:
        raise
    except UnicodeDecodeError as error:
        raise TextsError(f"{file} is not UTF-8 text. Save it as UTF-8.") from error
    except Exception as error:
        reason = explain_os_error(error) if isinstance(error, OSError) else describe_error(error)
        raise TextsError(f"the texts in {file} cannot be read: {reason}") from error
    return catalogue


def _check_quotes(file: Path, lines: Sequence[str]) -> None:
    """Raises TextsError for a text outside of quotes: polib takes its first and last letters for them."""
    for number, line in enumerate(lines, 1):
        text = re.sub(r"^(msgctxt|msgid_plural|msgid|msgstr(\[\d+\])?)\s", "", line.strip()).strip()
        if text and not text.startswith(("#", "msg")) and not re.fullmatch(QUOTED, text):
            raise TextsError(
                f'{file}, line {number}: a text stands between two straight quotes, as in "red". '
                'One of them is missing here, or a quote within has no backslash before it: \\".'
            )


def _clean_head(head: Mapping[str, str]) -> dict[str, str]:
    """The fields of a file's head that gettext reads, as it wants them. Raises ValueError."""
    fields = {name.strip().lower(): value.partition("\n")[0] for name, value in head.items()}
    charset = fields.get("content-type", "").partition("charset=")[2].strip("\"' ;")
    if charset and charset.lower() not in ("utf-8", "utf8"):
        raise ValueError(f"its head says charset={charset}. Save the file as UTF-8, and write charset=UTF-8 there.")
    wanted = {"Content-Type": "text/plain; charset=UTF-8"}
    if "plural-forms" in fields:
        parts = (part.partition("=") for part in fields["plural-forms"].split(";"))
        forms = {name.strip(): value.strip() for name, _, value in parts}
        if not (forms.get("nplurals") and forms.get("plural")):
            raise ValueError("its head has no Plural-Forms such as nplurals=2; plural=(n != 1);")
        wanted["Plural-Forms"] = f"nplurals={forms['nplurals']}; plural={forms['plural']};"
    return wanted


def _check_all(texts: polib.POFile, find_placeholders: FindPlaceholders, file: Path, lines: Sequence[str]) -> None:
    """Raises TextsError, which names the line of the first text that cannot be used."""
    for entry in texts.translated_entries():
        numbers = range(max(1, entry.linenum), len(lines) + 1)
        line = next((n for n in numbers if lines[n - 1].strip().startswith("msgstr")), entry.linenum)
        context, key = entry.msgctxt or "", entry.msgid
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            _check(text, context, key, find_placeholders(context, key), f"{file}, line {line}")


def _check(text: str, context: str, key: str, names: frozenset[str] | None, where: str) -> None:
    """Raises TextsError if str.format would fail on `text` or show anything but `names`, or Telegram refuse it."""
    if names is not None:
        _check_fields(text, names, where)
    letters, most = measure(text, names), find_limit(context, key)
    if letters > most:
        filled = " with the longest words filled in" if names else ""
        raise TextsError(f"{where}: the text has {letters} letters{filled}, {most} are the most here.")
    if is_blank(text) and key != "separator":
        raise TextsError(f"{where}: the text shows nothing. Write some words, or delete it.")


def _check_fields(text: str, names: frozenset[str], where: str) -> None:
    takes = f"This text may hold {', '.join(f'{{{name}}}' for name in sorted(names)) or 'no words in braces'}."
    try:
        fields = find_fields(text)
    except ValueError as error:
        raise TextsError(f"{where}: a brace is open or closed alone ({error}). {takes}") from error
    for field in fields:
        if field not in names:
            raise TextsError(f"{where}: {{{field[:40]}}} cannot be filled in. {takes}")
