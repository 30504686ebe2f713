"""aiogram imported in the light way does as aiogram imported in its own: this fails when a release changes that."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.bot_process import BOT_PYTHON, RunBot, StartBot
from tests.support.paths import ROOT
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Telegram

Report = dict[str, Any]
DEFERRED_KIND = re.compile(r"function-plain\[(\w+)\(\)\]")
"""How pydantic's messages call a type that is not built, where a field may hold one of several."""


def use_every_model(way: str, *samples: str) -> Report:
    command = [BOT_PYTHON, "-m", "tests.support.aiogram_models", way, *samples]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "more time and memory" not in done.stderr
    report: Report = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def plain() -> Report:
    return use_every_model("plain")


@pytest.fixture(scope="module")
def samples(plain: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("samples") / "samples.json"
    file.write_text(json.dumps(plain["samples"]))
    return str(file)


def test_the_samples_are_what_the_models_take(plain: Report) -> None:
    """Else two equal refusals would be all that is compared below."""
    outcomes = plain["outcomes"]
    refused = [name for name, outcome in outcomes.items() if outcome["validated"].startswith("ValidationError")]
    assert refused == ["aiogram.types.ErrorEvent"], "only this one holds what no sample is made for, an exception"
    assert len(outcomes) > 700


def test_every_model_behaves_alike_in_both_ways(plain: Report, samples: str) -> None:
    deferred = use_every_model("deferred", samples)
    assert len(deferred["built"]) < len(plain["built"]) / 2, "nothing was deferred"
    for name, outcome in plain["outcomes"].items():
        for question, answer in outcome.items():
            told = DEFERRED_KIND.sub(r"\1", deferred["outcomes"][name][question])
            assert told == answer, f"{name}, {question}"
    called = [outcome["called"] for outcome in plain["outcomes"].values() if "called" in outcome]
    assert len(called) > 150
    assert not [text for text in called if "Error: " in text.split("{")[0]]


def test_what_no_bot_uses_is_not_even_loaded() -> None:
    code = (
        "import sys; from bot.startup import lazy_aiogram as lazy; lazy.import_aiogram('deferred'); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [BOT_PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "aiogram.client.bot" in loaded
    assert len([name for name in loaded if name.startswith(("aiogram.types.", "aiogram.methods."))]) < 50


def test_an_aiogram_of_another_make_is_imported_in_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "aiogram").mkdir()
    (tmp_path / "aiogram" / "__init__.py").write_text("class Bot: ...")
    code = (
        "import pydantic; before = pydantic.ConfigDict, pydantic.BaseModel.model_rebuild.__func__\n"
        "from bot.startup.lazy_aiogram import import_aiogram; import_aiogram('deferred')\n"
        "import aiogram; print(aiogram.Bot)\n"
        "print(before == (pydantic.ConfigDict, pydantic.BaseModel.model_rebuild.__func__))"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([BOT_PYTHON, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["<class 'aiogram.Bot'>", "True"], done.stderr
    assert done.stderr.count("\n") == 1
    assert "more time and memory" in done.stderr


def test_the_environment_chooses_the_way(start_bot: StartBot, telegram: Telegram, run_bot: RunBot) -> None:
    start_bot(AIOGRAM_IMPORT="plain")
    photo = telegram.send_photo(draw("red"))
    telegram.wait_until(lambda: photo in telegram.answers())
    done = run_bot(BOT_TOKEN=TOKEN, AIOGRAM_IMPORT="sideways")
    assert done.returncode == 2
    assert "AIOGRAM_IMPORT is sideways, it takes one of deferred, plain" in done.stderr
