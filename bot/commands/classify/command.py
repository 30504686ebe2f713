"""`python -m bot classify`: photos named on the command line, offline."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bot.commands.classify.output import Answer, Output, open_output
from bot.commands.classify.progress import Progress
from bot.commands.classify.sorting import STDIN, Sorter
from bot.commands.classify.watching import watch
from bot.inference.classifier import Classifier
from bot.inference.decoding import PhotoError, Reason
from bot.inference.names import is_folder
from bot.inference.photo_files import SUFFIXES, find_photos, read_photo, read_stream
from bot.settings.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Classify what the options name. Returns the exit status: 0, or 1 if a photo could not be read.

    Raises ModelError, WatchError, and SortError if `--sort-into` is inside of a folder that is read.
    """
    classifier = Classifier(options.model or settings.model, settings.threads)
    sources = [*options.paths, *([str(options.watch)] if options.watch else [])]
    sorter = Sorter(options.sort_into, sources, classifier.contract.labels) if options.sort_into else None
    output = open_output(options.format, min(options.top, len(classifier.contract.labels)))
    arrivals = watch(options.watch) if options.watch else None  # from here on: none arrives unseen
    paths = list(_list_photos(options.paths))
    status = classify(Progress(paths), classifier, output, sorter)
    return classify(arrivals, classifier, output, sorter) if arrivals else status


def classify(paths: Iterable[str], classifier: Classifier, output: Output, sorter: Sorter | None = None) -> int:
    """Print each photo's answer as soon as it is there. Returns 0, or 1 if a photo could not be read."""
    status = 0
    for path in paths:
        if sorter and sorter.holds(path):  # a copy, which a link below a folder that is read leads to
            continue
        answer = _answer(path, classifier, sorter)
        if answer.error is not None:
            status = 1
        output.write(answer)
    return status


def _answer(path: str, classifier: Classifier, sorter: Sorter | None) -> Answer:
    try:
        data = _read(path)
        answer = Answer(path, classifier.classify(data))
        return sorter.copy(answer, data) if sorter else answer
    except PhotoError as error:
        return Answer(path, error=str(error))
    except OSError as error:
        return Answer(path, error=error.strerror or str(error))


def _list_photos(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        # What holds no photo, or cannot be looked at, goes on itself: reading it fails, and says why.
        yield from _find_photos(path) or [path]


def _find_photos(path: str) -> list[str]:
    """None where `path` is no folder."""
    try:
        return list(map(str, find_photos(Path(path)))) if path != STDIN and is_folder(path) else []
    except OSError:
        return []


def _read(path: str) -> bytes:
    if path == STDIN:
        return read_stream(sys.stdin.buffer)
    if is_folder(path):
        os.listdir(path)  # noqa: PTH208  # where that fails, the system says why
        raise PhotoError(Reason.UNREADABLE, f"there is no photo in this folder ({' '.join(sorted(SUFFIXES))})")
    return read_photo(Path(path))
