"""docs/tutorial.md, word for word: every command in a copy of the repository, up to the answers on Telegram."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.paths import ROOT
from tests.support.telegram import Telegram

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"^> \*\*bot\*\*: (.+)$", re.MULTILINE)
MEASURED = re.compile(r"\d+\\\.\d+(?:e\\-\d+)?|\d+(?=%)")
"""What another machine may measure otherwise: percentages, and all numbers with a decimal point."""
TOKEN = "123456:your-token"
BOT = "make run"
"""What the one command ends with that does not end by itself."""


@dataclass(frozen=True)
class Step:
    """A command, and what the page says that it prints; empty: nothing is said."""

    command: str
    shown: str


def read_steps() -> list[Step]:
    blocks = BLOCK.findall(PAGE)
    assert {language for language, _ in blocks} == {"sh", "text"}
    return [
        Step(text.strip(), following if after == "text" else "")
        for (language, text), (after, following) in zip(blocks, [*blocks[1:], ("sh", "")], strict=True)
        if language == "sh"
    ]


STEPS = read_steps()


def as_pattern(shown: str) -> re.Pattern[str]:
    """Matches what differs from the page in measured numbers alone; `...` stands for any lines."""
    lines = [MEASURED.sub(r"[-\\d.e]+", re.escape(line)) + "\n" for line in shown.splitlines()]
    return re.compile("".join("(?:.*\n)*?" if line == r"\.\.\." + "\n" else line for line in lines))


def read_answer(answer: str) -> str | None:
    """The class that an answer names, in the words that `make new` made and the page changed."""
    said = re.match(r"This is (\w+), I am \d+% sure\.$", answer.replace("Meow! I am", "This is cat, I am"))
    return said and said[1]


class Reader:
    """Does what the page says, in a folder with the files that git has of the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in files.strip("\0").split("\0"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        self._take_environment("train", Path(sys.executable))
        self._take_environment("bot", Path(BOT_PYTHON))

    def _take_environment(self, name: str, python: Path) -> None:
        """One that is there, as if the Makefile had just set it up: that takes minutes."""
        taken = self.folder / ".venv" / name
        taken.mkdir(parents=True)
        for part in python.parents[1].iterdir():
            if part.name != "done":
                (taken / part.name).symlink_to(part)
        (taken / "done").touch()

    @contextmanager
    def start(self, command: str, output: IO[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
        """The command in a process group of its own, which is ended in the end."""
        make = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of the `make test` around this test
        surroundings = {
            name: value for name, value in environment(PYTHONWARNINGS="", **variables).items() if name not in make
        }
        process = subprocess.Popen(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise

    def do(self, step: Step) -> None:
        """It has to print what the page says."""
        file = self.folder / "said"
        with file.open("w") as output, self.start(step.command, output) as process:
            process.wait(900)
        said = re.sub(r"[^\n]*\r", "", file.read_text())  # progress bars, which a terminal writes over
        assert process.returncode == 0, f"{step.command}\n{said}"
        assert as_pattern(step.shown).match(said), f"{step.command}\nprinted\n{said}\nand the page says\n{step.shown}"
        self.said.append(said)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has come as far as the last command, the bot on Telegram."""
    assert [step.command.endswith(BOT) for step in STEPS] == [False] * (len(STEPS) - 1) + [True]
    reader = Reader(tmp_path_factory.mktemp("tutorial"))
    for step in STEPS[:-1]:
        reader.do(step)
    return reader


def test_it_names_more_than_nine_in_ten_photos_that_a_net_has_not_seen(reader: Reader) -> None:
    """By what the commands printed, of the net and of the file."""
    said = "".join(reader.said)
    accuracies = re.findall(r"^accuracy (\d+\.\d+)% on (\d+) photos", said, re.MULTILINE)
    assert len(accuracies) == 2
    assert all(float(accuracy) > 90 and int(photos) > 50 for accuracy, photos in accuracies)
    assert "checking on 200 photos" in said


def test_the_bot_answers_on_telegram_in_its_own_words(reader: Reader) -> None:
    """Every photo of data/new, none of which was trained on; its class is the first word of the file's name."""
    telegram = Telegram(TOKEN)
    try:
        files = sorted((reader.folder / "data" / "new").iterdir())
        # Five from one person: more than ten at once get a notice beside the answers.
        sent = {
            telegram.send_photo(Image.open(file), user=100 + number // 5): file for number, file in enumerate(files)
        }
        telegram.send_text("/start")
        log, secret = reader.folder / "log", reader.folder / ".env"
        assert f"`BOT_TOKEN={TOKEN}`" in PAGE
        secret.write_text(f"BOT_TOKEN={TOKEN}\n")
        variables = {"LABELGRAM_ENV_FILE": str(secret), "TELEGRAM_API_SERVER": telegram.url}
        with log.open("w") as output, reader.start(STEPS[-1].command, output, **variables):
            telegram.wait_until(lambda: telegram.answers().keys() >= sent.keys(), seconds=120)
            telegram.wait_until(lambda: telegram.unconfirmed == 0)
    finally:
        telegram.close()
    assert "answering as @test_bot" in log.read_text()
    answers = [(file.name.split("-")[0], telegram.answers()[message]) for message, file in sent.items()]
    labels = sorted({label for label, _ in answers})
    assert len(labels) == 10
    assert any(", ".join(labels) in text for text in telegram.texts())  # /start
    right = [label for label, answer in answers if read_answer(answer) == label]
    assert sorted(set(right)) == labels
    assert len(right) > 0.8 * len(answers)
    for line in ANSWER.findall(PAGE):
        assert any(as_pattern(line).match(f"{text}\n") for _, text in answers), line
