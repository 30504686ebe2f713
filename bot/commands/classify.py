"""Photos named on the command line: `python -m bot classify [--json] PATH...`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bot.inference.classifier import Classifier, Prediction
from bot.inference.decoding import PhotoError, Reason
from bot.inference.photo_files import SUFFIXES, find_photos
from bot.settings import Settings

STDIN = "-"


def run(options: argparse.Namespace, settings: Settings) -> int:
    return classify(options.paths, Classifier(options.model or settings.model, settings.threads), options.json)


def classify(paths: Sequence[str], classifier: Classifier, as_json: bool) -> int:
    """Print a line per photo; folders are walked in sorted order. Returns the exit status: 0, or 1 if any failed."""
    status = 0
    for path in _photos(paths):
        try:
            line = _describe(path, classifier.classify(_read(path)), as_json)
        except (PhotoError, OSError) as error:
            status = 1
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            line = _json({"path": path, "error": why}) if as_json else f"{path}: error: {why}"
        print(line, flush=True)
    return status


def _photos(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path != STDIN and Path(path).is_dir():
            # Where there is none the folder itself goes on: reading it fails, and says so.
            yield from map(str, find_photos(Path(path)) or [Path(path)])
        else:
            yield path


def _read(path: str) -> bytes:
    if path == STDIN:
        return sys.stdin.buffer.read()
    if Path(path).is_dir():
        raise PhotoError(Reason.UNREADABLE, f"there is no photo in this folder ({' '.join(sorted(SUFFIXES))})")
    return Path(path).read_bytes()


def _describe(path: str, prediction: Prediction, as_json: bool) -> str:
    if as_json:
        return _json(
            {
                "path": path,
                "label": None if prediction.unsure else prediction.label,
                "probability": prediction.probability,
                "probabilities": prediction.probabilities,
                "unsure": prediction.unsure,
            }
        )
    best = f"{prediction.label} {prediction.probability:.1%}"
    return f"{path}: unsure ({best})" if prediction.unsure else f"{path}: {best}"


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False)
