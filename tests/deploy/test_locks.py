"""What is deployed is installed by lock files, which hold what the requirements ask for; pip checks each hash."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.slug.__main__ import EXTRAS
from tests.support.bot_process import BOT_PYTHON
from tests.support.paths import ROOT

NAMES = ("bot", *EXTRAS)
WHEEL = "tool-1-py3-none-any.whl"


def read_pins(file: Path) -> dict[str, str]:
    """Versions by package."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", file.read_text(), re.MULTILINE))


def test_each_extra_is_one_that_a_slug_can_have() -> None:
    there = {file.stem.removeprefix("requirements-") for file in ROOT.glob("requirements-*.txt")}
    assert there - {"test", "train"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_file_holds_what_its_requirements_ask_for_with_hashes(name: str) -> None:
    wanted, lock = read_pins(ROOT / f"requirements-{name}.txt"), ROOT / f"requirements-{name}.lock"
    assert wanted.items() <= read_pins(lock).items(), "make lock"
    text = lock.read_text()
    assert "://" not in text  # no place to fetch from: that is pip's to know
    for entry in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]:
        assert re.fullmatch(r"[^\\]+==[^\\]+(\\\n    --hash=sha256:[0-9a-f]{64} ?)+\n", entry), entry[:80]


def test_the_bots_own_lock_file_holds_every_package_of_its_environment() -> None:
    code = "from importlib.metadata import distributions\nprint(*{d.name.lower() for d in distributions()})"
    done = subprocess.run([BOT_PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    installed = {re.sub("[._-]+", "-", name) for name in done.stdout.split()} - {"pip", "setuptools", "wheel"}
    if "pytest" in installed:
        pytest.skip("the bot's environment holds more than its requirements")
    assert installed <= read_pins(ROOT / "requirements-bot.lock").keys(), "make lock"


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extras_lock_file_comes_on_top_of_the_bots_own(name: str) -> None:
    own, extra = (read_pins(ROOT / f"requirements-{part}.lock") for part in ("bot", name))
    assert not own.keys() & extra.keys()


def write_wheel(folder: Path) -> str:
    """A package; returns the sha256 of its file."""
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tool.py", "")
        wheel.writestr("tool-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1\n")
        wheel.writestr("tool-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tool-1.dist-info/RECORD", "")
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["right", "wrong", "none"])
def test_a_slug_is_installed_by_hashes_alone(kind: str, tmp_path: Path) -> None:
    digest = write_wheel(tmp_path)
    options = {"right": f" --hash=sha256:{digest}", "wrong": f" --hash=sha256:{'0' * 64}", "none": ""}
    lock, out = tmp_path / "requirements-x.lock", tmp_path / "out"
    lock.write_text(f"tool==1{options[kind]}\n")
    code = (
        "import sys; from pathlib import Path; from deploy.slug.install import install\n"
        "install([Path(sys.argv[1])], Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, lock, out],
        cwd=ROOT,
        env=os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (out / "tool.py").exists() == (kind == "right"), done.stderr
    assert ("pip could not install requirements-x.lock" in done.stderr) == (kind != "right")
    assert ("hash" in done.stderr.lower()) == (kind != "right")


def test_the_image_and_heroku_have_the_lock_files() -> None:
    assert "!requirements-*.lock" in (ROOT / ".dockerignore").read_text().splitlines()
    heroku = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert heroku == ["-r requirements-bot.lock"]
