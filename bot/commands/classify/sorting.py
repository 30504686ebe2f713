"""`--sort-into DIR`: each photo is copied into a folder of its label. Nothing is moved, deleted or overwritten."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from io import BufferedWriter
from pathlib import Path
from typing import BinaryIO

from bot.commands.classify.output import Answer
from bot.errors import LabelgramError, explain_os_error
from bot.inference.names import is_folder

UNSURE = "unsure"
"""The folder of photos that get no label."""


class SortError(LabelgramError):
    """Photos cannot be sorted into this folder; the message says why."""


class Sorter:
    def __init__(self, target: Path, sources: Sequence[str]) -> None:
        """`sources` are the files and folders that are read. Raises SortError if `target` is in one, or no folder."""
        for source in sources:
            if is_folder(source) and _resolve(target).is_relative_to(_resolve(source)):
                raise SortError(f"--sort-into {target} is inside of {source}, which is read. Name a folder elsewhere.")
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SortError(
                f"--sort-into {target}: {explain_os_error(error)}. Name a folder that can be written."
            ) from error
        self._target = target

    def copy(self, answer: Answer) -> Answer:
        """The same answer; with an error if the photo could not be copied."""
        assert answer.prediction
        label = UNSURE if answer.prediction.unsure else answer.prediction.label
        folder = self._target / (label.replace(os.sep, "_").replace("\0", "_").lstrip(".") or "_")
        try:
            folder.mkdir(exist_ok=True)
            _copy(Path(answer.path), folder)
        except OSError as error:
            return replace(answer, prediction=None, error=f"it could not be copied to {folder}: {error.strerror}")
        return answer


def _resolve(path: str | Path) -> Path:
    """Without links. Path.resolve raises RuntimeError for links that lead to each other, up to Python 3.12."""
    return Path(os.path.realpath(path))


def _copy(photo: Path, folder: Path) -> None:
    """Under its own name; where another photo has it, as `name-2.jpg`. The same photo again is not copied again."""
    number = 1
    while True:
        name = photo.name if number == 1 else f"{photo.stem}-{number}{photo.suffix}"
        try:
            with photo.open("rb") as source, (folder / name).open("xb") as copy:
                _fill(copy, source)
            with suppress(OSError):  # some file systems keep no modes
                shutil.copystat(photo, folder / name)
            return
        except FileExistsError:
            if filecmp.cmp(photo, folder / name, shallow=False):
                return
            number += 1


def _fill(copy: BufferedWriter, source: BinaryIO) -> None:
    """A copy that cannot be finished, as on a full disk, is deleted."""
    try:
        shutil.copyfileobj(source, copy)
        copy.flush()
    except BaseException:
        Path(copy.name).unlink()
        raise
