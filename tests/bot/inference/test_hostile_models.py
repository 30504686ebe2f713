"""Model files made to do harm, or made wrong: refused with one line before the first photo, with bounds on the harm."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bot.inference.classifier import Classifier
from bot.inference.contract import ModelError
from tests.support.bot_process import RunBot
from tests.support.models import METADATA, write_color_model
from tests.support.photos import draw, encode

Change = Callable[[onnx.ModelProto], None]

BODY = helper.make_graph(
    [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Identity", ["value"], ["same"])],
    "body",
    [
        helper.make_tensor_value_info("step", TensorProto.INT64, []),
        helper.make_tensor_value_info("going", TensorProto.BOOL, []),
        helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
    ],
    [
        helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
        helper.make_tensor_value_info("same", TensorProto.FLOAT, None),
    ],
)


def before_logits(*nodes: onnx.NodeProto, **constants: object) -> Change:
    """The nodes make `bad` of `color`, and the logits are made from that."""

    def change(model: onnx.ModelProto) -> None:
        at = next(index for index, node in enumerate(model.graph.node) if "logits" in node.output)
        model.graph.node[at].input[0] = "bad"
        for node in reversed(nodes):
            model.graph.node.insert(at, node)
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
        )

    return change


def after_softmax(*nodes: onnx.NodeProto, **constants: object) -> Change:
    """The nodes make `probabilities` of `soft`."""

    def change(model: onnx.ModelProto) -> None:
        softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
        softmax.output[0] = "soft"
        at = list(model.graph.node).index(softmax) + 1
        for node in reversed(nodes):
            model.graph.node.insert(at, node)
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
        )

    return change


def external(location: str, in_attribute: bool = False) -> Change:
    """Weights that are read from another file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = TensorProto(name="other", data_type=TensorProto.UINT8, dims=[16])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            tensor.external_data.add(key=key, value=value)
        if in_attribute:
            model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))
        else:
            model.graph.initializer.append(tensor)

    return change


def external_in_a_body(model: onnx.ModelProto) -> None:
    body = onnx.GraphProto()
    body.CopyFrom(BODY)
    tensor = TensorProto(name="hidden", data_type=TensorProto.UINT8, dims=[16], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="README.md")
    body.initializer.append(tensor)
    before_logits(helper.make_node("Loop", ["one", "", "color"], ["bad"], body=body), one=1)(model)


def repeated(count: int) -> Change:
    names = [*(f"x{number}" for number in range(count)), "bad"]
    nodes = [helper.make_node("Identity", ["color"], ["x0"])]
    nodes += [helper.make_node("Neg", [a], [b]) for a, b in pairwise(names)]
    return before_logits(*nodes)


def metadata(**fields: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        known = {entry.key: entry.value for entry in model.metadata_props}
        helper.set_model_props(model, known | fields)

    return change


def labelled(*labels: object) -> Change:
    return metadata(labels=json.dumps(labels))


HUGE = helper.make_node("ConstantOfShape", ["shape"], ["huge"])
SUM = helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0)
ADD = helper.make_node("Add", ["color", "sum"], ["bad"])
NODE = helper.make_node

REFUSED: dict[str, tuple[str, Change]] = {
    "external data, absolute": ("external data", external("/etc/passwd")),
    "external data, above": ("external data", external("../../../../etc/passwd")),
    "external data, in the working folder": ("external data", external("README.md")),
    "external data in an operator": ("external data", external("README.md", in_attribute=True)),
    "external data in the body of a loop": ("external data", external_in_a_body),
    "not a number": (
        "do not sum to 1",
        before_logits(NODE("Div", ["color", "zero"], ["x"]), NODE("Sub", ["x", "x"], ["bad"]), zero=np.float32(0)),
    ),
    "above 1": ("do not sum to 1", after_softmax(NODE("Mul", ["soft", "k"], ["probabilities"]), k=np.float32(1e30))),
    "below 0, with a sum of 1": (
        "do not sum to 1",
        after_softmax(NODE("Add", ["soft", "k"], ["probabilities"]), k=np.array([-2, 1, 1], np.float32)),
    ),
    "all zeros": ("do not sum to 1", after_softmax(NODE("Mul", ["soft", "k"], ["probabilities"]), k=np.float32(0))),
    "more rows than photos": (
        "other shapes",
        after_softmax(NODE("Concat", ["soft", "soft"], ["probabilities"], axis=0)),
    ),
    "a constant of 40 GB": (
        "fails|cannot|can run",
        before_logits(HUGE, SUM, ADD, shape=np.array([100_000, 100_000])),
    ),
    "a product of 40 GB": (
        "fails|can run",
        before_logits(
            NODE("MatMul", ["tall", "wide"], ["huge"]),
            SUM,
            ADD,
            tall=np.ones((100_000, 1), np.float32),
            wide=np.ones((1, 100_000), np.float32),
        ),
    ),
    "40 GB from each photo": (
        "fails|can run",
        before_logits(NODE("Tile", ["color", "times"], ["huge"]), SUM, ADD, times=np.array([60_000, 60_000])),
    ),
    "an endless loop": (
        "takes more than",
        before_logits(NODE("Loop", ["", "true", "color"], ["bad"], body=BODY), true=True),
    ),
    "a loop of 10^15 steps": (
        "takes more than",
        before_logits(NODE("Loop", ["steps", "", "color"], ["bad"], body=BODY), steps=10**15),
    ),
    "100,000 operators": ("more than 10,000 operators", repeated(100_000)),
    "an operator of nobody's": ("can run", before_logits(NODE("Evil", ["color"], ["bad"], domain="evil"))),
    "50 MB of metadata": ("more than 4 MB", metadata(metrics="x" * 50_000_000)),
    "labels in thousands of brackets": ("not JSON", metadata(labels="[" * 100_000 + "]" * 100_000)),
    "labels in lists": ("not a list", labelled(["red"], ["green"], ["blue"])),
    "a label of 5,000 letters": ("5,000 characters", labelled("a" * 5000, "green", "blue")),
    "an empty label": ("is empty", labelled(" ", "green", "blue")),
    "a label with a line break": ("cannot be shown", labelled("red\nred", "green", "blue")),
    "a label with a terminal's escape": ("cannot be shown", labelled("\x1b[2Jred", "green", "blue")),
    "half of a surrogate pair": ("cannot be shown", metadata(labels='["\\ud800", "green", "blue"]')),
    "a label that turns the text around": ("cannot be shown", labelled("red\u202egpj", "green", "blue")),
    "a label that leads out of a folder": ("has a slash or a backslash", labelled("../../evil", "green", "blue")),
    "a label that is the folder above": ("means another folder", labelled("..", "green", "blue")),
    "a label with a backslash": ("has a slash or a backslash", labelled("..\\evil", "green", "blue")),
    "100,000 labels": ("100,000 labels", labelled(*map(str, range(100_000)))),
    "photos of 100,000 pixels": (
        "preprocessing",
        metadata(preprocess=METADATA["preprocess"].replace("256", "100000")),
    ),
    "a threshold that is no number": (
        "unsure",
        metadata(unsure='{"rule": "best_probability_below", "threshold": NaN}'),
    ),
    "a threshold that is true": ("unsure", metadata(unsure='{"rule": "best_probability_below", "threshold": true}')),
    "a threshold of 400 digits": (
        "unsure|not JSON",
        metadata(unsure='{"rule": "best_probability_below", "threshold": 1' + "0" * 400 + "}"),
    ),
}
"""What the message says, and what is wrong with the file."""


def write(change: Change, folder: Path) -> Path:
    model = onnx.load(write_color_model(folder / "good.onnx", explains=False))
    change(model)
    (folder / "bad.onnx").write_bytes(model.SerializeToString())
    return folder / "bad.onnx"


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_model_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.inference.onnx_session.RUN_SECONDS", 3.0)
    told, change = REFUSED[name]
    with pytest.raises(ModelError, match=told) as caught:
        Classifier(write(change, tmp_path), threads=1)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name",
    ["external data, in the working folder", "not a number", "a constant of 40 GB", "a label with a terminal's escape"],
)
def test_the_command_says_so_in_one_line(name: str, tmp_path: Path, run_bot: RunBot) -> None:
    (tmp_path / "red.jpg").write_bytes(encode(draw()))
    model = write(REFUSED[name][1], tmp_path)
    done = run_bot("classify", "--model", str(model), str(tmp_path / "red.jpg"))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("bot: ")


def test_names_that_are_no_utf_8_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And the library prints nothing of its own, which programs would read in the place of answers."""
    data = write_color_model(tmp_path / "m.onnx", metadata={"arch": "ABCDEFG"}).read_bytes()
    assert b"ABCDEFG" in data
    (tmp_path / "bad.onnx").write_bytes(data.replace(b"ABCDEFG", b"ABC\xff\xfeFG"))
    with pytest.raises(ModelError):
        Classifier(tmp_path / "bad.onnx", threads=1)
    for name in (b"probabilities", b"batch", b"Softmax"):  # of a tensor, of its side, of an operator
        assert name in data
        (tmp_path / "bad.onnx").write_bytes(data.replace(name, name[:-1] + b"\xe4"))
        with pytest.raises(ModelError):
            Classifier(tmp_path / "bad.onnx", threads=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [0, 1, 100, 1000])
def test_damaged_files_are_refused(size: int, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(write_color_model(tmp_path / "m.onnx").read_bytes()[:size])
    with pytest.raises(ModelError):
        Classifier(tmp_path / "bad.onnx", threads=1)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", tmp_path, tmp_path / "nowhere.onnx"):
        with pytest.raises(ModelError, match="MODEL_PATH"):
            Classifier(path, threads=1)


@pytest.mark.parametrize("labels", [["it’s", "<b>&", "{0.__class__}"], ["चित्र", "می\u200cخواهم", "👩\u200d🔬"]])
def test_labels_of_any_script_and_sign_are_taken(labels: list[str], tmp_path: Path) -> None:
    assert list(Classifier(write_color_model(tmp_path / "m.onnx", labels), threads=1).contract.labels) == labels


def test_a_loop_that_one_photo_keeps_busy_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.inference.onnx_session.RUN_SECONDS", 1.0)
    classifier = Classifier(write_color_model(tmp_path / "m.onnx", steps_when_black=10**15), threads=1)
    assert classifier.classify(encode(draw())).label == "red"
    with pytest.raises(ModelError, match="takes more than 1 s"):
        classifier.predict(np.zeros((224, 224, 3), np.uint8))
