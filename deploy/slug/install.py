"""Requirements, or an environment that has them -> a site-packages of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from deploy.slug import SlugError
from deploy.slug.trim import recorded

VENVS_OWN = frozenset({"pip", "setuptools", "wheel"})
"""Packages that a virtual environment brings."""


def install(locks: list[Path], site_packages: Path) -> None:
    """Install the wheels of lock files, each checked against its hashes. Raises SlugError; pip has said more then."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = [argument for file in locks for argument in ("-r", str(file))]
    options = ["--target", str(site_packages), "--no-compile", "--only-binary", ":all:", "--require-hashes"]
    if subprocess.run([*pip, *options, *wanted], check=False).returncode:
        raise SlugError(f"pip could not install {', '.join(file.name for file in locks)}")
    # The packages' own commands, which name this interpreter.
    shutil.rmtree(site_packages / "bin", ignore_errors=True)


def copy_installed(source: Path, site_packages: Path) -> None:
    """Copy the packages of an environment made from the requirements alone. Raises SlugError if it has no package."""
    packages = [package for package in distributions(path=[str(source)]) if package.name not in VENVS_OWN]
    if not packages:
        raise SlugError(f"{source} is no site-packages: it holds no installed package")
    for package in packages:
        for name in recorded(package):
            if not name.endswith(".pyc") and (source / name).is_file():
                (site_packages / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / name, site_packages / name)
