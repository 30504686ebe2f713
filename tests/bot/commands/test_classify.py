"""`python -m bot classify`, the real command."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from bot import whole_files
from bot.commands.classify.sorting import Sorter, name_folders
from tests.support.bot_process import BOT_PYTHON, RunBot, environment
from tests.support.models import write_color_model
from tests.support.paths import ROOT
from tests.support.photos import COLORS, draw, encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "blue.PNG").write_bytes(encode(draw("blue"), "PNG"))
    (folder / "a.jpg").write_bytes(encode(draw("red")))
    (folder / "c.webp").write_bytes(encode(Image.new("RGB", (64, 64), "gray"), "WEBP"))
    (folder / "notes.txt").write_text("not a photo, and not named like one")
    return folder


def test_json_has_one_object_a_photo_in_sorted_order(folder: Path, run_bot: RunBot, color_model: Path) -> None:
    done = run_bot("classify", "--json", "--model", str(color_model), str(folder))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [Path(line["path"]).name for line in lines] == ["a.jpg", "blue.PNG", "c.webp"]
    assert [line["label"] for line in lines] == ["red", "blue", None]
    assert [line["unsure"] for line in lines] == [False, False, True]
    assert [line["unsure_because"] for line in lines] == [None, None, "close"]
    for line in lines:
        assert set(line) == {
            *("path", "label", "probability", "probabilities", "outsider", "unsure", "unsure_because"),
        }
        assert line["probability"] == max(line["probabilities"].values())
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(folder: Path, run_bot: RunBot, color_model: Path) -> None:
    (folder / "b" / "text.jpg").write_text("hello")
    (folder / "empty").mkdir()
    paths = [str(folder / "b"), str(folder / "empty"), str(folder / "gone.jpg"), str(folder / "a.jpg")]
    done = run_bot("classify", "--json", *paths, MODEL_PATH=str(color_model))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert ["error" in line for line in lines] == [False, True, True, True, False]
    assert set(lines[1]) == {"path", "error"}
    assert "not a photo" in lines[1]["error"]
    assert "no photo in this folder" in lines[2]["error"]
    assert lines[3]["error"] == "No such file or directory"


@pytest.mark.parametrize("color", COLORS)
def test_a_dash_is_a_photo_on_standard_input(color: str, run_bot: RunBot, color_model: Path) -> None:
    done = run_bot("classify", "-", MODEL_PATH=str(color_model), stdin=encode(draw(color)))
    assert done.returncode == 0
    assert done.stdout.startswith(f"-: {color} 99.")


def test_a_model_of_200_classes_needs_nothing_else(tmp_path: Path, run_bot: RunBot) -> None:
    model = write_color_model(tmp_path / "many.onnx", [f"class {number}" for number in range(200)])
    done = run_bot("classify", "--json", "--model", str(model), "-", stdin=encode(draw("green")))
    answer = json.loads(done.stdout)
    assert len(answer["probabilities"]) == 200
    assert max(answer["probabilities"], key=answer["probabilities"].get) == "class 1"


def test_wrong_usage_and_wrong_models_end_with_status_2(tmp_path: Path, run_bot: RunBot) -> None:
    assert run_bot("classify").returncode == 2
    not_onnx = tmp_path / "model.onnx"
    not_onnx.write_text("this is no model")
    for model in (not_onnx, tmp_path / "gone.onnx", tmp_path):
        done = run_bot("classify", "--model", str(model), "-")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert str(model) in line


@pytest.mark.parametrize("option", ["--sort-into", "--watch", "--model", None])
def test_an_empty_name_is_not_the_current_folder(option: str | None, run_bot: RunBot) -> None:
    done = run_bot("classify", *([option] if option else []), "", "-")
    assert done.returncode == 2
    assert "the name of the file or folder is empty" in done.stderr


def test_classify_does_not_need_telegram(run_bot: RunBot, color_model: Path) -> None:
    done = run_bot("classify", "-", MODEL_PATH=str(color_model), WEBHOOK_URL="https://example.com", stdin=b"x")
    assert (done.returncode, done.stdout) == (1, "-: error: not a photo in JPEG, PNG, WEBP, GIF, BMP\n")


def test_output_that_nobody_reads_any_more_leaves_no_traceback(folder: Path, color_model: Path) -> None:
    command = f"{BOT_PYTHON} -m bot classify --model {color_model} {folder} {folder} | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment(), capture_output=True, timeout=60, check=False
    )
    assert done.stderr == b""


def test_csv_has_a_row_a_photo_and_the_likeliest_classes(folder: Path, run_bot: RunBot, color_model: Path) -> None:
    (folder / "text.jpg").write_text("hello")
    done = run_bot("classify", "--csv", "--top", "2", str(folder), MODEL_PATH=str(color_model))
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert done.returncode == 1
    assert [row["label"] for row in rows] == ["red", "blue", "", ""]
    assert [row["unsure_because"] for row in rows] == ["", "", "close", ""]
    assert "not a photo" in rows[3]["error"]
    for row in rows[:3]:
        assert float(row["probability_1"]) == float(row["probability"]) >= float(row["probability_2"])


def test_csv_has_no_more_columns_than_classes_and_no_row_is_shorter(
    folder: Path, run_bot: RunBot, color_model: Path
) -> None:
    (folder / "text.jpg").write_text("hello")
    done = run_bot("classify", "--csv", "--top", "999999999999", str(folder), MODEL_PATH=str(color_model))
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header[-2:] == ["label_3", "probability_3"]
    assert {len(row) for row in rows} == {len(header)}


def test_no_answer_is_a_hundred_percent_sure(tmp_path: Path, run_bot: RunBot, color_model: Path) -> None:
    (tmp_path / "red.png").write_bytes(encode(draw("red"), "PNG"))
    done = run_bot("classify", "--top", "3", str(tmp_path / "red.png"), MODEL_PATH=str(color_model))
    shares = [float(share) for share in re.findall(r" ([0-9.]+)%", done.stdout)]
    assert len(shares) == 3
    assert max(shares) <= 99.9


def test_sorting_copies_each_photo_to_its_label_and_overwrites_nothing(
    folder: Path, tmp_path: Path, run_bot: RunBot, color_model: Path
) -> None:
    (folder / "b" / "a.jpg").write_bytes(encode(draw("red", (64, 64))))
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for _ in range(2):  # the second time nothing is copied again
        done = run_bot("classify", "--sort-into", str(tmp_path / "out"), str(folder), MODEL_PATH=str(color_model))
        assert (done.returncode, done.stderr) == (0, "")
    copies = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*"))
    assert copies == ["blue/blue.PNG", "red/a-2.jpg", "red/a.jpg", "unsure/c.webp"]
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    done = run_bot("classify", "--sort-into", str(folder / "out"), str(folder), MODEL_PATH=str(color_model))
    assert done.returncode == 2
    assert "is inside of" in done.stderr
    assert not (folder / "out").exists()


def test_what_a_killed_process_has_left_among_the_copies_goes_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [tmp_path / name / f".{'0' * 16}.part" for name in ("unsure", "a_b", "other")]
    for part in left:
        part.parent.mkdir()
        part.write_bytes(b"half")
    Sorter(tmp_path, [], ["a/b"])
    assert all(part.exists() for part in left)  # somebody may be writing them
    monkeypatch.setattr(whole_files, "STALE", -1)
    owned = [left[0].with_name(name) for name in (f"backup.{'0' * 16}.part", f".{'0' * 32}.part", "film.part")]
    for file in owned:
        file.write_bytes(b"of the user")
    Sorter(tmp_path, [], ["a/b"])
    assert [part.exists() for part in left] == [False, False, True]
    assert all(file.exists() for file in owned)


def test_what_cannot_be_deleted_keeps_nothing_else_from_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_files, "STALE", -1)
    left = [tmp_path / "unsure" / f".{digit * 16}.part" for digit in "12345678"]
    for part in left[:4]:
        part.mkdir(parents=True)
    for part in left[4:]:
        part.write_bytes(b"half")
    unlink, refused = Path.unlink, left[4:6]

    def refuse(file: Path, missing_ok: bool = False) -> None:
        if file in refused:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        unlink(file, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    Sorter(tmp_path, [], [])
    assert [part.exists() for part in left] == [True] * 6 + [False] * 2


def test_a_folder_of_copies_is_told_from_others_whatever_the_labels(tmp_path: Path, run_bot: RunBot) -> None:
    labels = ["unsure", ".x", "x", "a/b", "a_b", "é", "e\u0301", "字" * 100]
    folders = name_folders(labels)
    assert len({unicodedata.normalize("NFC", name) for name in folders.values()} | {"unsure"}) == 9
    assert [folders[label] for label in ("x", "a_b", ".x", "a/b")] == ["x", "a_b", "x-2", "a_b-2"]
    assert all(len(os.fsencode(name)) <= 255 for name in name_folders(labels).values())
    model = write_color_model(tmp_path / "colors.onnx", labels=("unsure", "RED", "red"))
    (tmp_path / "in").mkdir()
    for color in COLORS:
        (tmp_path / "in" / f"{color}{'x' * (251 - len(color))}.png").write_bytes(encode(draw(color), "PNG"))
    out = tmp_path / "out"
    done = run_bot("classify", "--sort-into", str(out), str(tmp_path / "in"), MODEL_PATH=str(model))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(folder.name for folder in out.iterdir()) == ["RED", "red-2", "unsure-2"]


def test_what_stands_under_a_copys_name_stays_as_it_is(tmp_path: Path, run_bot: RunBot, color_model: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (out / "red").mkdir(parents=True)
    source.mkdir()
    (out / "red" / "empty.png").touch()
    for name in ("link", "pipe", "other", "empty", "long" * 62):
        (source / f"{name}.png").write_bytes(encode(draw("red"), "PNG"))
    (out / "red" / "link.png").symlink_to("nowhere")
    os.mkfifo(out / "red" / "pipe.png")
    for name in ("other", "long" * 62):
        (out / "red" / f"{name}.png").write_text("another")
    (source / "copies").symlink_to(out)
    for _ in range(2):
        done = run_bot("classify", "--sort-into", str(out), str(source), MODEL_PATH=str(color_model))
        assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 5)
    assert len(list((out / "red").iterdir())) == 10
    assert (out / "red" / "empty.png").read_bytes() == b""
    assert (out / "red" / "empty-2.png").read_bytes() == (source / "empty.png").read_bytes()
    assert not (out / "nowhere").exists()
    assert (out / "red" / "other.png").read_text() == "another"
    assert (out / "red" / "other-2.png").read_bytes() == (source / "other.png").read_bytes()
    done = run_bot("classify", "--sort-into", str(out), str(out / "red"), MODEL_PATH=str(color_model))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"holds {out / 'red'}, which is read" in done.stderr
    done = run_bot("classify", "--sort-into", str(out), "-", MODEL_PATH=str(color_model))
    assert (done.returncode, done.stdout) == (2, "")
    assert "not standard input" in done.stderr


def test_odd_files_and_names_are_told_and_nothing_hangs(tmp_path: Path, run_bot: RunBot, color_model: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    red = encode(draw("red"))
    for name in (b"caf\xe9.jpg", b"new\nline.jfif", "rtl\u202egpj.jpe".encode(), b"\x1b[31m.jpg"):
        (folder / os.fsdecode(name)).write_bytes(red)
    for hidden in ("._a.jpg", ".ipynb_checkpoints/a.jpg", "__MACOSX/a.jpg", "@eaDir/a.jpg"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_bytes(b"x")
    (folder / "loop").symlink_to(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "z.jpg").write_bytes(red)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "pipe.jpg")
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(1_500_000_000)
    done = run_bot("classify", str(folder), MODEL_PATH=str(color_model))
    lines = [line.removeprefix(f"{folder}/") for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.partition(":")[0] for line in lines] == [
        *("\\x1b[31m.jpg", "caf\\xe9.jpg", "huge.jpg", "linked/z.jpg", "new\\nline.jfif", "pipe.jpg"),
        "rtl\\u202egpj.jpe",
    ]
    assert "more than 200 MB" in lines[2]
    assert "not a regular file" in lines[5]
    done = run_bot("classify", "--json", str(folder), MODEL_PATH=str(color_model))
    paths = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    assert os.fsencode(folder) + b"/caf\xe9.jpg" in map(os.fsencode, paths)


def test_watching_answers_what_arrives_and_ends_with_ctrl_c(tmp_path: Path, color_model: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(encode(draw("red")))
    command = [BOT_PYTHON, "-m", "bot", "classify", "--watch", str(tmp_path), "--model", str(color_model)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout
        photo = tmp_path / "new.jpg"
        while not select.select([watcher.stdout], [], [], 3)[0]:  # until it has looked at the folder for the first time
            photo.write_bytes(encode(draw("blue")))
        assert watcher.stdout.readline().startswith(f"{photo}: blue 99.")
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(20) == 130


def test_a_folder_that_goes_away_ends_the_watch_with_a_line(tmp_path: Path, color_model: Path) -> None:
    folder, out = tmp_path / "inbox", tmp_path / "out.txt"
    folder.mkdir()
    command = [BOT_PYTHON, "-m", "bot", "classify", "--watch", str(folder), "--model", str(color_model)]
    with out.open("w") as file, subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=file, stderr=file) as bot:
        while not out.read_text():  # it has begun to look
            (folder / "new.jpg").write_bytes(encode(draw("blue")))
            time.sleep(1.5)
        shutil.rmtree(folder)
        assert bot.wait(60) == 2
    assert out.read_text().splitlines()[-1] == (
        f"bot: --watch {folder}: No such file or directory. Name a folder that is there."
    )


@pytest.fixture
def unprivileged() -> list[str]:
    """What goes before a command for which files' modes hold: root may read all."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    return [] if os.geteuid() else ["setpriv", "--bounding-set=-all"]


def test_a_folder_that_may_not_be_read_is_told_as_such(
    tmp_path: Path, color_model: Path, unprivileged: list[str]
) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    command = [*unprivileged, BOT_PYTHON, "-m", "bot", "classify", "--model", str(color_model), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"{tmp_path / 'locked'}: error: Permission denied\n"


def test_a_path_that_cannot_be_looked_at_keeps_no_other_from_its_answer(
    folder: Path, tmp_path: Path, color_model: Path, unprivileged: list[str]
) -> None:
    closed, listed = tmp_path / "closed", tmp_path / "listed"
    for place in (closed, listed):
        (place / "deeper").mkdir(parents=True)
        (place / "photo.jpg").write_bytes(encode(draw("blue")))
    (listed / "notes.txt").touch()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    endless = "longer-than-a-name-may-be" * 20
    closed.chmod(0)
    listed.chmod(0o444)  # names can be listed, and nothing more
    paths: list[str | Path] = [
        endless,
        closed / "photo.jpg",
        closed / "deeper",
        tmp_path / "circle",
        listed,
        folder / "a.jpg",
    ]
    command = [*unprivileged, BOT_PYTHON, "-m", "bot", "classify", "--model", str(color_model)]
    done = subprocess.run(
        [*command, "--sort-into", tmp_path / "sorted", *paths],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    listed.chmod(0o755)
    closed.chmod(0o755)
    assert (done.returncode, done.stderr) == (1, "")
    *refused, answer = done.stdout.splitlines()
    assert refused == [
        f"{endless}: error: File name too long",
        f"{closed / 'photo.jpg'}: error: Permission denied",
        f"{closed / 'deeper'}: error: Permission denied",
        f"{tmp_path / 'circle'}: error: Too many levels of symbolic links",
        f"{listed / 'deeper'}: error: Permission denied",
        f"{listed / 'photo.jpg'}: error: Permission denied",
    ]
    assert answer.startswith(f"{folder / 'a.jpg'}: red 99.")
    assert (tmp_path / "sorted" / "red" / "a.jpg").exists()


def test_links_that_lead_to_each_other_are_no_folder_to_sort_into(
    folder: Path, tmp_path: Path, run_bot: RunBot, color_model: Path
) -> None:
    (tmp_path / "there").symlink_to(tmp_path / "back")
    (tmp_path / "back").symlink_to(tmp_path / "there")
    done = run_bot("classify", str(folder), "--sort-into", str(tmp_path / "there"), MODEL_PATH=str(color_model))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"bot: --sort-into {tmp_path / 'there'}: ")
    assert line.endswith("Name a folder that can be written.")


def test_a_stream_is_read_no_further_than_a_file_may_be_large(color_model: Path) -> None:
    command = f"head -c 1500000000 /dev/zero | {BOT_PYTHON} -m bot classify --model {color_model} -"
    done = run_in_shell(f"ulimit -v 2000000; {command}")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "-: error: the file has more than 200 MB\n"


def test_an_output_that_is_full_or_closed_leaves_no_traceback(folder: Path, color_model: Path) -> None:
    command = f"{BOT_PYTHON} -W default -m bot classify --model {color_model} {folder / 'a.jpg'}"
    full = run_in_shell(f"{command} >/dev/full")
    assert (full.returncode, full.stderr) == (1, "bot: No space left on device\n")
    for closed in (">&-", ">&- 2>&-", "--csv >&-", "- <&-"):
        assert "Traceback" not in run_in_shell(f"{command} {closed}").stderr


def test_a_copy_that_cannot_be_finished_is_not_left(folder: Path, tmp_path: Path, color_model: Path) -> None:
    (folder / "large.bmp").write_bytes(encode(draw("red", (400, 400)), "BMP"))
    command = f"{BOT_PYTHON} -m bot classify --model {color_model} --sort-into {tmp_path / 'out'} {folder}"
    done = run_in_shell(f"trap '' XFSZ; ulimit -f 100; {command}")  # kB that a file may have: the disk's end
    assert (done.returncode, done.stderr) == (1, "")
    assert f"{folder / 'large.bmp'}: error: it could not be copied to {tmp_path / 'out' / 'red'}: " in done.stdout
    assert not (tmp_path / "out" / "red" / "large.bmp").exists()
    assert (tmp_path / "out" / "red" / "a.jpg").exists()


def run_in_shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )


def test_the_shipped_model_is_found_from_any_folder(tmp_path: Path) -> None:
    command = [BOT_PYTHON, "-m", "bot", "classify", "-"]
    variables = environment(PYTHONPATH=str(ROOT))
    done = subprocess.run(command, cwd=tmp_path, env=variables, input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_help_has_an_example_for_each_command_and_the_version_is_told(run_bot: RunBot) -> None:
    for command in ([], ["preview"], ["classify"], ["doctor"], ["benchmark"], ["new"]):
        done = run_bot(*command, "--help")
        assert done.returncode == 0
        assert "Example: python -m bot" in done.stdout
    assert run_bot("--version").stdout.startswith("labelgram ")
