"""The card of an exported file, and `python -m export verify`, the real commands on the small training run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest

from export import card
from tests.support.datasets import draw_photos
from tests.support.warm import run


@pytest.fixture
def copied(int8: Path, tmp_path: Path) -> Path:
    """An exported file and its card, to be tampered with."""
    shutil.copy(int8.with_suffix(".md"), tmp_path)
    return Path(shutil.copy(int8, tmp_path))


def claim(file: Path, **changed: object) -> None:
    """Let the file say something else of itself, and write the card for it."""
    model = onnx.load(file)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    properties["metrics"] = json.dumps(json.loads(properties["metrics"]) | changed)
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, file)
    file.with_suffix(".md").write_text(card.render(file))


def test_the_card_tells_the_figures_of_the_file(int8: Path) -> None:
    text = int8.with_suffix(".md").read_text()
    facts = json.loads({p.key: p.value for p in onnx.load(int8).metadata_props}["metrics"])
    for part in ("## Photos", "## Accuracy", "## Calibration", "## Photos of something else", "## Groups", "## Size"):
        assert part in text
    assert f"{100 * facts['accuracy']:.2f} % right" in text
    assert f"temperature of {facts['temperature']}" in text
    assert "int8 against float32" in text
    assert "`red`" in text
    assert "--start-epochs 3 --start-size 48" in text
    for kind, one in facts["rejection"]["kinds"].items():
        assert f"| {kind} | {one['pictures']} | {100 * one['rejected']:.2f} % |" in text


def test_the_words_about_the_photos_are_the_owners(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "about.md").write_text("Painted by hand, in the public domain.")
    out = tmp_path / "x.onnx"
    done = run("export", str(trained / "toy.pkl"), "--out", str(out), "--about", str(tmp_path / "about.md"))
    assert done.returncode == 0, done.stderr
    assert "Painted by hand, in the public domain." in out.with_suffix(".md").read_text()
    assert "float32, one file" in out.with_suffix(".md").read_text()
    done = run("export", str(trained / "toy.pkl"), "--out", str(out), "--about", str(tmp_path / "gone.md"))
    assert done.returncode == 1
    assert "--about names a text" in done.stderr


def test_true_claims_hold_on_the_photos_that_were_held_out(trained: Path, copied: Path) -> None:
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "those held out from training" in done.stdout
    assert "accuracy" in done.stdout
    assert "no label, " in done.stdout  # of outsiders
    assert "CLAIMS TOO MUCH" not in done.stdout


def test_a_claim_above_what_is_found_fails(trained: Path, copied: Path) -> None:
    model = json.loads({p.key: p.value for p in onnx.load(copied).metadata_props}["metrics"])
    claim(copied, accuracy=model["accuracy"] + 0.2, unsure=model["unsure"] - 0.2)
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if "CLAIMS TOO MUCH" in line]
    assert [line.split("claimed")[0].strip() for line in lines] == ["accuracy", "no label"]
    assert "2 of " in done.stderr


def test_a_card_written_by_hand_fails(trained: Path, copied: Path) -> None:
    text = copied.with_suffix(".md").read_text()
    copied.with_suffix(".md").write_text(text.replace(" % right", "9 % right"))
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 1
    assert "it was edited, or belongs to another file" in done.stderr


def test_other_photos_are_all_measured(copied: Path, tmp_path: Path) -> None:
    """Of the same classes, drawn alike: what holds for the held-out photos holds for them, within chance."""
    other = draw_photos(tmp_path / "other", each=12, twins=0)
    done = run("export", "verify", str(copied), "--data", str(other))
    assert "36 photos, all of them new to this model" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    swapped = tmp_path / "swapped"
    for old, new in (("red", "green"), ("green", "blue"), ("blue", "red")):
        shutil.copytree(other / old, swapped / new)
    done = run("export", "verify", str(copied), "--data", str(swapped))
    assert done.returncode == 1
    assert "accuracy" in next(line for line in done.stdout.splitlines() if "CLAIMS TOO MUCH" in line)


def test_what_cannot_be_verified_is_refused(copied: Path, trained: Path, tmp_path: Path) -> None:
    other = draw_photos(tmp_path / "other", classes=2, each=10, twins=0)
    (other / "red").rename(other / "purple")
    (tmp_path / "text.onnx").write_text("hello")
    model = onnx.load(copied)
    properties = {entry.key: entry.value for entry in model.metadata_props} | {"metrics": "very good"}
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, tmp_path / "vague.onnx")
    cases = {
        "the model does not know purple": (copied, other),
        "there is no folder": (copied, tmp_path / "nowhere"),
        "is not an ONNX file": (tmp_path / "text.onnx", other),
        "makes no claims": (tmp_path / "vague.onnx", trained / "photos"),
    }
    for message, (file, data) in cases.items():
        done = run("export", "verify", str(file), "--data", str(data))
        assert done.returncode == 2, message
        assert message in done.stderr
        assert "Traceback" not in done.stderr
