"""README.md: its commands run as they stand there, or another test runs them; its links lead to files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.paths import ROOT
from tests.support.photos import draw, encode

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
PYTHON = ".venv/bot/bin/python"
ELSEWHERE = {
    "make run": "tests/bot/preview, and with a token tests/export/test_tutorial.py",
    "tar xf labelgram-*.tar.xz && labelgram/run": "tests/deploy/test_slug.py",
    "make train DATA=data/pets NAME=pets": "tests/export/test_tutorial.py, with its own photos",
    "make export NAME=pets": "tests/export/test_tutorial.py",
    "MODEL_PATH=artifacts/pets.onnx make run": "tests/export/test_tutorial.py",
}
"""Commands that take minutes or do not end, and the tests that run them."""
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "BENCHMARKS.md", "CHANGELOG.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))


def test_every_command_is_run_by_some_test() -> None:
    assert {command for command in COMMANDS if not command.startswith(PYTHON)} == ELSEWHERE.keys()


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith(PYTHON)])
def test_a_command_of_the_page_ends_well(command: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(encode(draw("red")))
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "beach.png").write_bytes(encode(draw("blue"), "PNG"))
    done = subprocess.run(
        ["bash", "-euc", command.replace(PYTHON, BOT_PYTHON)],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|srcset)=\"([^\"]+)\"", document.read_text(encoding="utf-8"))
    local = [link for pair in links for link in pair if link and "://" not in link and link != "../../releases"]
    assert [link for link in local if not (document.parent / link).exists()] == []
