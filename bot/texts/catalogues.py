"""Gettext catalogues of a folder, `<language>.po`, each read when it is first asked for."""

from __future__ import annotations

import io
from gettext import GNUTranslations
from pathlib import Path

import polib

from bot.errors import LabelgramError


class TextsError(LabelgramError):
    """A catalogue cannot be read; the message names it and says why."""


class Catalogues:
    """Of a folder, each read when it is first asked for: a bot speaks few languages at a time."""

    def __init__(self, folder: Path | None) -> None:
        self.files = {file.stem: file for file in sorted(folder.glob("*.po"))} if folder else {}
        self._known: dict[str, GNUTranslations] = {}

    def find(self, language: str) -> GNUTranslations | None:
        if language in self.files and language not in self._known:
            self._known[language] = _load(self.files[language])
        return self._known.get(language)


def _load(file: Path) -> GNUTranslations:
    try:
        return GNUTranslations(io.BytesIO(polib.pofile(str(file), encoding="utf-8").to_binary()))
    except (OSError, ValueError, SyntaxError) as error:
        raise TextsError(f"the texts in {file} cannot be read: {error}") from error
