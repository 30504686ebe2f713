"""`--compare OLD.json`: this run beside an earlier one, with intervals for every ratio."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bot.benchmark.engines import BenchmarkError
from bot.benchmark.measure import TOTAL
from bot.benchmark.results.table import align, show_ratio
from bot.benchmark.statistics import Ratio, ratio_of_runs

Figures = dict[tuple[str, str], list[float]]
"""Seconds a photo in each round, by row and workload."""


def read_results(file: Path) -> dict[str, Any]:
    """What `--json` wrote. Raises BenchmarkError if it is something else."""
    try:
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(results["machine"]["cpu"], str):
            raise TypeError
        _read_figures(results)
    except OSError as error:
        raise BenchmarkError(f"--compare {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:  # of any JSON
        raise BenchmarkError(f"--compare {file} is not a file that `--json` of this version wrote.") from error
    return results


def compare(before: dict[str, Any], now: dict[str, Any]) -> tuple[list[str], bool]:
    """A table of total times, this run's as a multiple of the earlier one's; and whether a row is surely slower.

    A row is slower when the whole 95 % interval of its ratio is above 1. Raises BenchmarkError if no row is in both.
    """
    rows = [["", "workload", "times the earlier run", ""]]
    is_slower = False
    for (title, workload), ratio in _find_ratios(before, now):
        is_slower = is_slower or ratio.low > 1
        verdict = "slower" if ratio.low > 1 else "quicker" if ratio.high < 1 else "no difference shown"
        rows.append([title, workload, show_ratio(ratio), verdict])
    if len(rows) == 1:
        raise BenchmarkError("--compare: no row of the earlier run is in this one. Name the same models and threads.")
    lines = list(align(rows))
    if before["machine"]["cpu"] != now["machine"]["cpu"]:
        lines.append(f"The earlier run was on another processor: {before['machine']['cpu']}.")
    return lines, is_slower


def _find_ratios(before: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[tuple[str, str], Ratio]]:
    earlier = _read_figures(before)
    for key, seconds in _read_figures(now).items():
        if key in earlier:
            yield key, ratio_of_runs(seconds, earlier[key])


def _read_figures(results: dict[str, Any]) -> Figures:
    """Raises ValueError, or what json's types raise, where there are not two positive figures at least."""
    figures = {
        (row["title"], workload): [float(median(sample["seconds"][workload][TOTAL])) for sample in row["samples"]]
        for row in results["rows"]
        for workload in row["workloads"]
    }
    if any(len(seconds) < 2 or not all(0 < some < math.inf for some in seconds) for seconds in figures.values()):
        raise ValueError
    return figures
