"""`--compare OLD.json`: this run beside an earlier one, with intervals for every ratio."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeGuard

from bot.benchmark.engines import BenchmarkError
from bot.benchmark.measure import TOTAL
from bot.benchmark.results.table import align, show_ratio
from bot.benchmark.statistics import ratio_of_runs
from bot.inference.names import show_path

SHORTEST, LONGEST = 1e-9, 1e6
"""Seconds that a photo may have taken."""
ALIKE = 1.05
"""By what factor the photos of two runs may differ in size: another version of Pillow draws ours slightly otherwise."""

Figures = dict[tuple[str, str], list[float]]
"""Seconds a photo in each round, by row and workload."""


def read_results(file: Path) -> dict[str, Any]:
    """What `--json` wrote. Raises BenchmarkError if it is something else."""
    try:
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not (isinstance(results["machine"]["cpu"], str) and isinstance(results["provider"], str)):
            raise TypeError
        for title, workload in _read_figures(results):  # what is read of it later is read now
            _find_unlike(results, results, title, workload)
        list(_list_differences(results, results))
    except OSError as error:
        raise BenchmarkError(f"--compare {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:  # of any JSON
        raise BenchmarkError(f"--compare {file} is not a file that `--json` of this version wrote.") from error
    return results


def compare(before: dict[str, Any], now: dict[str, Any]) -> tuple[list[str], bool | None]:
    """A table of total times, this run's as a multiple of the earlier one's; and whether a row is surely slower.

    A row is slower when the whole 95 % interval of its ratio is above 1. What cannot be compared is told; None: nothing
    could be.
    """
    rows = [["", "workload", "times the earlier run", ""]]
    is_slower, notes, earlier = False, list(_list_differences(before, now)), _read_figures(before)
    for (title, workload), seconds in _read_figures(now).items():
        if (title, workload) not in earlier:
            notes.append(f"{title}, {workload} was not in the earlier run.")
            continue
        if why := _find_unlike(before, now, title, workload):
            notes.append(f"{title}, {workload} is not compared: {why}.")
            continue
        ratio = ratio_of_runs(seconds, earlier[title, workload])
        is_slower = is_slower or ratio.low > 1
        verdict = "slower" if ratio.low > 1 else "quicker" if ratio.high < 1 else "no difference shown"
        rows.append([title, workload, show_ratio(ratio), verdict])
    return ([*align(rows), *notes], is_slower) if len(rows) > 1 else (notes, None)


def check_rows(before: dict[str, Any], titles: Collection[str], provider: str) -> None:
    """Before anything is measured. Raises BenchmarkError if none of these rows can be compared to the earlier run."""
    if before["provider"] != provider:
        raise BenchmarkError(f"--compare: the earlier run was by --provider {show_path(before['provider'])}.")
    if not {row["title"] for row in before["rows"]} & set(titles):
        raise BenchmarkError("--compare: no row of the earlier run is in this one. Name the same models and threads.")


def check_workloads(before: dict[str, Any], titles: Collection[str], workloads: Sequence[dict[str, Any]]) -> None:
    """Before anything is measured. Raises BenchmarkError if the earlier run has no row with one of these workloads."""
    now, names = {"workloads": workloads}, {workload["name"] for workload in workloads}
    earlier = [workload for title, workload in _read_figures(before) if title in titles]
    if not any(workload in names and not _has_other_photos(before, now, workload) for workload in earlier):
        named = show_path(", ".join(dict.fromkeys(earlier)))
        raise BenchmarkError(
            f"--compare: the earlier run was of other photos: {named}. Give the same --images, or none."
        )


def _list_differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What else than the models may have changed the times."""
    where, here = before["machine"], now["machine"]
    if where["cpu"] != here["cpu"]:
        yield f"The earlier run was on another processor: {show_path(where['cpu'])}."
    cores = [_get(machine, "cores", "usable") for machine in (where, here)]
    if cores[0] != cores[1]:
        yield f"The earlier run had {show_path(str(cores[0]))} cores, this one {cores[1]}."
    versions = [_get(machine, "versions", "onnxruntime") for machine in (where, here)]
    if versions[0] != versions[1]:
        yield f"The earlier run was by onnxruntime {show_path(str(versions[0]))}, this one by {versions[1]}."
    files = {row["title"]: row.get("file") for row in before["rows"]}
    for row in now["rows"]:
        if row["title"] in files and files[row["title"]] != row["file"]:
            yield f"{row['title']}: the earlier run's file was {show_path(str(files[row['title']]))}."


def _find_unlike(before: dict[str, Any], now: dict[str, Any], title: str, workload: str) -> str | None:
    """Why a row of both runs tells nothing of the model, as `check_rows` does of all; None: it does."""
    stated = [next(row for row in run["rows"] if row["title"] == title).get("preprocessing") for run in (before, now)]
    if stated[0] != stated[1]:
        return "the preprocessing is another one"
    return "the photos are others" if _has_other_photos(before, now, workload) else None


def _has_other_photos(before: dict[str, Any], now: dict[str, Any], workload: str) -> bool:
    photos: list[dict[str, Any]] = [
        next((work for work in run.get("workloads", ()) if work.get("name") == workload), {}) for run in (before, now)
    ]
    digests = {work["digest"] for work in photos if work.get("digest")}
    sizes = [work["mean_bytes"] for work in photos if _is_number(work.get("mean_bytes"))]
    return len(digests) > 1 or len(sizes) < 2 or max(sizes) > ALIKE * min(sizes)


def _get(values: Any, *names: str) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_figures(results: dict[str, Any]) -> Figures:
    """Raises ValueError, or what json's types raise, where there are not two positive figures at least."""
    figures = {
        (row["title"], workload): [_find_median(sample["seconds"][workload][TOTAL]) for sample in row["samples"]]
        for row in results["rows"]
        for workload in row["workloads"]
    }
    if any(len(seconds) < 2 for seconds in figures.values()):
        raise ValueError
    return figures


def _find_median(seconds: list[float]) -> float:
    if not all(_is_number(some) and SHORTEST <= some <= LONGEST for some in seconds):
        raise ValueError
    return float(median(seconds))
