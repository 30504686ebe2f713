"""docs/model-file.md: its programs read a file as the bot does, word for word."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.inference.classifier import Classifier
from export.metadata import describe_file
from tests.support.datasets import CLASSES, draw_photo
from tests.support.models import write_color_model
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "model-file.md").read_text(encoding="utf-8")
NODE_MODULES = os.environ.get("LABELGRAM_NODE_MODULES")
"""A folder node_modules with onnxruntime-web and sharp."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with an outsider output, NAME.json, and photos: of each class, a black one, one that is turned, grey ones.

    The grey ones are of 8 and of 16 bits, and one of them is turned too.
    """
    folder = tmp_path_factory.mktemp("reader")
    unsure = {"rule": "best_probability_below_or_outsider_above", "threshold": 0.6, "outsider": 0.9}
    labels = (*CLASSES, "pale")  # the fourth class's answer to grey tells how bright it is
    model = write_color_model(folder / "m.onnx", labels, {"unsure": json.dumps(unsure)}, outsider_batch="batch")
    contract = Classifier(model, threads=1).contract
    (folder / "m.json").write_text(describe_file(model.read_bytes(), model.name, contract))
    for label, color in CLASSES.items():
        draw_photo(color, seed=3).save(folder / f"{label}.png")
    draw_photo((0.0, 0.0, 0.0), seed=3).save(folder / "black.png")
    turned = draw_photo((1.0, 0.2, 0.2), seed=4)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    grey = draw_photo((0.5, 0.4, 0.3), seed=5).convert("L")
    grey.save(folder / "grey.png")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    deep.save(folder / "deep.png")
    deep.save(folder / "deep-turned.png", exif=exif)
    return model


def read_program(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def check(model: Path, command: list[str], cwd: Path) -> None:
    classifier = Classifier(model, threads=1)
    for photo in sorted([*model.parent.glob("*.png"), *model.parent.glob("*.jpg")]):
        done = subprocess.run(
            [*command, str(model), str(photo)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        answer, expected = json.loads(done.stdout), classifier.classify(photo.read_bytes())
        assert answer["label"] == (None if expected.unsure else expected.label), photo.name
        assert answer["probability"] == pytest.approx(expected.probability, abs=0.01), photo.name


def test_the_python_program_answers_as_the_bot(model: Path, tmp_path: Path) -> None:
    (tmp_path / "read.py").write_text(read_program("python"))
    check(model, [sys.executable, "read.py"], tmp_path)


@pytest.mark.skipif(
    not NODE_MODULES or not shutil.which("node"), reason="LABELGRAM_NODE_MODULES names no onnxruntime-web and sharp"
)
def test_the_javascript_program_answers_as_the_bot(model: Path, tmp_path: Path) -> None:
    (tmp_path / "read.mjs").write_text(read_program("js"))
    (tmp_path / "node_modules").symlink_to(str(NODE_MODULES))
    check(model, ["node", "read.mjs"], tmp_path)
