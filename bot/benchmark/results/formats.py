"""Results as CSV and as Markdown: a line for each row and workload."""

from __future__ import annotations

import csv
import io
from typing import Any

from bot.benchmark.measure import STAGES, TOTAL
from bot.benchmark.results.table import describe_machine, show_accuracy, show_ratio

COLUMNS = (
    *("file", "engine", "threads", "batch", "workload"),
    *(f"{stage}_{quantile}_ms" for stage in STAGES for quantile in ("p50", "p95", "p99")),
    *("ratio", "ratio_low", "ratio_high", "cpu_ms", "photos_per_second", "joules_per_photo"),
    *("start_s", "load_s", "first_photo_ms", "ready_mb", "peak_mb", "file_mb", "accuracy", "preprocessing", "provider"),
)

HEAD = ("p50 ms", "p95 ms", "times the first", "CPU ms", "photos/s", "peak MB", "accuracy")
"""Of a table in Markdown, after the row's name."""


def make_csv(results: dict[str, Any]) -> str:
    """All figures; empty cells are what a row has not. Times are of one photo."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for row in results["rows"]:
        for name, figures in row["workloads"].items():
            table.writerow(_cells(row, name, figures) | {"provider": results["provider"]})
    return text.getvalue()


def make_markdown(results: dict[str, Any]) -> str:
    """The most used figures, and where they were measured."""
    lines = [*(f"- {line}" for line in describe_machine(results)), ""]
    for workload in results["workloads"]:
        lines += [
            f"| {_escape(workload['name'])} | {' | '.join(HEAD)} |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for row in results["rows"]:
            figures = row["workloads"][workload["name"]]
            total = figures["seconds"][TOTAL]
            cells = (
                _escape(row["title"]),
                f"{1000 * total['p50']:.1f}",
                f"{1000 * total['p95']:.1f}",
                show_ratio(figures["ratio"][TOTAL]),
                f"{1000 * figures['cpu_seconds']:.1f}",
                f"{figures['photos_per_second']:.1f}",
                f"{row['peak_bytes'] / 1e6:.0f}",
                show_accuracy(row["accuracy"]),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def _cells(row: dict[str, Any], workload: str, figures: dict[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {
        "file": row["file"],
        "engine": row["engine"],
        "threads": row["threads"],
        "batch": row["batch"],
        "workload": workload,
        "cpu_ms": _digits(1000 * figures["cpu_seconds"]),
        "photos_per_second": _digits(figures["photos_per_second"]),
        "joules_per_photo": _digits(figures["joules"]),
        "start_s": _digits(row["start_seconds"]),
        "load_s": _digits(row["load_seconds"]),
        "first_photo_ms": _digits(1000 * row["first_photo_seconds"]),
        "ready_mb": _digits(row["ready_bytes"] / 1e6),
        "peak_mb": _digits(row["peak_bytes"] / 1e6),
        "file_mb": _digits(row["file_bytes"] / 1e6),
        "accuracy": _digits(row["accuracy"]["accuracy"] if row["accuracy"] else None),
        "preprocessing": row["preprocessing"],
    }
    for stage, quantiles in figures["seconds"].items():
        for quantile, seconds in quantiles.items():
            cells[f"{stage}_{quantile}_ms"] = _digits(1000 * seconds)
    ratio = figures["ratio"][TOTAL]
    cells |= {
        "ratio": _digits(ratio["value"]),
        "ratio_low": _digits(ratio["low"]),
        "ratio_high": _digits(ratio["high"]),
    }
    return cells


def _digits(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.6g}"
