"""Results as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bot.benchmark.engines import CPU
from bot.benchmark.measure import STAGES, TOTAL
from bot.benchmark.statistics import Ratio


def make_table(results: dict[str, Any]) -> str:
    """All figures in aligned columns, a row a worker; the samples behind them are in the JSON file."""
    return "\n".join(_lines(results))


def describe_machine(results: dict[str, Any]) -> list[str]:
    """Where and how it was measured, in sentences."""
    where = results["machine"]
    cores, load = where["cores"], where["load_average"]
    busy = "" if load is None else f"; load average at the start {load:.1f}"
    rounds, concurrency = results["rounds"], results["concurrency"]
    seconds = results["seconds_a_round"]
    photos = f"photos for {seconds:g} s" if seconds else f"{results['photos']} photos"
    stated: dict[str, list[str]] = {}
    for row in results["rows"]:
        files = stated.setdefault(row["preprocessing"], [])
        if row["file"] not in files:
            files.append(row["file"])
    provider = [] if results["provider"] == CPU else [f"by {results['provider']}, and by the CPU what that leaves"]
    return [
        f"{where['cpu']} ({' '.join(where['instruction_sets']) or 'instruction sets unknown'}), {where['system']}",
        f"{cores['usable']:g} of {cores['machine']} cores usable, by affinity and control group{busy}",
        ", ".join(f"{package} {version or 'missing'}" for package, version in where["versions"].items()),
        f"{rounds} rounds, a new process for each row in each; {photos} of each workload a round, one batch at a time, "
        f"then {concurrency} at once; {results['seconds']:.0f} s in all",
        *provider,
        *(f"preprocessing of {', '.join(files)}: {text}" for text, files in stated.items()),
    ]


def show_ratio(ratio: Ratio | dict[str, float]) -> str:
    figures = asdict(ratio) if isinstance(ratio, Ratio) else ratio
    return f"{figures['value']:.2f} ({figures['low']:.2f} - {figures['high']:.2f})"


def show_accuracy(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = found["interval"]
    return f"{found['accuracy']:.2%} ({low:.1%} - {high:.1%}) of {found['photos']:,}"


def show_size(workload: dict[str, Any]) -> str:
    """The workload of photo and how large its files are."""
    size = f"{workload['mean_bytes'] / 1000:,.0f} kB"
    return (
        f"{workload['name']}, {workload['files']} files, {size} on average"
        if workload["files"] > 1
        else f"{workload['name']}, {size}"
    )


def _lines(results: dict[str, Any]) -> Iterator[str]:
    rows = results["rows"]
    yield from describe_machine(results)
    for workload in results["workloads"]:
        head = [show_size(workload), *STAGES, "times the first", "CPU", "photos/s", "of forward's", "J"]
        yield ""
        yield "milliseconds a photo: p50 / p95 / p99; times the first: total p50, 95 % interval; J: joules a photo"
        yield from align([head, *(_times(row, row["workloads"][workload["name"]]) for row in rows)])
    yield ""
    head = ["", "start s", "load s", "first photo ms", "ready MB", "peak MB", "file MB", "forward/s", "accuracy"]
    yield from align([head, *(_rest(row) for row in rows)])


def _times(row: dict[str, Any], found: dict[str, Any]) -> list[str]:
    stages = [
        " / ".join(f"{1000 * value:.1f}" for value in found["seconds"][stage].values())
        if stage in found["seconds"]
        else "-"
        for stage in STAGES
    ]
    share = found["photos_per_second"] / row["forward_per_second"] if row["forward_per_second"] else None
    return [
        row["title"],
        *stages,
        show_ratio(found["ratio"][TOTAL]),
        f"{1000 * found['cpu_seconds']:.1f}",
        f"{found['photos_per_second']:.1f}",
        "-" if share is None else f"{share:.0%}",
        "-" if found["joules"] is None else f"{found['joules']:.2f}",
    ]


def _rest(row: dict[str, Any]) -> list[str]:
    return [
        row["title"],
        f"{row['start_seconds']:.2f}",
        f"{row['load_seconds']:.3f}",
        f"{1000 * row['first_photo_seconds']:.1f}",
        f"{row['ready_bytes'] / 1e6:.0f}",
        f"{row['peak_bytes'] / 1e6:.0f}",
        f"{row['file_bytes'] / 1e6:.1f}",
        "-" if row["forward_per_second"] is None else f"{row['forward_per_second']:.1f}",
        show_accuracy(row["accuracy"]),
    ]


def align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()
