"""What a tag becomes: the workflow's own shell lines, and the notes that it publishes."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from bot import __version__
from tests.support.paths import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
PLACEHOLDER = "OWNER/labelgram"


def steps() -> Iterator[dict[str, Any]]:
    for job in WORKFLOW["jobs"].values():
        yield from job["steps"]


def notes(tag: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/release_notes.py", tag, "Some/Name"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_its_shell_lines_are_shell() -> None:
    lines = [step["run"] for step in steps() if "run" in step]
    assert len(lines) >= 5
    for line in lines:
        script = re.sub(r"\$\{\{.*?\}\}", "value", line)
        done = subprocess.run(
            [SHELLCHECK, "--shell=bash", "-"], input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_both_kinds_of_servers_get_what_is_signed_here() -> None:
    jobs = WORKFLOW["jobs"]
    assert jobs["archive"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    pushed = [step["with"] for step in jobs["image"]["steps"] if "build-push" in step.get("uses", "")]
    assert [image["platforms"] for image in pushed] == ["linux/amd64,linux/arm64"]
    for job in ("archive", "image"):
        assert any("attest" in step.get("uses", "") for step in jobs[job]["steps"])
        assert jobs[job]["permissions"]["attestations"] == jobs[job]["permissions"]["id-token"] == "write"
    assert jobs["publish"]["needs"] == ["archive", "image"]


def test_a_tag_that_is_not_the_version_is_refused_and_the_notes_name_what_is_published() -> None:
    wrong = notes("v99.0.0")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert __version__ in wrong.stderr
    right = notes(f"v{__version__}")
    assert right.returncode == 0
    assert f"ghcr.io/some/name:{__version__}" in right.stdout
    assert 'labelgram-$(uname -m).tar.xz" --repo Some/Name' in right.stdout
    assert right.stdout.count("## ") == right.stdout.count("### ") > 0  # one entry of the changelog
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    assert platform.machine() == machine  # by which `deploy.slug` names the archive


def test_the_repositorys_address_is_in_one_place() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = listing.splitlines() or ["pyproject.toml"]  # there is no Git where an archive of the sources is tested
    texts = {name: (ROOT / name).read_text(errors="replace") for name in names if (ROOT / name).is_file()}
    own = str(ROOT / "tests" / "deploy" / "test_release.py").removeprefix(f"{ROOT}/")
    assert [name for name, text in texts.items() if PLACEHOLDER in text and name != own] == ["pyproject.toml"]
