"""What the machine gives this process, and what it gets back."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def count_cpus(mounted: Path = MOUNTED, own: Path = OWN) -> float:
    """Processors that this process may use, above 0 and not always whole: a container has a share of its host's.

    `mounted` is where the kernel shows control groups, `own` its list of this process's groups (man 7 cgroups).
    """
    return min(_affinity(), *_quotas(mounted, own))


def find_memory(mounted: Path = MOUNTED, own: Path = OWN) -> float:
    """Bytes of memory that this process may use: the machine's, or what its control groups leave of it.

    Infinite where the system does not tell.
    """
    limits = [_machine_memory()]
    for line in _read(own).splitlines():
        _, controllers, group = line.split(":", 2)
        v1 = "memory" in controllers.split(",")
        if controllers and not v1:
            continue
        top, name = (mounted / "memory", "memory.limit_in_bytes") if v1 else (mounted, "memory.max")
        place = top / group.lstrip("/")
        texts = [_read(folder / name).strip() for folder in (place, *place.parents) if folder.is_relative_to(top)]
        limits += [float(text) for text in texts if text.isdecimal()]
    return min(limits)


def _machine_memory() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError):  # Windows, and systems that do not tell
        return math.inf


def _affinity() -> float:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(mounted: Path, own: Path) -> Iterator[float]:
    """The limits of the process's group and of those around it; a container may see its own group as the outermost."""
    yield float("inf")
    for line in _read(own).splitlines():
        _, controllers, group = line.split(":", 2)
        if "cpu" in controllers.split(","):  # version 1
            top, read = mounted / "cpu", _quota_v1
        elif not controllers:  # version 2
            top, read = mounted, _quota_v2
        else:
            continue
        place = top / group.lstrip("/")
        for folder in (place, *place.parents):
            if folder.is_relative_to(top):
                yield read(folder)


def _quota_v2(folder: Path) -> float:
    return _share(*_read(folder / "cpu.max").split())


def _quota_v1(folder: Path) -> float:
    return _share(*(_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")))


def _share(quota: str = "", period: str = "", *_: str) -> float:
    """`max` and -1 stand for no limit, as does a file that is not there."""
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else float("inf")


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
