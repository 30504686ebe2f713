"""`make new`: texts and settings for a bot of one's own, and what such a bot says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polib
import pytest

from tests.support.bot_process import BOT_PYTHON, RunBot, StartBot, environment
from tests.support.models import write_color_model
from tests.support.paths import ROOT
from tests.support.photos import draw, encode
from tests.support.telegram import Telegram


def new(*options: object) -> subprocess.CompletedProcess[str]:
    command = [BOT_PYTHON, "-m", "bot", "new", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)


def test_a_new_bots_texts_are_its_own(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    model = write_color_model(tmp_path / "colors.onnx")
    done = new(tmp_path / "colors")
    assert done.returncode == 0, done.stderr
    texts = tmp_path / "colors-replies" / "en.po"
    texts.write_text(texts.read_text().replace("This is red, I am", "Red as a fire engine! I am"))
    again = new(tmp_path / "colors")
    assert "stays as it is" in again.stdout
    assert "fire engine" in texts.read_text()
    assert f"MODEL_PATH={model}" in (tmp_path / "colors.env").read_text()
    messages = {color: telegram.send_photo(draw(color)) for color in ("red", "blue")}
    start_bot(MODEL_PATH=str(model))
    telegram.wait_until(lambda: len(telegram.answers()) == 2)
    assert telegram.answers()[messages["red"]] == "Red as a fire engine! I am 99% sure."
    assert telegram.answers()[messages["blue"]] == "This is blue, I am 99% sure."


@pytest.mark.skipif(os.name != "posix", reason="files have no such modes there")
def test_the_settings_are_the_owners_alone_and_nobody_warns_of_a_token_that_is_not_there_yet(
    run_bot: RunBot, tmp_path: Path
) -> None:
    write_color_model(tmp_path / "colors.onnx")
    assert new(tmp_path / "colors").returncode == 0
    environment_file = tmp_path / "colors.env"
    assert environment_file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "colors-replies" / "en.po").stat().st_mode & 0o777 != 0o600
    environment_file.chmod(0o644)
    done = run_bot(LABELGRAM_ENV_FILE=str(environment_file))
    assert "BOT_TOKEN is not set" in done.stderr
    assert "others on this machine" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell limits what files may hold")
def test_a_full_disk_leaves_no_file_that_the_next_run_would_take_for_its_own(tmp_path: Path) -> None:
    write_color_model(tmp_path / "colors.onnx")
    command = [BOT_PYTHON, "-m", "bot", "new", str(tmp_path / "colors")]
    limited = ["sh", "-c", 'ulimit -f 0; trap "" XFSZ; exec "$@"', "sh", *command]  # no file takes a byte
    done = subprocess.run(limited, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    texts = tmp_path / "colors-replies" / "en.po"
    assert (done.returncode, done.stderr) == (1, f"bot: {texts}: File too large\n")
    assert not any(texts.parent.iterdir())
    assert f"wrote {texts}" in new(tmp_path / "colors").stdout
    assert "This is red" in texts.read_text()


def test_classes_can_be_named_by_folders_and_too_few_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    done = new(tmp_path / "pets-bot", "--data", tmp_path / "pets")
    assert (done.returncode, "two or more classes" in done.stderr) == (2, True)
    (tmp_path / "pets" / "dog").mkdir()
    assert new(tmp_path / "pets-bot", "--data", tmp_path / "pets").returncode == 0
    assert 'msgid "dog"' in (tmp_path / "pets-bot-replies" / "en.po").read_text()
    done = new(tmp_path / "pets-bot", "--data", tmp_path / "pats")
    assert (done.returncode, "pats is not a folder" in done.stderr) == (2, True)
    done = new(tmp_path / "nothing")
    assert done.returncode == 2
    assert "--data DIR" in done.stderr


def write_photos(data: Path, *folders: str) -> None:
    for folder in folders:
        (data / folder).mkdir(parents=True, exist_ok=True)
        (data / folder / "1.jpg").write_bytes(encode(draw("red")))


@pytest.mark.parametrize(
    "folders",
    [
        ("train/cat", "train/dog", "valid/cat", "valid/dog"),
        ("mine/cat", "mine/dog", "yours/cat", "yours/dog"),
        ("cat/2024", "cat/2025", "dog"),
        ("photos/cat", "photos/dog"),
    ],
    ids=["split", "collections", "dates", "one level too high"],
)
def test_folders_are_read_as_training_reads_them(tmp_path: Path, folders: tuple[str, ...]) -> None:
    write_photos(tmp_path / "pets", *folders)
    done = new(tmp_path / "pets-bot", "--data", tmp_path / "pets")
    assert (done.returncode, done.stderr) == (0, "")
    texts = polib.pofile(str(tmp_path / "pets-bot-replies" / "en.po"), encoding="utf-8")
    assert [entry.msgid for entry in texts if entry.msgctxt == "answer"] == ["cat", "dog"]


def test_a_class_that_training_leaves_alone_or_refuses_is_none_here_either(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", *(f"{side}/{label}" for side in ("train", "valid", "test") for label in ("a", "b")))
    write_photos(tmp_path / "pets", "test/cow", "test")
    assert new(tmp_path / "bot", "--data", tmp_path / "pets").returncode == 0
    assert "I tell a, b apart." in (tmp_path / "bot-replies" / "en.po").read_text()
    write_photos(tmp_path / "zoo", "cat", "dog", "\u200b")
    done = new(tmp_path / "zoo-bot", "--data", tmp_path / "zoo")
    assert (done.returncode, "the name is empty. Rename the folder." in done.stderr) == (2, True)


@pytest.mark.parametrize("has_photos", [False, True])
def test_the_name_that_training_keeps_for_itself_is_refused(tmp_path: Path, has_photos: bool) -> None:
    data = tmp_path / "pets"
    for label in ("cat", "dog", "(Outsider)"):
        (data / label).mkdir(parents=True)
        if has_photos:
            write_photos(data, label)
    done = new(tmp_path / "bot", "--data", data)
    assert (done.returncode, "the class (Outsider) has the name that is kept" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]


def test_photos_that_training_will_miss_are_told_of(tmp_path: Path) -> None:
    data = tmp_path / "pets"
    write_photos(data, "train/cat", "train/dog", "valid/cat")
    done = new(tmp_path / "bot", "--data", data)
    assert (done.returncode, done.stderr) == (0, "")
    assert "before you train: fewer than 5 photos in class cat (2), dog (1)." in done.stdout
    assert "before you train: the folder valid holds no photo of class dog." in done.stdout
    for side in ("train", "valid"):
        for label in ("cat", "dog"):
            write_photos(data, f"{side}/{label}")
            for number in range(4):
                (data / side / label / f"more-{number}.jpg").write_bytes(encode(draw("red")))
    assert "before you train" not in new(tmp_path / "bot", "--data", data).stdout


def test_texts_are_not_put_among_the_photos(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    done = new(tmp_path / "pets" / "bot", "--data", tmp_path / "pets")
    assert (done.returncode, "the texts' folder would be a class" in done.stderr) == (2, True)
    assert sorted(file.name for file in (tmp_path / "pets").iterdir()) == ["cat", "dog"]


def test_a_class_without_a_photo_is_told_of_once_others_have_some(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    for empty in ("hen", ".git", "2024"):
        (tmp_path / "pets" / empty).mkdir()
    done = new(tmp_path / "bot", "--data", tmp_path / "pets")
    assert (done.returncode, done.stderr) == (2, "bot: no photo is in hen. Put photos there or remove the folder.\n")


def test_folders_with_two_readings_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    write_photos(tmp_path / "zoo", "cat/tom", "cat/felix", "dog")
    done = new(tmp_path / "zoo-bot", "--data", tmp_path / "zoo")
    assert (done.returncode, "two readings" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["zoo"]
    assert new(tmp_path / "zoo-bot", "--data", tmp_path / "zoo", "--class-folder", "first").returncode == 0
    assert "I tell cat, dog apart." in (tmp_path / "zoo-bot-replies" / "en.po").read_text()


def test_any_folders_name_becomes_a_class_that_the_bot_answers_with(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for name in (b"caf\xe9", "cre\u0300me".encode(), b"{soup} of } day", b"__MACOSX", b"@eaDir", b".git"):
        (photos / os.fsdecode(name)).mkdir(parents=True)
    labels = ["caf\u00e9", "cr\u00e8me", "{soup} of } day"]
    model = write_color_model(tmp_path / "menu.onnx", labels)
    done = new(tmp_path / "menu", "--data", photos)
    assert done.returncode == 0, done.stderr
    texts = polib.pofile(str(tmp_path / "menu-replies" / "en.po"), encoding="utf-8")
    assert {entry.msgid for entry in texts if entry.msgctxt == "answer"} == set(labels)
    messages = [telegram.send_photo(draw(color)) for color in ("red", "green", "blue")]
    start_bot(MODEL_PATH=str(model))
    telegram.wait_until(lambda: len(telegram.answers()) == len(messages))
    answers = [telegram.answers()[message] for message in messages]
    assert answers == [f"This is {label}, I am 99% sure." for label in labels]


def test_names_that_cannot_be_written_are_refused_before_any_file(tmp_path: Path) -> None:
    for name in ("cat", "dog", "bird" * 30):
        (tmp_path / "pets" / name).mkdir(parents=True)
    done = new(tmp_path / "zoo", "--data", tmp_path / "pets")
    assert (done.returncode, "has 120 characters" in done.stderr, "Rename" in done.stderr) == (2, True, True)
    (tmp_path / "pets" / ("bird" * 30)).rmdir()
    done = new(tmp_path / os.fsdecode(b"z\xf6o"), "--data", tmp_path / "pets")
    assert (done.returncode, done.stderr) == (
        2,
        f"bot: the name {tmp_path}/z\\xf6o is not UTF-8 text. Give another one.\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]


@pytest.mark.parametrize("name", ["my pets #2", "it's", "d\u00e9j\u00e0 'vu' \"$HOME\" \\", "{name} %s"])
def test_the_settings_of_any_name_lead_to_its_model(run_bot: RunBot, tmp_path: Path, name: str) -> None:
    model = write_color_model(tmp_path / f"{name}.onnx")
    assert new(tmp_path / name).returncode == 0
    done = run_bot("doctor", LABELGRAM_ENV_FILE=str(tmp_path / f"{name}.env"), TELEGRAM_API_SERVER="http://127.0.0.1:1")
    assert f"ok   model: {model}, " in done.stdout


def test_a_shell_reads_a_name_with_spaces(tmp_path: Path) -> None:
    model = write_color_model(tmp_path / "my pets; echo #2.onnx")
    assert new(model.with_suffix("")).returncode == 0
    script = f'. "{model.with_suffix(".env")}"; printf %s "$MODEL_PATH"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == str(model)


def test_names_are_shown_without_control_characters(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
    done = new(tmp_path / "\x1b[31mred", "--data", tmp_path / "pets")
    assert (done.returncode, "\x1b" in done.stdout, r"\x1b[31mred" in done.stdout) == (0, False, True)
    for command in (("a\nb", "--data", tmp_path / "pets"), ("\x1b[31mno-model",), ("x", "--data", tmp_path / "\x07")):
        done = new(tmp_path / command[0], *command[1:])
        assert done.returncode == 2
        assert done.stderr.removesuffix("\n").isprintable()


def test_a_bot_of_200_classes_answers(telegram: Telegram, start_bot: StartBot, tmp_path: Path) -> None:
    labels = [f"class {number:03}" for number in range(200)]
    model = write_color_model(
        tmp_path / "many.onnx", labels, {"unsure": '{"rule": "best_probability_below", "threshold": 0.001}'}
    )
    message = telegram.send_photo(draw("green"))
    start_bot(MODEL_PATH=str(model))
    telegram.send_text("/start")
    telegram.wait_until(lambda: len(telegram.texts()) == 2)
    assert "class 001" in telegram.answers()[message]
    assert any("190 more" in text for text in telegram.texts())


def test_the_old_name_says_the_new_one() -> None:
    command = [sys.executable, "-m", "deploy.new"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "python -m deploy.new is now: python -m bot new\n")
