"""`python -m export` on the small training run: what the file is, and what stops it from being written."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from fastai.learner import Learner

from bot.inference.classifier import Classifier
from bot.inference.contract import Preprocess
from export import card, pipeline
from export.__main__ import main
from export.graph.build import build_graph
from export.graph.parity import compare, loses_more_than_chance, make_photo, top_up
from export.metadata import read_metrics, read_trained_on
from export.training_run import CHECKED_PHOTOS, load
from tests.support.datasets import CLASSES, draw_photo
from tests.support.paths import ROOT
from tests.support.photos import encode
from tests.support.warm import Command, run
from training.evaluation.answers import Answers
from training.fitting.learner import compute_logits
from training.recipe import name_weights
from training.runs import read_metrics as read_report


@pytest.fixture(params=["float32", "int8"])
def exported(request: pytest.FixtureRequest) -> Path:
    file: Path = request.getfixturevalue(request.param)
    return file


def test_the_file_meets_the_contract(exported: Path) -> None:
    model = onnx.load(exported, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 20}
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert (batch.dim_param, batch.dim_value) == ("batch", 0)
    contract = Classifier(exported, threads=1).contract
    assert contract.labels == tuple(sorted(CLASSES))
    assert contract.preprocess == Preprocess(size=224, resize=256)
    metrics, report = read_metrics(contract), read_report(exported.parent / "toy-report")
    assert metrics.precision == exported.stem
    assert metrics.evaluation.scores.right.photos == report.evaluation.scores.right.photos
    if exported.stem == "float32":  # the report and the file are measured by the same functions
        found, told = metrics.evaluation.scores.recall, report.evaluation.scores.recall
        assert {label: recall.share for label, recall in found.items()} == pytest.approx(
            {label: recall.share for label, recall in told.items()}, abs=1e-4
        )
        assert metrics.temperature == pytest.approx(report.evaluation.calibration.temperature, abs=1e-3)
    assert read_trained_on(contract).recipe == name_weights(report.run.recipe)


def test_nothing_in_the_file_tells_of_the_machine_that_made_it(exported: Path) -> None:
    data = exported.read_bytes()
    for secret in (str(ROOT), str(exported.parent), "site-packages", str(Path.home())):
        assert secret.encode() not in data


def test_it_names_new_photos_of_the_classes_it_was_trained_on(exported: Path) -> None:
    """Nearly all of thirty. Which ones it misses depends on the processor that trained it."""
    classifier = Classifier(exported, threads=1)
    right = 0
    for label, color in CLASSES.items():
        for seed in range(70, 80):
            probabilities = classifier.classify(encode(draw_photo(color, seed), "PNG")).probabilities
            right += max(probabilities, key=probabilities.__getitem__) == label
    assert right > 25


def test_it_takes_any_batch(exported: Path) -> None:
    pixels = np.zeros((5, 224, 224, 3), np.uint8)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (rows,) = session.run(["probabilities"], {"image": pixels})
    assert rows.shape == (5, 3)
    assert rows.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_the_check_on_200_photos_is_printed(exported: Path) -> None:
    output = exported.with_suffix(".txt").read_text()
    assert "checking on 200 photos" in output
    assert "float32 file against the learner: same label on 100.00% of 200 photos" in output
    assert ("int8 file against the float32 one" in output) == (exported.stem == "int8")


def test_the_int8_file_is_a_quarter_of_the_size(trained: Path, exported: Path) -> None:
    assert exported.stat().st_size < (13_000_000 if exported.stem == "int8" else 48_000_000)


def test_int8_answers_are_the_same_on_every_processor_and_pixels_are_read_as_they_are(int8: Path) -> None:
    """Two products of 255 and a weight have to fit into 16 bits, or processors without VNNI clip them."""
    graph = onnx.load(int8).graph
    weights = [onnx.numpy_helper.to_array(one) for one in graph.initializer if one.data_type == onnx.TensorProto.INT8]
    assert max(int(np.abs(one.astype(int)).max()) for one in weights if one.ndim > 1) * 2 * 255 < 2**15
    readers = [node for node in graph.node if "image" in node.input]
    assert [node.op_type for node in readers if node.op_type != "Shape"] == ["Reshape"]  # a shape is no pixels


def test_fastai_and_the_bot_agree_from_the_same_bytes(trained: Path, float32: Path) -> None:
    source = load(trained / "toy.pkl", None)
    photos = [photo.path.read_bytes() for photo in source.photos]
    classifier = Classifier(float32, threads=1)
    named = [classifier.classify(photo).label for photo in photos]
    assert named == [
        source.labels[index] for index in compute_logits(source.learner, photos)[:, : len(source.labels)].argmax(1)
    ]


def test_a_file_that_says_something_else_is_caught_and_not_written(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build_another(learner: Learner, temperature: float) -> onnx.ModelProto:
        learner.model[1][-1].weight.data.neg_()
        return build_graph(learner, temperature)

    monkeypatch.setattr(pipeline, "build_graph", build_another)
    out = trained / "never.onnx"
    assert main([str(trained / "toy.pkl"), "--out", str(out)]) == 1
    message = capsys.readouterr().err
    assert "does not say what the learner says" in message
    assert "photos/" in message  # which photo
    assert "became" in message  # and how
    assert not list(trained.glob("never*"))


def test_what_is_missing_is_named(trained: Path, tmp_path: Path) -> None:
    cases = {
        "gone.pkl": tmp_path / "gone.pkl",
        "metrics.json": shutil.copy(trained / "toy.pkl", tmp_path / "bare.pkl"),
    }
    for expected, pickle in cases.items():
        done = run("export", str(pickle), "--out", str(tmp_path / "x.onnx"))
        assert done.returncode == 1
        assert expected in done.stderr
        assert len(done.stderr.splitlines()) == 1
    shutil.copytree(trained / "toy-report", tmp_path / "bare-report")
    done = run("export", str(tmp_path / "bare.pkl"), "--out", str(tmp_path / "x.onnx"), "--data", str(tmp_path))
    assert "photos of the training run are not there" in done.stderr
    (tmp_path / "bare.pkl").write_bytes(b"no pickle")
    done = run("export", str(tmp_path / "bare.pkl"), "--out", str(tmp_path / "x.onnx"))
    assert "is not a learner that this version can load" in done.stderr
    assert not (tmp_path / "x.onnx").exists()


def test_ctrl_c_writes_nothing(trained: Path, tmp_path: Path) -> None:
    process = Command("export", str(trained / "toy.pkl"), "--out", str(tmp_path / "x.onnx"))
    done = process.interrupt_at("checking on", seconds=60)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "export: stopped, nothing is written."
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_card_is_written_leaves_the_earlier_file(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(card, "render", stop)
    files = {tmp_path / f"x.{ending}": "the earlier one" for ending in ("onnx", "json", "md")}
    for file, text in files.items():
        file.write_text(text)
    assert main([str(trained / "toy.pkl"), "--out", str(tmp_path / "x.onnx")]) == 130
    assert capsys.readouterr().err == "export: stopped, nothing is written.\n"
    assert {file: file.read_text() for file in tmp_path.iterdir()} == files


def test_given_photos_are_checked_on_too_and_unreadable_ones_named(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.jpg").write_bytes((trained / "photos" / "red" / "00.jpg").read_bytes())
    (tmp_path / "more" / "text.jpg").write_text("hello")
    (tmp_path / "more" / os.fsdecode(b"caf\xe9.jpg")).write_text("hello")
    (tmp_path / "none").mkdir()
    held_out = sum(read_report(trained / "toy-report").run.photos["valid"].values())
    command = ["export", str(trained / "toy.pkl"), "--out", str(tmp_path / "x.onnx"), "--photos"]
    done = run(*command, str(tmp_path / "more"))
    assert done.returncode == 0
    assert "text.jpg: not a photo" in done.stdout
    assert r"caf\xe9.jpg: not a photo" in done.stdout
    told = f"checking on 200 photos, {held_out} of them held out from training, {199 - held_out} variants of the others"
    assert told in done.stdout
    done = run(*command, str(tmp_path / "none"))
    assert done.returncode == 1
    assert "there is no photo in" in done.stderr


def test_of_many_photos_that_were_all_learned_some_of_each_class_are_checked(trained: Path) -> None:
    small = load(trained / "toy.pkl", None)
    photos = [replace(photo, held_out=False) for photo in small.photos for _ in range(20)]
    photos = [replace(photo, path=Path(f"{number}.jpg")) for number, photo in enumerate(photos)]
    checked = replace(small, photos=photos).checked
    assert len({photo.path for photo in checked}) == len(checked) == CHECKED_PHOTOS
    assert {photo.label for photo in checked} == set(CLASSES)
    assert replace(small, photos=photos[:7]).checked == photos[:7]


def test_photos_are_topped_up_with_variants_that_differ() -> None:
    photo = make_photo("a", encode(draw_photo((1, 1, 1), 1), "PNG"))
    photos = top_up([photo], 5)
    assert len({photo.data for photo in photos}) == len({photo.name for photo in photos}) == 5
    assert top_up(photos, 3) == photos


def say(probabilities: list[float], outsider: list[float] | None = None) -> Answers:
    """Answers about two classes, from the first one's probabilities."""
    rows = np.array([[first, 1 - first] for first in probabilities], np.float32)
    return Answers(rows, np.array(outsider or [np.nan] * len(rows), np.float32))


def test_the_comparison_names_the_photo_whose_label_changed() -> None:
    expected, found = say([0.9, 0.51, 0.2]), say([0.7, 0.49, 0.2])
    agreement = compare(expected, found, ["a", "b", "c"], ["cat", "dog"])
    assert agreement.labels == pytest.approx(2 / 3)
    assert agreement.difference == pytest.approx(0.2, abs=1e-6)
    assert agreement.worst == "b: cat 0.5100 became dog 0.5100"


def test_a_photos_name_is_shown_as_it_can_be_printed() -> None:
    agreement = compare(say([0.9]), say([0.8]), ["a\x1b[2J.jpg"], ["cat", "dog"])
    assert agreement.worst == "a\\x1b[2J.jpg: dog 0.1000 became dog 0.2000"


def test_a_changed_outsider_counts_in_the_comparison() -> None:
    agreement = compare(say([0.9, 0.8], [0.1, 0.1]), say([0.9, 0.8], [0.1, 0.4]), ["a", "b"], ["cat", "dog"])
    assert agreement.labels == 1
    assert agreement.difference == pytest.approx(0.3, abs=1e-6)
    assert agreement.worst == "b: outsider 0.1000 became outsider 0.4000"


def test_int8_is_refused_only_where_chance_does_not_explain_its_loss() -> None:
    right = np.ones(1000, bool)

    def lose(count: int, gain: int = 0) -> bool:
        before, after = right.copy(), right.copy()
        after[:count] = False
        before[count : count + gain] = False
        return loses_more_than_chance(before, after)

    assert not lose(3)  # 0.3 points are allowed
    assert not lose(4)  # 4 of 4 happen by chance in one case of 16
    assert lose(5)
    assert not lose(10, gain=6)
    assert lose(20, gain=6)
    assert not loses_more_than_chance(np.ones(10, bool), np.array([False] * 3 + [True] * 7))


@pytest.mark.parametrize("out", ["toy.pkl", "toy.md", "toy", "photos.onnx"])
def test_a_place_that_is_no_onnx_file_is_refused_at_once(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos.onnx").mkdir()
    (tmp_path / "toy.pkl").write_text("a net")
    with pytest.raises(SystemExit):
        main([str(tmp_path / "toy.pkl"), "--out", str(tmp_path / out)])
    assert "is no name of a file that ends in .onnx, such as artifacts/pets.onnx" in capsys.readouterr().err
    assert (tmp_path / "toy.pkl").read_text() == "a net"


@pytest.mark.parametrize("ending", [".md", ".json"])
def test_a_folder_with_the_name_of_the_card_costs_no_earlier_file(
    ending: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy.onnx").write_text("an earlier file")
    (tmp_path / f"toy{ending}").mkdir()
    assert main([str(trained / "toy.pkl"), "--out", str(tmp_path / "toy.onnx")]) == 1
    message = f"export: {tmp_path / f'toy{ending}'}: a folder has this name. Rename or remove it\n"
    assert capsys.readouterr() == ("", message)
    assert (tmp_path / "toy.onnx").read_text() == "an earlier file"


@pytest.mark.parametrize("late", [False, True])
def test_ctrl_c_says_whether_the_file_is_written(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "toy.onnx"
    replace_file = Path.replace

    def stop(*_: object) -> str:
        signal.raise_signal(signal.SIGINT)
        return "the card"

    def stop_and_replace(part: Path, file: Path) -> Path:
        stop()
        return replace_file(part, file)

    def export(order: pipeline.Order) -> None:
        pipeline.write(onnx.ModelProto(), None, order.out)  # type: ignore[arg-type]  # nothing reads it here

    monkeypatch.setattr(pipeline, "export", export)
    monkeypatch.setattr(pipeline, "finish", lambda *_: b"the net")
    monkeypatch.setattr(pipeline, "describe_file", lambda *_: "{}")
    monkeypatch.setattr(card, "render", (lambda *_: "the card") if late else stop)
    if late:
        monkeypatch.setattr(Path, "replace", stop_and_replace)
    assert main([str(tmp_path / "toy.pkl"), "--out", str(out)]) == 130
    written = f": {out} and its card are written" if late else ", nothing is written"
    assert capsys.readouterr().err == f"export: stopped{written}.\n"
    assert [path.name for path in sorted(tmp_path.iterdir())] == (["toy.json", "toy.md", "toy.onnx"] if late else [])
