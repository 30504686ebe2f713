"""Counts and times, for Prometheus and for the line that the log has for each photo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Stopwatch:
    """The stages of one photo, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = time.monotonic() - start

    def __str__(self) -> str:
        return ", ".join(f"{stage} {seconds * 1000:.0f} ms" for stage, seconds in self.seconds.items())


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counters = {
            "updates": ("Updates taken in, each once, by kind", "kind"),
            "answers": ("Photos answered, by outcome", "outcome"),
            "refusals": ("Messages that got no label, by reason", "reason"),
            "retries": ("What was tried again, by method and error", "method", "error"),
            "unreadable_updates": ("Updates that could not be parsed as they came, by kind", "kind"),
            "refused_answers": ("Answers that Telegram refused for good, by error", "error"),
            "duplicates": ("Updates that had been answered before",),
        }
        made = {
            name: Counter(f"labelgram_{name}", text, labels, registry=self._registry)
            for name, (text, *labels) in counters.items()
        }
        self.updates, self.answers, self.refusals = made["updates"], made["answers"], made["refusals"]
        self.retries, self.duplicates = made["retries"], made["duplicates"]
        self.unreadable, self.refused = made["unreadable_updates"], made["refused_answers"]
        self.in_work = Gauge("labelgram_in_work", "Updates in work", registry=self._registry)
        self.stages = Histogram(
            "labelgram_stage_seconds", "Time per stage of a photo", ["stage"], registry=self._registry, buckets=SECONDS
        )

    def count_photo(self, outcome: str, stopwatch: Stopwatch) -> None:
        self.answers.labels(outcome).inc()
        for stage, seconds in stopwatch.seconds.items():
            self.stages.labels(stage).observe(seconds)

    def expose(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
