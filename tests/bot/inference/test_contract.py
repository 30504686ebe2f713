"""A model file that breaks the contract is refused by name, before anything else happens."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from PIL import Image

from bot.inference.classifier import Classifier
from bot.inference.contract import Contract, ModelError
from tests.support.models import METADATA, write_color_model
from tests.support.photos import draw, encode


@pytest.mark.parametrize("field", METADATA)
def test_a_missing_field_is_named(field: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=field):
        Classifier(write_color_model(tmp_path / "m.onnx", metadata={field: None}), threads=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contract", "2"),
        ("labels", "red, green, blue"),
        ("labels", '["red", "red", "blue"]'),
        ("labels", '["red", "green"]'),
        ("labels", '["red", "green", 3]'),
        ("preprocess", '{"size": 224, "resize": 256}'),
        ("preprocess", METADATA["preprocess"].replace("bilinear", "lanczos")),
        ("preprocess", METADATA["preprocess"].replace("}", ', "sharpen": true}')),
        ("preprocess", METADATA["preprocess"].replace("256", "200")),
        ("preprocess", "[]"),
        ("unsure", '{"rule": "energy", "threshold": 0.5}'),
        ("unsure", '{"rule": "best_probability_below", "threshold": 7}'),
        ("unsure", '{"rule": "best_probability_below", "threshold": 0.5, "outsider": 0.5}'),
        ("unsure", '{"rule": "best_probability_below_or_outsider_above", "threshold": 0.5}'),
        ("unsure", '{"rule": "best_probability_below_or_outsider_above", "threshold": 0.5, "outsider": true}'),
        ("unsure", '{"rule": ["best_probability_below"], "threshold": 0.5}'),
        ("unsure", '{"threshold": 0.5}'),
    ],
)
def test_an_unknown_or_wrong_field_is_refused(field: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{field}|tensors|preprocessing|unsure"):
        Classifier(write_color_model(tmp_path / "m.onnx", metadata={field: value}), threads=1)


@pytest.mark.parametrize("wrong", [{"size": 128}, {"output": "scores"}])
def test_wrong_tensors_are_shown_beside_the_right_ones(wrong: dict[str, int | str], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the contract wants image uint8 \[batch, 224, 224, 3\]"):
        Classifier(write_color_model(tmp_path / "m.onnx", **wrong), threads=1)  # type: ignore[arg-type]


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    model = onnx.load(write_color_model(tmp_path / "m.onnx"))
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "fixed.onnx")
    with pytest.raises(ModelError, match="free batch"):
        Classifier(tmp_path / "fixed.onnx", threads=1)


def test_a_truncated_file_and_external_data_are_refused(tmp_path: Path) -> None:
    file = write_color_model(tmp_path / "m.onnx")
    (tmp_path / "half.onnx").write_bytes(file.read_bytes()[:300])
    with pytest.raises(ModelError, match="not an ONNX file"):
        Classifier(tmp_path / "half.onnx", threads=1)
    model = onnx.load(file)
    onnx.save(model, tmp_path / "external.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(ModelError, match="external data"):
        Classifier(tmp_path / "external.onnx", threads=1)


def test_further_outputs_are_allowed(tmp_path: Path) -> None:
    model = onnx.load(write_color_model(tmp_path / "m.onnx"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("color", onnx.TensorProto.FLOAT, ["batch", 3]))
    onnx.save(model, tmp_path / "more.onnx")
    assert Classifier(tmp_path / "more.onnx", threads=1).classify(encode(draw("blue"))).label == "blue"


OUTSIDER_RULE = json.dumps({"rule": "best_probability_below_or_outsider_above", "threshold": 0.4, "outsider": 0.9})


def test_an_outsider_gets_no_label_and_nothing_else_changes(tmp_path: Path) -> None:
    file = write_color_model(tmp_path / "m.onnx", metadata={"unsure": OUTSIDER_RULE}, outsider_batch="batch")
    classifier = Classifier(file, threads=1)
    bright = classifier.classify(encode(Image.new("RGB", (50, 50), (255, 0, 0)), "PNG"))
    dark = classifier.classify(encode(Image.new("RGB", (50, 50), (40, 0, 0)), "PNG"))
    assert (bright.label, bright.unsure) == ("red", False)
    assert bright.outsider == pytest.approx(2 / 3, abs=1e-4)
    assert (dark.label, dark.unsure) == ("red", True)
    assert dark.probability > 0.4
    assert dark.outsider == pytest.approx(1 - 40 / 3 / 255, abs=1e-4)


@pytest.mark.parametrize("batch", [None, "other"])
def test_a_rule_about_outsiders_needs_their_output(batch: str | None, tmp_path: Path) -> None:
    file = write_color_model(tmp_path / "m.onnx", metadata={"unsure": OUTSIDER_RULE}, outsider_batch=batch)
    with pytest.raises(ModelError, match=r"outsider float32 \[batch\]"):
        Classifier(file, threads=1)


def test_what_is_written_is_what_is_read() -> None:
    contract = Contract.from_metadata(METADATA)
    assert contract.labels == ("red", "green", "blue")
    assert Contract.from_metadata(contract.to_metadata()) == contract
    contract = Contract.from_metadata({**METADATA, "unsure": OUTSIDER_RULE})
    assert (contract.unsure.threshold, contract.unsure.outsider) == (0.4, 0.9)
    assert Contract.from_metadata(contract.to_metadata()) == contract
    assert json.loads(contract.to_metadata()["labels"]) == ["red", "green", "blue"]
