"""Every round's samples -> a row of figures for each worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bot.benchmark.matrix import Entry
from bot.benchmark.measure import FORWARD, STAGES, TOTAL
from bot.benchmark.statistics import quantiles, ratio, wilson
from bot.inference.names import show_path
from bot.inference.onnx_file import count_bytes


@dataclass(frozen=True)
class Sample:
    """What one worker showed in one round. Mappings are by workload. Times are of one photo."""

    start_seconds: float
    """From the start of the process until it is ready, libraries and model loaded."""
    load_seconds: float
    """The model's part of it."""
    first_photo_seconds: float
    ready_bytes: int
    """Resident, before the first photo."""
    seconds: dict[str, dict[str, list[float]]]
    """Of each stage, of each photo, one photo at a time."""
    cpu_seconds: dict[str, float]
    """A photo, of all threads, on average."""
    photos_per_second: dict[str, float]
    """With as many photos at once as there are cores."""
    joules: dict[str, float | None]
    """A photo, of the whole processor, under that load; None where the processor does not tell."""
    forward_per_second: float | None
    """The same from pixels that are there: what the forward pass alone would allow."""
    peak_bytes: int
    """The most that was resident until the end of all this."""


def summarise(
    samples: Mapping[Entry, Sequence[Sample]], facts: Mapping[Entry, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A JSON object for each entry, in the given order; the first is the one that ratios refer to.

    Times are in seconds: medians over rounds, or p50, p95 and p99 over the photos of all rounds. `ratio` compares the
    rounds' medians by `statistics.ratio`. `samples` holds what was measured. `facts` are told of each row as they are.
    """
    base = next(iter(samples.values()))
    return [
        {
            "title": entry.title,
            "engine": entry.engine,
            "model": entry.name,
            "file": show_path(entry.file),
            "threads": entry.threads,
            "batch": entry.batch,
            "file_bytes": count_bytes(entry.file),
            "start_seconds": median(sample.start_seconds for sample in ours),
            "load_seconds": median(sample.load_seconds for sample in ours),
            "first_photo_seconds": median(sample.first_photo_seconds for sample in ours),
            "ready_bytes": median(sample.ready_bytes for sample in ours),
            "peak_bytes": max(sample.peak_bytes for sample in ours),
            "forward_per_second": _median([sample.forward_per_second for sample in ours]),
            "workloads": {name: _summarise_workload(name, ours, base) for name in base[0].seconds},
            **facts[entry],
            "samples": [asdict(sample) for sample in ours],
        }
        for entry, ours in samples.items()
    ]


def _summarise_workload(name: str, ours: Sequence[Sample], base: Sequence[Sample]) -> dict[str, Any]:
    stages = [stage for stage in STAGES if stage in ours[0].seconds[name]]
    return {
        "seconds": {
            stage: quantiles([lap for sample in ours for lap in sample.seconds[name][stage]]) for stage in stages
        },
        "cpu_seconds": median(sample.cpu_seconds[name] for sample in ours),
        "photos_per_second": median(sample.photos_per_second[name] for sample in ours),
        "joules": _median([sample.joules[name] for sample in ours]),
        "ratio": {
            stage: asdict(ratio(_medians(ours, name, stage), _medians(base, name, stage)))
            for stage in (FORWARD, TOTAL)
            if stage in stages
        },
    }


def _medians(samples: Sequence[Sample], name: str, stage: str) -> list[float]:
    return [median(sample.seconds[name][stage]) for sample in samples]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def score(labels: Sequence[str], named: Sequence[str | None]) -> dict[str, Any] | None:
    """How many photos were given their label, also when unsure, of those that could be read; None if none could."""
    readable = [(label, name) for label, name in zip(labels, named, strict=True) if name is not None]
    if not readable:
        return None
    right = sum(label == name for label, name in readable)
    return {
        "photos": len(readable),
        "unreadable": len(named) - len(readable),
        "right": right,
        "accuracy": right / len(readable),
        "interval": wilson(right, len(readable)),
    }
