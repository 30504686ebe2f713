"""What it weighs, as text. Megabytes are millions of bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path

from deploy.slug.trim import Cut, recorded

MB = 1_000_000


def weigh(folder: Path) -> int:
    """Bytes in all files below."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def weigh_packages(site_packages: Path) -> Counter[str]:
    """Bytes of each package, by the folders and files at the top that are its own."""
    owners = {
        name.partition("/")[0]: package.name
        for package in distributions(path=[str(site_packages)])
        for name in recorded(package)
    }
    weights: Counter[str] = Counter()
    for top in site_packages.iterdir():
        weights[owners.get(top.name, "others")] += weigh(top) if top.is_dir() else top.stat().st_size
    return weights


def show_packages(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    rows = [
        _row(before[name], after.get(name, 0), name) for name in sorted(before, key=lambda n: before[n], reverse=True)
    ]
    total = _row(sum(before.values()), sum(after.values()), "all packages")
    return "\n".join(["installed  trimmed", *rows, total])


def show_cuts(cuts: Iterable[Cut]) -> str:
    rows = [f"{cut.saved / MB:6.2f} MB  {cut.files:4} files  {cut.entry.name}: {cut.entry.reason}" for cut in cuts]
    return "\n".join([*rows, f"{sum(cut.saved for cut in cuts) / MB:6.2f} MB in all"])


def _row(before: int, after: int, name: str) -> str:
    return f"{before / MB:9.2f}{after / MB:9.2f}  {name}"
