"""Every round's samples -> a row of figures for each contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bot.benchmark.matrix import Entry
from bot.benchmark.measure import FORWARD, STAGES, TOTAL
from bot.benchmark.statistics import quantiles, ratio, wilson


@dataclass(frozen=True)
class Sample:
    """What one contender showed in one round. Mappings are by kind of photo."""

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
    forward_per_second: float | None
    """The same from pixels that are there: what the forward pass alone would allow."""
    peak_bytes: int
    """The most that was resident until the end of all this."""


def summarise(
    samples: Mapping[Entry, Sequence[Sample]], scores: Mapping[tuple[str, Path], dict[str, Any] | None]
) -> list[dict[str, Any]]:
    """A JSON object for each entry, in the given order; the first is the one that ratios refer to.

    Times are in seconds: medians over rounds, or p50, p95 and p99 over the photos of all rounds. `ratio` compares the
    rounds' medians by `statistics.ratio`. `samples` holds what was measured.
    """
    base = next(iter(samples.values()))
    return [
        {
            "title": entry.title,
            "engine": entry.engine,
            "model": entry.name,
            "threads": entry.threads,
            "file_bytes": entry.file.stat().st_size,
            "start_seconds": median(one.start_seconds for one in ours),
            "load_seconds": median(one.load_seconds for one in ours),
            "first_photo_seconds": median(one.first_photo_seconds for one in ours),
            "ready_bytes": median(one.ready_bytes for one in ours),
            "peak_bytes": max(one.peak_bytes for one in ours),
            "forward_per_second": _median([one.forward_per_second for one in ours]),
            "kinds": {name: _summarise_kind(name, ours, base) for name in base[0].seconds},
            "accuracy": scores[entry.engine, entry.file],
            "samples": [asdict(one) for one in ours],
        }
        for entry, ours in samples.items()
    ]


def _summarise_kind(name: str, ours: Sequence[Sample], base: Sequence[Sample]) -> dict[str, Any]:
    stages = [stage for stage in STAGES if stage in ours[0].seconds[name]]
    return {
        "seconds": {stage: quantiles([lap for one in ours for lap in one.seconds[name][stage]]) for stage in stages},
        "cpu_seconds": median(one.cpu_seconds[name] for one in ours),
        "photos_per_second": median(one.photos_per_second[name] for one in ours),
        "ratio": {
            stage: asdict(ratio(_medians(ours, name, stage), _medians(base, name, stage)))
            for stage in (FORWARD, TOTAL)
            if stage in stages
        },
    }


def _medians(samples: Sequence[Sample], name: str, stage: str) -> list[float]:
    return [median(one.seconds[name][stage]) for one in samples]


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
