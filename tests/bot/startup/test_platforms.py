"""The real commands where Linux' own calls are missing: tests.support.elsewhere takes them away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON, RunBot, StartBot, environment
from tests.support.network.sockets import find_port
from tests.support.paths import ROOT
from tests.support.photos import draw, encode
from tests.support.telegram import Telegram

SYSTEMS = ("macos", "windows")


def elsewhere(system: str) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "tests" / "support" / "elsewhere"), "LABELGRAM_SYSTEM": system}


@pytest.mark.parametrize("system", SYSTEMS)
def test_photos_are_named_and_models_measured(system: str, run_bot: RunBot, color_model: Path, tmp_path: Path) -> None:
    there = elsewhere(system)
    done = run_bot("classify", "-", MODEL_PATH=str(color_model), stdin=encode(draw("red")), **there)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("-: red 99.")
    out = tmp_path / "out.json"
    options = ("--rounds", "2", "--photos", "1", "--model", str(color_model), "--json", str(out))
    done = run_bot("benchmark", *options, **there)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(out.read_text())
    assert results["machine"]["cores"]["affinity"] is None
    assert results["machine"]["instruction_sets"] == []
    assert (results["machine"]["load_average"] is None) == (system == "windows")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_doctor_looks_at_all_that_there_is(system: str, run_bot: RunBot, tmp_path: Path) -> None:
    done = run_bot("doctor", STATE_DIR=str(tmp_path), **elsewhere(system))
    assert (done.returncode, done.stderr) == (1, "")  # no token
    assert ("does not tell" in done.stdout) == (system == "windows")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_bot_answers_and_ends_in_order(system: str, telegram: Telegram, start_bot: StartBot) -> None:
    photo = telegram.send_photo(draw("blue"))
    bot = start_bot(**elsewhere(system))
    telegram.wait_until(lambda: photo in telegram.answers())
    bot.send_signal(signal.SIGTERM)
    assert bot.wait(60) == 0


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_preview_starts_and_ends(system: str, number: signal.Signals, color_model: Path) -> None:
    command = [BOT_PYTHON, "-m", "bot", "preview", "--port", str(find_port())]
    variables = environment(MODEL_PATH=str(color_model), **elsewhere(system))
    with subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as preview:
        assert preview.stdout
        assert preview.stdout.readline().startswith("Preview: http://127.0.0.1:")
        os.kill(preview.pid, number)
        assert preview.wait(60) == 0
        assert preview.stdout.read() == ""
