"""The version is in one place: the command line prints it, and the changelog's newest entry is of that version."""

from __future__ import annotations

import re

from tests.support.bot_process import RunBot
from tests.support.paths import ROOT


def test_the_newest_entry_of_the_changelog_is_dated_and_of_the_version_that_the_command_prints(run_bot: RunBot) -> None:
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    heading = re.fullmatch(r"## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)", newest)
    assert heading, newest
    done = run_bot("--version")
    assert (done.returncode, done.stdout) == (0, f"labelgram {heading[1]}\n")
