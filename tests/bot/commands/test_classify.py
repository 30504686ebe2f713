"""`python -m bot classify`, the real command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

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
    for line in lines:
        assert set(line) == {"path", "label", "probability", "probabilities", "unsure"}
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


def test_classify_does_not_need_telegram(run_bot: RunBot, color_model: Path) -> None:
    done = run_bot("classify", "-", MODEL_PATH=str(color_model), WEBHOOK_URL="https://example.com", stdin=b"x")
    assert (done.returncode, done.stdout) == (1, "-: error: not a photo in JPEG, PNG, WEBP, GIF, BMP\n")


def test_output_that_nobody_reads_any_more_leaves_no_traceback(folder: Path, color_model: Path) -> None:
    command = f"{BOT_PYTHON} -m bot classify --model {color_model} {folder} {folder} | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment(), capture_output=True, timeout=60, check=False
    )
    assert done.stderr == b""
