"""From which folder and by which Python the commands start, and what they say where they cannot."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON, RunBot, environment
from tests.support.paths import ROOT
from tests.support.telegram import TOKEN, Telegram


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=300, check=False
    )


def test_an_environment_that_make_sets_up_runs_the_bot_from_any_folder(tmp_path: Path) -> None:
    clone, elsewhere = tmp_path / "clone", tmp_path / "elsewhere"
    clone.mkdir()
    elsewhere.mkdir()
    (clone / "Makefile").symlink_to(ROOT / "Makefile")
    (clone / "bot").symlink_to(ROOT / "bot")
    (clone / "requirements-bot.txt").write_text("# the version is told without any\n")
    made = run(["make", ".venv/bot/done", f"PYTHON={BOT_PYTHON}"], clone, PYTHONWARNINGS="")
    assert made.returncode == 0, made.stderr
    done = run([str(clone / ".venv" / "bot" / "bin" / "python"), "-m", "bot", "--version"], elsewhere)
    assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "labelgram"), done.stderr


@pytest.mark.parametrize("command", ["bot classify -", "bot doctor", "training --help", "export --help"])
def test_without_packages_a_line_says_what_to_install(command: str, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty")
    python = str(tmp_path / "empty" / "bin" / "python")
    done = run([python, "-m", *command.split()], ROOT, PYTHONPATH="")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    requirements = "requirements-bot.txt" if command.startswith("bot") else "requirements-train.txt"
    assert line.startswith(f"{command.split(maxsplit=1)[0]}: ")
    assert line.endswith(f"is not installed. Run: pip install -r {requirements}")


@pytest.mark.parametrize("package", ["bot", "training", "export"])
def test_an_older_python_is_named_with_those_that_run_it(package: str, tmp_path: Path) -> None:
    """Where none is installed, this one says that it is older: what the modules ask is `sys.version_info`."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 10, 13)\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run([BOT_PYTHON, "-m", package], tmp_path, PYTHONPATH=path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Labelgram runs on Python 3.11 to 3.14. This is ")


@pytest.mark.parametrize(("host", "port"), [("..", "18080"), ("no such host", "18080")])
def test_an_address_that_none_can_listen_on_is_named_with_its_settings(
    run_bot: RunBot, telegram: Telegram, color_model: Path, tmp_path: Path, host: str, port: str
) -> None:
    common = {"BOT_TOKEN": TOKEN, "TELEGRAM_API_SERVER": telegram.url, "MODEL_PATH": str(color_model)}
    for settings in (
        {"HOST": host, "PORT": port, "WEBHOOK_URL": "https://example.org/hook"},
        {"METRICS_HOST": host, "METRICS_PORT": port},
    ):
        done = run_bot(**common, **settings, STATE_DIR=str(tmp_path / "state"))
        assert done.returncode == 2, done.stderr
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f"bot: cannot listen on port {port} of {host} (")
        assert line.endswith(f"{' and '.join(list(settings)[:2])} choose another.")


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_port_that_there_is_none_of_is_a_wrong_setting_of_every_command(run_bot: RunBot, name: str) -> None:
    for command in ((), ("doctor",)):
        done = run_bot(*command, **{"BOT_TOKEN": TOKEN, name: "70000"})
        told = f"bot: {name} is '70000', it takes a whole number from 1 to 65535.\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
