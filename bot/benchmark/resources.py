"""What a process takes of the machine: memory, and energy where the processor tells it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows RAPL, the processor's own energy meter, a folder a package (docs.kernel.org, power/powercap)."""


def read_memory(field: str) -> int:
    """Resident bytes of this process: VmRSS (now) or VmHWM (the most so far), proc_pid_status(5).

    Elsewhere than on Linux the most so far stands for both, and 0 where the system has no such call. On Linux
    `ru_maxrss` would not do: it outlives exec, so that a child starts with its parent's.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else most * 1024


@contextmanager
def measure_energy(meters: Path = POWERCAP) -> Iterator[Callable[[], float | None]]:
    """Joules that all processor packages took during the block, other processes' work included; None if untold."""
    packages = sorted(meters.glob("intel-rapl:?")) if meters.is_dir() else []
    try:
        before = [_read_microjoules(package) for package in packages]
    except (OSError, ValueError):  # only root may read it on most systems
        packages, before = [], []
    joules: list[float] = []
    yield lambda: joules[0] if joules else None
    if packages:
        spans = [_read_microjoules(package) - start for package, start in zip(packages, before, strict=True)]
        wraps = [int((package / "max_energy_range_uj").read_text()) for package in packages]
        joules.append(sum(span % (wrap + 1) for span, wrap in zip(spans, wraps, strict=True)) / 1e6)


def _read_microjoules(package: Path) -> int:
    return int((package / "energy_uj").read_text())
