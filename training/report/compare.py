"""Training runs side by side, as one Markdown table.

    python -m training compare artifacts/A-report artifacts/B-report ... [--out FILE.md]

A row per recipe: runs that differ in `--seed` alone share one, with their mean and, in brackets, their range. All must
be judged by the same photos, or their figures could not be compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from bot.inference.names import show_path
from bot.whole_files import write_whole
from training.commands import make_compare_parser
from training.data.photos import DataError
from training.data.split import read_split
from training.evaluation.evaluate import FOLDS
from training.records import escape_bytes
from training.runs import SPLIT_FILE, read_metrics

SEED = "seed"
"""The field of a recipe in which the runs of one row may differ."""
NONE = "-"


class CompareError(Exception):
    """The reports cannot be compared; the message says why."""


@dataclass(frozen=True)
class Run:
    """One report."""

    name: str
    recipe: dict[str, Any]
    figures: dict[str, float]
    """Column -> accuracy 0 to 1, loss, or minutes."""
    judged: dict[str, str]
    """Path of a photo that it is judged by -> its label."""

    def describe(self) -> dict[str, str]:
        """The recipe's fields as texts, but for the seed."""
        return {name: json.dumps(value) for name, value in self.recipe.items() if name != SEED}


def read_run(folder: Path) -> Run:
    """What a report says of its run. Raises CompareError if `folder` is not a report."""
    try:
        metrics = read_metrics(folder)
        split = read_split(Path(), folder / SPLIT_FILE)
    except OSError as error:
        raise CompareError(f"{folder} is no report: {error.strerror}, {error.filename}.") from error
    except (ValueError, DataError) as error:
        raise CompareError(f"{folder} is no report, is damaged or of another version: {error}.") from error
    run, evaluation = metrics.run, metrics.evaluation
    collections = {f"{name}/": part.scores.right.share for name, part in evaluation.collections.items()}
    return Run(
        name=folder.resolve().name.removesuffix("-report") + (" (stopped)" if run.interrupted else ""),
        recipe=run.recipe,
        figures={
            "accuracy": evaluation.scores.right.share,
            "neutral copies": evaluation.neutral.right.share,
            **collections,
            **({"validation loss": run.history[-1].valid_loss} if run.history else {}),
            "minutes": run.seconds / 60,
        },
        judged={
            photo.path.as_posix(): photo.label for photo in split if photo.held_out or evaluation.judged_by == FOLDS
        },
    )


def compare(runs: Sequence[Run]) -> str:
    """The table, in Markdown. Raises CompareError if the runs are judged by different photos."""
    first = runs[0]
    for run in runs[1:]:
        strange = run.judged.keys() ^ first.judged.keys()
        if strange:
            raise CompareError(
                f"{first.name} and {run.name} are not judged by the same photos: {len(strange)} judge one of them "
                f"alone, such as {min(strange)}. Train them with the same --data and --split-seed."
            )
    rows: dict[str, list[Run]] = {}
    for run in runs:
        rows.setdefault(json.dumps(run.describe(), sort_keys=True), []).append(run)
    groups = list(rows.values())
    fields = list(dict.fromkeys(name for run in runs for name in run.describe()))
    recipes = [group[0].describe() for group in groups]
    fields = [name for name in fields if len({recipe.get(name) for recipe in recipes}) > 1]
    columns = list(dict.fromkeys(name for run in runs for name in run.figures))
    columns.sort(key=lambda name: name in ("validation loss", "minutes"))  # after all folders
    table = [["run", "seeds", *fields, *columns]]
    for group, recipe in zip(groups, recipes, strict=True):
        cells = [
            _summarise([run.figures[name] for run in group if name in run.figures], _unit(name)) for name in columns
        ]
        names = ", ".join(run.name for run in group)
        seeds = len({run.recipe.get(SEED) for run in group})
        table.append([names, str(seeds), *(recipe.get(name, NONE).strip('"') for name in fields), *cells])
    notes = [_compare_labels(first, run) for run in runs[1:]]
    return "\n".join([_markdown(table), *(f"\n{note}" for note in notes if note), ""])


def _compare_labels(first: Run, other: Run) -> str:
    changed = sum(other.judged[path] != label for path, label in first.judged.items())
    return f"{changed} of the judged photos have another label in {other.name} than in {first.name}." if changed else ""


def _unit(column: str) -> Callable[[float], str]:
    if column == "minutes":
        return "{:.1f}".format
    if column == "validation loss":
        return "{:.4f}".format
    return "{:.2%}".format


def _summarise(values: Sequence[float], unit: Callable[[float], str]) -> str:
    """The mean, and the range of several."""
    if not values:
        return NONE
    text = unit(fmean(values))
    return text if len(values) == 1 else f"{text} ({unit(min(values))} to {unit(max(values))})"


def _markdown(table: Sequence[Sequence[str]]) -> str:
    rows = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in table]
    rows.insert(1, " | ".join("---" for _ in table[0]))
    return "\n".join(f"| {row} |" for row in rows)


def main(arguments: list[str]) -> int:
    options = make_compare_parser().parse_args(arguments)
    try:
        table = compare([read_run(folder) for folder in options.reports])
    except CompareError as error:
        print(f"compare: {show_path(str(error))}", file=sys.stderr)
        return 2
    print(table, end="")
    if options.out:
        write_whole(options.out, escape_bytes(table).encode())
    return 0
