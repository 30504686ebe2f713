"""`--sort-into DIR`: each photo is copied into a folder of its label. Nothing is moved, deleted or overwritten."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bot.commands.classify.output import Answer
from bot.errors import LabelgramError, explain_os_error
from bot.inference.names import is_folder, lies_in, show_path
from bot.whole_files import name_whole, remove_stale, write_beside

UNSURE = "unsure"
"""The folder of photos that get no label."""
MAX_NAME = 255
"""Bytes of a file's or folder's name (man 2 statfs, nearly everywhere)."""
MAX_SUFFIX = 20
"""Bytes of what a numbered copy's name ends in."""
STDIN = "-"


class SortError(LabelgramError):
    """Photos cannot be sorted into this folder; the message says why."""


class Sorter:
    def __init__(self, target: Path, sources: Sequence[str], labels: Iterable[str]) -> None:
        """`sources` are the files and folders that are read.

        Raises SortError if `target` is in one or holds one, is no folder, or if a source has no name to copy it under.
        """
        for source in sources:
            if source == STDIN:
                raise SortError("--sort-into copies files, not standard input. Name the photo's file.")
            if lies_in(source, target):
                raise SortError(f"--sort-into {target} holds {source}, which is read. Name a folder elsewhere.")
            if is_folder(source) and lies_in(target, source):
                raise SortError(f"--sort-into {target} is inside of {source}, which is read. Name a folder elsewhere.")
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SortError(
                f"--sort-into {target}: {explain_os_error(error)}. Name a folder that can be written."
            ) from error
        self._target = target
        self._folders = name_folders(labels)
        for name in (UNSURE, *self._folders.values()):
            remove_stale(target / name)

    def holds(self, path: str) -> bool:
        """Whether `path` leads into the folder of the copies."""
        return lies_in(path, self._target)

    def copy(self, answer: Answer, data: bytes) -> Answer:
        """The same answer; with an error if the photo, whose file's bytes are `data`, could not be copied."""
        assert answer.prediction
        folder = self._target / (UNSURE if answer.prediction.unsure else self._folders[answer.prediction.label])
        try:
            folder.mkdir(exist_ok=True)
            _copy(Path(answer.path), data, folder)
        except OSError as error:
            why = f"it could not be copied to {show_path(folder)}: {error.strerror}"
            return replace(answer, prediction=None, error=why)
        return answer


def name_folders(labels: Iterable[str]) -> dict[str, str]:
    """A folder for each label, its own name where that is one. No two are the same, also where case does not count."""
    names = {label: label.replace(os.sep, "_").replace("\0", "_").lstrip(".") or "_" for label in labels}
    folders, taken = dict[str, str](), {UNSURE}
    for label, name in sorted(names.items(), key=lambda pair: pair[0] != pair[1]):  # those that are a name come first
        number, folder = 1, _shorten(name, "")
        while _fold(folder) in taken:
            number += 1
            folder = _shorten(name, f"-{number}")
        folders[label] = folder
        taken.add(_fold(folder))
    return folders


def _fold(name: str) -> str:
    """The same for names that are one folder on some systems."""
    return unicodedata.normalize("NFC", name).casefold()


def _shorten(stem: str, end: str) -> str:
    """A name that a file system takes: of a long one, what fits before `end`."""
    room = MAX_NAME - len(os.fsencode(end))
    return os.fsencode(stem)[:room].decode(errors="ignore") + end if len(os.fsencode(stem)) > room else stem + end


def _copy(photo: Path, data: bytes, folder: Path) -> None:
    """Under its own name; where another photo has it, as `name-2.jpg`. The same photo again is not copied again.

    What is killed half way leaves a hidden file, which goes the next time. Where there are no links it may leave an
    empty one of the photo's name: that stays, since it may as well be the user's own.
    """
    suffix = photo.suffix if len(os.fsencode(photo.suffix)) <= MAX_SUFFIX else ""
    stem = photo.name.removesuffix(suffix)
    with write_beside(folder / photo.name, data, lasting=False) as part:
        with suppress(OSError):  # some file systems keep neither
            status = photo.stat()
            shutil.copymode(photo, part)
            os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
        number = 0
        while True:
            number += 1
            copy = folder / (photo.name if number == 1 else _shorten(stem, f"-{number}{suffix}"))
            if not os.path.lexists(copy):
                try:
                    name_whole(part, copy)
                except FileExistsError:  # since now
                    continue
                return
            if copy.is_file() and copy.stat().st_size == len(data) and copy.read_bytes() == data:
                return
