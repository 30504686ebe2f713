"""Where the benchmark ran: processor, processors that this process may use, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bot.startup.cgroups import count_cpus

FLAGS = (
    *("avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve"),  # ARM
)
"""Instruction sets, by the kernel's names, that make a difference to a net: int8 is fast with a vnni, dp or amx."""
PACKAGES = ("onnxruntime", "pillow", "numpy")
BASELINE_PACKAGES = {"fastai": ("fastai", "torch"), "torch": ("torch",), "openvino": ("openvino",)}


def describe(baselines: Sequence[str] = ()) -> dict[str, Any]:
    """Facts for the head of the report; None stands for what the system does not tell."""
    packages = dict.fromkeys(
        (*PACKAGES, *(package for baseline in baselines for package in BASELINE_PACKAGES[baseline]))
    )
    name, flags = read_processor(Path("/proc/cpuinfo"))
    return {
        "cpu": name or platform.processor() or platform.machine(),
        "instruction_sets": [flag for flag in FLAGS if flag in flags],
        "cores": {
            "usable": count_cpus(),
            "affinity": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "machine": os.cpu_count(),
        },
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **{package: _version(package) for package in packages}},
    }


def read_processor(cpuinfo: Path) -> tuple[str | None, set[str]]:
    """Name and instruction sets from Linux's `/proc/cpuinfo`; none where there is no such file."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return fields.get("model name"), set((fields.get("flags") or fields.get("Features") or "").split())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
