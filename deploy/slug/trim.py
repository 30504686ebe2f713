"""The list of what the bot never loads, deploy/trim.toml, and its application to a site-packages."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, distributions
from pathlib import Path

from deploy.slug import SlugError


@dataclass(frozen=True)
class Entry:
    name: str
    reason: str
    """Why nothing loads it."""
    remove: tuple[str, ...]
    """Patterns of paths in site-packages, whose * crosses folders."""
    strip: tuple[str, ...]
    """Of libraries that lose their symbols for debuggers."""
    last_python: tuple[int, ...] | None
    """The last version of Python whose packages have any of it; None: all have."""

    @property
    def is_expected(self) -> bool:
        """Whether packages for this Python have any of it."""
        return self.last_python is None or sys.version_info[:2] <= self.last_python


@dataclass(frozen=True)
class Cut:
    entry: Entry
    files: int
    saved: int
    """Bytes."""


def read_entries(file: Path) -> list[Entry]:
    """Raises SlugError if the file is not such a list."""
    try:
        return [_read_entry(**table) for table in tomllib.loads(file.read_text())["entry"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SlugError(f"{file} is no list of entries with name, reason, remove or strip: {error}") from error


def find_stale(site_packages: Path, entries: Iterable[Entry]) -> list[str]:
    """A line for each pattern that matches nothing, neither there nor recorded as installed: trimmed before is fine."""
    names = {name for package in distributions(path=[str(site_packages)]) for name in recorded(package)}
    names |= set(_on_disk(site_packages))
    return [
        f"{pattern!r} of {entry.name!r} matches nothing in the installed packages"
        for entry in entries
        if entry.is_expected
        for pattern in entry.remove + entry.strip
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def trim(site_packages: Path, entries: Iterable[Entry]) -> list[Cut]:
    """Apply the entries in their order, in place. What an entry before took is counted there."""
    cuts = []
    for entry in entries:
        doomed = _match(site_packages, entry.remove)
        saved = sum(file.stat().st_size for file in doomed)
        for file in doomed:
            file.unlink()
        libraries = _match(site_packages, entry.strip)
        saved += _strip(libraries)
        cuts.append(Cut(entry, len(doomed) + len(libraries), saved))
    for folder, _, _ in os.walk(site_packages, topdown=False):
        if not os.listdir(folder):  # noqa: PTH208 (os.walk's names)
            Path(folder).rmdir()
    return cuts


def recorded(package: Distribution) -> Iterator[str]:
    """Paths in site-packages of the files that were installed with a package, there still or not."""
    for row in csv.reader((package.read_text("RECORD") or "").splitlines()):
        if not row[0].startswith(("../", "/")):
            yield row[0]


def _read_entry(
    name: str, reason: str, remove: Iterable[str] = (), strip: Iterable[str] = (), last_python: str | None = None
) -> Entry:
    last = tuple(map(int, last_python.split("."))) if last_python else None
    return Entry(name, reason, tuple(remove), tuple(strip), last)


def _match(site_packages: Path, patterns: tuple[str, ...]) -> list[Path]:
    names = [name for name in _on_disk(site_packages) if not name.partition("/")[0].endswith(".dist-info")]
    return [site_packages / name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _on_disk(site_packages: Path) -> Iterator[str]:
    for file in site_packages.rglob("*"):
        if file.is_file():
            yield file.relative_to(site_packages).as_posix()


def _strip(libraries: list[Path]) -> int:
    """Bytes saved; where binutils are not installed or do not know the format, the files stay as they are."""
    if not libraries or not shutil.which("strip"):
        return 0
    before = sum(file.stat().st_size for file in libraries)
    subprocess.run(["strip", "--strip-debug", *libraries], check=False)
    return before - sum(file.stat().st_size for file in libraries)
