"""The file .env: settings beside the bot, and secrets that are printed nowhere."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from bot.commands.env_file import read_env_file
from bot.redaction import hide_secrets
from bot.settings.misspelt import NAMES
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from tests.support.bot_process import BOT_PYTHON, SETTINGS, RunBot, StartBot, environment
from tests.support.paths import ROOT
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Telegram


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / ".env"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_the_bot_reads_it_and_the_environment_wins(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    file = write(tmp_path, f"BOT_TOKEN={TOKEN}\nLOG_LEVEL=LOUD\n")
    message = telegram.send_photo(draw("red"))
    start_bot("env", "-u", "BOT_TOKEN", LABELGRAM_ENV_FILE=str(file), LOG_LEVEL="INFO")
    telegram.wait_until(lambda: message in telegram.answers())


def test_lines_are_read_as_shells_write_them(tmp_path: Path) -> None:
    more = "H=\"x\"# note\nI='x' # it's \"so\"\nJ='it's'\nK=\"\"#\n"
    text = "\ufeff# note\n\nexport A=1\nB = two words # note\r\nC='a # b'\nD=\"x\" # note\nE=\nF=a#b\nG=p=q\n" + more
    expected = {"A": "1", "B": "two words", "C": "a # b", "D": "x", "E": "", "F": "a#b", "G": "p=q"}
    expected |= {"H": "x", "I": "x", "J": "it's", "K": ""}
    assert read_env_file(write(tmp_path, text)) == expected
    assert read_env_file(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "text", [f"{TOKEN}\n", f"A=1\nBOT-TOKEN={TOKEN}", "A=1\n=x", f"STATE_DIR=a\0b\nBOT_TOKEN={TOKEN}"]
)
def test_another_line_is_named_and_not_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"line \d: this is not NAME=value") as caught:
        read_env_file(write(tmp_path, text))
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("value", ['"1:x', "'1:x", "\"1:x' # c", '"1:x" c'])
def test_a_quote_that_is_open_is_told_and_not_shown(value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="line 2: the value's quote is not closed, or something") as caught:
        read_env_file(write(tmp_path, f"A=1\nBOT_TOKEN={value}\n"))
    assert "1:x" not in str(caught.value)


def test_it_is_said_when_others_can_read_the_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read_env_file(write(tmp_path, f"BOT_TOKEN={TOKEN}", mode=0o644))
    assert "chmod 600" in capsys.readouterr().err
    read_env_file(write(tmp_path, f"BOT_TOKEN={TOKEN}", mode=0o600))
    assert capsys.readouterr().err == ""


def test_a_file_that_is_named_has_to_be_there_and_is_read_to_its_end(run_bot: RunBot, tmp_path: Path) -> None:
    done = run_bot("doctor", LABELGRAM_ENV_FILE=str(tmp_path / "nowhere.env"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"bot: LABELGRAM_ENV_FILE names {tmp_path / 'nowhere.env'}, which is not there.\n"
    with pytest.raises(SettingsError, match="more than 100 kB"):
        read_env_file(write(tmp_path, "# a comment\n" * 10_000 + "THREADS=1\n"))


def make_run(tmp_path: Path, text: str, **variables: str) -> str:
    """What `make run` says before it ends, with a file of settings of that text."""
    home = Path(BOT_PYTHON).parents[1]
    with subprocess.Popen(
        ["make", "--no-print-directory", "-o", f"{home}/done", f"BOT={home}", "run"],
        cwd=ROOT,
        env=environment(LABELGRAM_ENV_FILE=str(write(tmp_path, text)), **variables),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as make:
        try:
            _, told = make.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(make.pid, signal.SIGKILL)
            raise
    assert make.returncode == 2
    return told


@pytest.mark.parametrize("line", ["BOT_TOKEN = 1:no", "\t export\tBOT_TOKEN=1:no", "A=1\r\nBOT_TOKEN='1:no' # mine"])
def test_make_run_finds_the_token_that_the_bot_finds(
    telegram: Telegram, tmp_path: Path, color_model: Path, line: str
) -> None:
    settings = {"TELEGRAM_API_SERVER": telegram.url, "STATE_DIR": str(tmp_path / "state")}
    assert "BOT_TOKEN is not a token that Telegram knows" in make_run(
        tmp_path, line, MODEL_PATH=str(color_model), **settings
    )


@pytest.mark.parametrize("line", ["BOT_TOKEN= # later", 'BOT_TOKEN=""', "# BOT_TOKEN=1:no", "MY_BOT_TOKEN=1:no", ""])
def test_make_run_without_a_token_is_the_preview(tmp_path: Path, line: str) -> None:
    told = make_run(tmp_path, line, MODEL_PATH="nowhere.onnx")
    assert told.startswith("bot: cannot read the model nowhere.onnx")
    assert "BOT_TOKEN" not in told


def test_make_run_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    assert "line 2: this is not NAME=value" in make_run(
        tmp_path, "BOT_TOKEN=1:no\nnonsense\n", MODEL_PATH="nowhere.onnx"
    )


def test_the_example_is_one() -> None:
    assert read_env_file(ROOT / ".env.example") == {"BOT_TOKEN": ""}


@pytest.mark.parametrize(
    "name",
    ["THREADS", "LOG_LEVEL", "METRICS_PORT", "OWNER_IDS", "REDIS_URL", "WEBHOOK_URL", "MODEL_PATH", "DONATIONS_DIR"],
)
def test_a_token_in_another_setting_is_not_printed(run_bot: RunBot, name: str) -> None:
    prefix = "s3://" if name == "DONATIONS_DIR" else ""
    done = run_bot(BOT_TOKEN="1:x", **{name: prefix + TOKEN})
    assert done.returncode == 2
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize("password", ["pa#ss", "pa/ss", "pa?ss", "pa@ss/"])
def test_a_password_with_any_sign_is_not_printed(run_bot: RunBot, password: str) -> None:
    for command in ((), ("doctor",)):
        done = run_bot(*command, BOT_TOKEN=TOKEN, REDIS_URL=f"redis://:{password}@127.0.0.1:1/0")
        assert done.returncode == 2
        assert "REDIS_URL" in done.stderr
        assert password not in done.stdout + done.stderr


def test_secrets_are_hidden_wherever_they_stand() -> None:
    assert hide_secrets(f"see https://x/bot{TOKEN}/getMe") == "see https://x/bot***/getMe"
    assert hide_secrets("to socks5://ada:p@ss@host:1 by 12:30:45") == "to socks5://***@host:1 by 12:30:45"


def test_every_setting_has_its_name_in_the_list() -> None:
    amazons = {name for name in SETTINGS if name.startswith("AWS_")}
    assert {*NAMES} | amazons == {*SETTINGS, "LABELGRAM_ENV_FILE"} - {"ORT_DISABLE_TELEMETRY"}
    documented = set(re.findall(r"`([A-Z_]{4,})`", (ROOT / "docs" / "configuration.md").read_text()))
    assert {*NAMES} <= documented


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ALLOWED_ID", "ALLOWED_IDS"),
        ("allowed_ids", "ALLOWED_IDS"),
        ("OWNER_ID", "OWNER_IDS"),
        ("BOT_TOKN", "BOT_TOKEN"),
    ],
)
def test_a_name_with_a_slip_is_told_at_the_start_and_by_the_doctor(
    run_bot: RunBot, tmp_path: Path, name: str, ours: str
) -> None:
    told = f"{name} is no setting, and does nothing. Is {ours} meant?"
    file = write(tmp_path, f"{name}=12345\nMODEL_PATH=nowhere.onnx\n")
    token = {} if ours == "BOT_TOKEN" else {"BOT_TOKEN": "1:x"}
    done = run_bot(*((), ("preview",))[ours == "BOT_TOKEN"], LABELGRAM_ENV_FILE=str(file), **token)
    assert told in done.stderr
    assert "12345" not in done.stderr
    done = run_bot("doctor", LABELGRAM_ENV_FILE=str(file), TELEGRAM_API_SERVER="http://127.0.0.1:1", **token)
    assert done.returncode == 1
    assert f"BAD  settings: {told}" in done.stdout


def test_a_token_under_another_name_is_told(run_bot: RunBot) -> None:
    done = run_bot(BOT_TOKNE="1:secret")
    assert done.returncode == 2
    assert done.stderr.startswith("bot: BOT_TOKEN is not set, but BOT_TOKNE is. Get a token")
    assert "secret" not in done.stderr


def test_other_programs_names_are_no_slips() -> None:
    others = "HOSTNAME STATE_DIRECTORY PATH HOME OMP_NUM_THREADS KUBERNETES_PORT REDIS_PORT AWS_ENDPOINT_URL_SQS"
    others += " AWS_REGION TELEGRAM_BOT_TOKEN LOGNAME MY_BOT_TOKEN PORTAGE DYNO RENDER FLY_APP_NAME"
    others += " BOT2_TOKEN BOT_TOKEN_2 REDIS2_URL METRIC_PORT TELEGRAM_API_SERVICE_PORT GHOST HOSTS VHOST PORT0 XPORT"
    names = others.split()
    assert Settings.from_environment(dict.fromkeys(names, "x")).misspelt == {}
    code = (
        f"import sys; from bot.settings.settings import Settings as S; S.from_environment(dict.fromkeys({names}, 'x'))"
    )
    code += "; print('difflib' in sys.modules)"  # its import takes as long as all other settings together
    done = subprocess.run(
        [BOT_PYTHON, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
    both = {"LOG_LEVEL": "INFO", "LOGLEVEL": "x"}
    assert Settings.from_environment(both).misspelt == {}
