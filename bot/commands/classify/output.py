"""The answers of `python -m bot classify`, as text, JSON or CSV on standard output."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bot.inference.classifier import Prediction
from bot.inference.contract import UnsureBecause
from bot.inference.names import show_path

COLUMNS = ("path", "label", "probability", "unsure", "unsure_because", "outsider", "error")
"""Of CSV; with `--top N`, N pairs `label_1`, `probability_1`, ... follow."""


@dataclass(frozen=True)
class Answer:
    """What became of one photo: a prediction, or an error that says why there is no prediction."""

    path: str
    prediction: Prediction | None = None
    error: str | None = None


class Output(Protocol):
    def write(self, answer: Answer) -> None:
        """Print one photo's answer."""


def open_output(format_: str, top: int) -> Output:
    """`format_` is `text`, `json` or `csv`; `top` is how many classes text and CSV name, best first."""
    outputs: dict[str, Callable[[int], Output]] = {"text": TextOutput, "json": JsonOutput, "csv": CsvOutput}
    return outputs[format_](top)


class TextOutput:
    def __init__(self, top: int) -> None:
        self._top = top

    def write(self, answer: Answer) -> None:
        text = f"error: {answer.error}" if answer.prediction is None else _describe(answer.prediction, self._top)
        print(f"{show_path(answer.path)}: {text}", flush=True)


class JsonOutput:
    """One object a line; a path's bytes that are no UTF-8 are lone surrogates, as `os.fsdecode` has them."""

    def __init__(self, top: int) -> None:
        pass  # all classes are in it

    def write(self, answer: Answer) -> None:
        line = json.dumps(_fields(answer), ensure_ascii=False)
        if not line.isprintable():  # surrogates and control characters, in JSON's own escapes
            line = json.dumps(_fields(answer))
        print(line, flush=True)


class CsvOutput:
    def __init__(self, top: int) -> None:
        self._top = top
        self._rows = csv.writer(sys.stdout, lineterminator="\n")
        ranks = range(1, top + 1 if top > 1 else 1)
        self._ranked = [name for rank in ranks for name in (f"label_{rank}", f"probability_{rank}")]
        self._rows.writerow([*COLUMNS, *self._ranked])

    def write(self, answer: Answer) -> None:
        fields = _fields(answer) | {"path": show_path(answer.path)}
        row = [_cell(fields.get(name)) for name in COLUMNS]
        best = _best(answer.prediction, self._top) if answer.prediction else []
        ranked = [_cell(value) for pair in best for value in pair] or [""] * len(self._ranked)
        self._rows.writerow([*row, *ranked[: len(self._ranked)]])
        sys.stdout.flush()


def show_percent(probability: float) -> str:
    """With one decimal, rounded down: no model is sure enough of a photo for 100 %."""
    return f"{_floor(probability, 1000, 999):.1%}"


def _floor(probability: float, steps: int, most: int) -> float:
    return min(most, math.floor(probability * steps)) / steps


def _describe(prediction: Prediction, top: int) -> str:
    best = ", ".join(f"{show_path(label)} {show_percent(probability)}" for label, probability in _best(prediction, top))
    match prediction.unsure_because:
        case None:
            return best
        case UnsureBecause.OUTSIDER:
            return f"unsure (something else, {_floor(prediction.outsider or 0, 100, 99):.2f})"
        case UnsureBecause.CLOSE:
            return f"unsure ({best})"


def _best(prediction: Prediction, top: int) -> list[tuple[str, float]]:
    return sorted(prediction.probabilities.items(), key=lambda pair: pair[1], reverse=True)[:top]


def _fields(answer: Answer) -> dict[str, Any]:
    prediction = answer.prediction
    if prediction is None:
        return {"path": answer.path, "error": answer.error}
    return {
        "path": answer.path,
        "label": None if prediction.unsure else prediction.label,
        "probability": prediction.probability,
        "probabilities": prediction.probabilities,
        "outsider": prediction.outsider,
        "unsure": prediction.unsure,
        "unsure_because": prediction.unsure_because,
    }


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6f}"
        case _:
            return value
