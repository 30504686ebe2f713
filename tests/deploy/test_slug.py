"""`make slug`: what is deployed is small, runs by itself, and does what the repository's bot does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support.bot_process import BOT_PYTHON, environment
from tests.support.paths import ROOT
from tests.support.photos import draw
from tests.support.telegram import TOKEN, Telegram

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is deployed is made of Linux' wheels")

END_TO_END = (
    "telegram/test_photos.py::test_an_image_sent_as_a_file_is_named_and_other_files_are_refused",
    "telegram/test_photos.py::test_the_answer_is_in_the_users_language_else_in_english",
    "telegram/test_conversation.py::test_why_sends_the_photo_back_with_the_area_coloured",
    "telegram/test_conversation.py::test_stickers_and_first_frames_are_named_and_what_has_no_picture_is_refused",
    "commands/test_classify.py",
    "benchmark/test_any_model.py::test_batches_are_rows_and_photos_of_a_folder_are_taken",
    "benchmark/test_any_model.py::test_a_slower_run_than_before_ends_with_status_1",
    "test_requirements.py::test_importing_every_module_of_the_bot_loads_nothing_of_the_training_side",
    "delivery/test_webhook.py::test_photos_are_answered_and_the_webhook_is_set_without_dropping_what_waits",
    "delivery/test_webhook.py::test_health_and_metrics_can_be_asked_for",
    "preview/test_preview.py::test_the_answers_are_the_bots_own",
    "preview/test_page.py::test_chosen_photos_are_each_answered_beside_a_quote_of_them",
)
"""What the real process does: each kind of thing once, from the chat to the command line."""


def build(
    *options: object, python: object = BOT_PYTHON, umask: int = -1, **variables: str
) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "deploy.slug", *options]
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=environment(PYTHONDONTWRITEBYTECODE="1") | variables,
        capture_output=True,
        text=True,
        timeout=600,
        umask=umask,
        check=False,
    )


def ask(python: object, code: str, **variables: str) -> str:
    command = [str(python), "-c", code]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def installed() -> Path:
    """The site-packages of the environment that `make` made from requirements-bot.txt."""
    folder = Path(ask(BOT_PYTHON, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    if (folder / "pytest").exists():
        pytest.skip("the bot's environment holds more than its requirements")
    return folder


@pytest.fixture(scope="module")
def slug(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # Of the strictest umask: the image and /opt/labelgram are run by others than by those who made them.
    done = build("build", "--preset", 0, "--from", installed, "--out", out, umask=0o077)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "slug"


@pytest.fixture
def server(slug: Path, tmp_path: Path) -> Path:
    """What README.md has a server do with the archive; returns `labelgram/`."""
    if shutil.which("xz") is None:
        pytest.skip("needs xz, by which tar unpacks the archive")
    subprocess.run(f"tar xf {slug.parent}/labelgram-*.tar.xz", shell=True, cwd=tmp_path, check=True)
    return tmp_path / "labelgram"


@pytest.fixture(scope="module")
def python(slug: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with no packages but the slug's, and the tests' modules behind them."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([BOT_PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    own = Path(ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (own / "slug.pth").write_text("\n".join(map(str, (slug, slug / "site-packages", ROOT))))
    return python


def files(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


def bytecode(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*.pyc")}


def test_it_holds_the_bot_and_nothing_of_what_makes_or_tests_it(slug: Path) -> None:
    there = files(slug)
    assert sum(there.values()) <= 140_000_000
    assert {
        "run",
        "LICENSE",
        "bot/__main__.py",
        "bot/texts/en.po",
        "artifacts/mask.onnx",
        "artifacts/mask.md",
        "artifacts/mask-replies/en.po",
    } <= {*there}
    assert {name.partition("/")[0] for name in there} == {"run", "LICENSE", "bot", "artifacts", "site-packages"}
    assert not [name for name in there if "libonnxruntime.so" in name or "/tests/" in name]


def test_its_script_reads_every_format_from_anywhere_and_finds_its_bytecode(slug: Path, tmp_path: Path) -> None:
    before = bytecode(slug)
    photos = [f"a photo.{suffix}" for suffix in ("jpg", "png", "webp", "gif", "bmp")]
    for photo in photos:
        draw("red").save(tmp_path / photo)
    done = subprocess.run(
        [slug / "run", "classify", "--json", *photos],
        cwd=tmp_path,
        env=environment(PYTHON=ask(BOT_PYTHON, "import sys; print(sys._base_executable)")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == photos
    assert bytecode(slug) == before


def test_the_archive_runs_where_there_is_nothing_else(server: Path, telegram: Telegram, tmp_path: Path) -> None:
    python = ask(BOT_PYTHON, "import sys; print(sys._base_executable)")
    state = tmp_path / "state"
    variables = {"PYTHON": python, "TELEGRAM_API_SERVER": telegram.url, "STATE_DIR": str(state)}
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    done = run([server / "run"], env=environment(**variables))
    assert (done.returncode, done.stderr.partition(".")[0]) == (2, "bot: BOT_TOKEN is not set")
    done = run([server / "run"], env=environment(**variables, BOT_TOKEN="123456:not-the-one"))
    assert done.returncode == 2
    assert "BOT_TOKEN" in done.stderr
    done = run([server / "run", "--version"], env=environment(PYTHON="python3.nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("labelgram: python3.nowhere is not a Python 3.")
    photo = telegram.send_photo(draw("red"))
    with subprocess.Popen([server / "run"], cwd=tmp_path, env=environment(**variables, BOT_TOKEN=TOKEN)) as bot:
        telegram.wait_until(lambda: photo in telegram.answers())
        bot.terminate()
        assert bot.wait(60) == 0


def test_all_of_it_may_be_read_and_run_by_anybody(slug: Path, server: Path) -> None:
    for folder in (slug, server):
        for file in (folder, *folder.rglob("*")):
            wanted = 0o755 if file.is_dir() or file.name == "run" else 0o644
            assert file.stat().st_mode & wanted == wanted, file


def test_the_bot_does_from_there_what_it_does_from_the_repository(slug: Path, python: Path) -> None:
    """The tests of the real process, with an interpreter that knows the slug's packages and bot alone."""
    # Of the two copies of bot/, that in the working directory would come first.
    safe = {"PYTHONSAFEPATH": "1"}
    homes = ask(python, "import bot, numpy; print(bot.__file__, numpy.__file__)", **safe).split()
    assert all(Path(home).is_relative_to(slug) for home in homes), homes
    as_deployed = python.with_name("as-deployed")  # and not by PYTHONOPTIMIZE, which would have the tests pass as well
    as_deployed.write_text(f'#!/bin/sh\nexec "{python}" -OO "$@"\n')
    as_deployed.chmod(0o755)
    tests = [str(ROOT / "tests" / "bot" / name) for name in END_TO_END]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env=os.environ | safe | {"LABELGRAM_BOT_PYTHON": str(as_deployed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A site-packages with one package."""
    folder = tmp_path / "packages"
    contents = {"tool/__init__.py": "", "tool/big.bin": "x" * 5000, "tool/tests/test_it.py": "assert False"}
    contents["tool-1.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: tool\nVersion: 1\n"
    contents["tool-1.dist-info/RECORD"] = "".join(f"{name},,\n" for name in contents) + "../../../bin/tool,,\n"
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def write_list(folder: Path, *patterns: str) -> Path:
    file = folder / "trim.toml"
    file.write_text(f'[[entry]]\nname = "extras"\nreason = "Not loaded."\nremove = {json.dumps(patterns)}\n')
    return file


def test_a_host_trims_in_place_and_again_without_harm(packages: Path, tmp_path: Path) -> None:
    listed = write_list(tmp_path, "tool/big.*", "*/tests/*")
    for saved in ("0.01", "0.00"):
        done = build("trim", packages, "--list", listed)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{saved} MB in all" in done.stdout
        left = {name for name in files(packages) if "dist-info" not in name and "__pycache__" not in name}
        assert left == {"tool/__init__.py"}
        assert not (packages / "tool" / "tests").exists()


def test_a_pattern_that_matches_nothing_stops_the_making_and_warns_a_host(packages: Path, tmp_path: Path) -> None:
    listed = write_list(tmp_path, "tool/big.*", "tool/gone/*")
    done = build("build", "--from", packages, "--list", listed, "--out", tmp_path / "dist")
    assert done.returncode == 2
    assert done.stderr.startswith("slug: ")
    assert "'tool/gone/*' of 'extras' matches nothing" in done.stderr
    assert "tool/big" not in done.stderr
    there = build("trim", packages, "--list", listed)
    assert there.returncode == 0
    assert "warning: 'tool/gone/*'" in there.stderr
    assert not (packages / "tool" / "big.bin").exists()


def test_wrong_usage_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[[entry]]\nname = "x"\nremoves = ["y"]\n')
    for options, word in (
        (("--extras", "redis cloud"), "cloud"),
        (("--model", "nowhere.onnx"), "nowhere.onnx"),
        (("--from", tmp_path), str(tmp_path)),
        (("--list", bad), "bad.toml"),
    ):
        done = build("build", *options, "--out", tmp_path / "dist")
        assert done.returncode == 2
        assert done.stderr.startswith("slug: ")
        assert word in done.stderr
        assert "Traceback" not in done.stderr
