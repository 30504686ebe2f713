"""The quantised net's first convolution reads blocks of pixels, which changes no bit of any answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from export.graph import first_layer
from export.graph.build import build_graph
from export.graph.quantize import quantize
from export.training_run import load

NOISE = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)


def answer(model: onnx.ModelProto) -> NDArray[np.float32]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float32] = session.run(["probabilities"], {"image": NOISE})[0]
    return answers


def channels(model: onnx.ModelProto) -> int:
    """That the first convolution reads."""
    weights = [
        onnx.numpy_helper.to_array(one) for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8
    ]
    return next(one.shape[1] for one in weights if one.ndim == 4)


def test_blocks_of_pixels_give_the_very_same_answers(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build_graph(load(trained / "toy.pkl", None).learner, temperature=1.0)
    in_blocks = quantize(graph, list(NOISE))
    monkeypatch.setattr(first_layer, "STEM", {"group": "another net's"})
    as_they_are = quantize(graph, list(NOISE))
    assert (channels(in_blocks), channels(as_they_are)) == (12, 3)
    assert np.array_equal(answer(in_blocks), answer(as_they_are))
    assert np.ptp(answer(in_blocks), axis=0).max() > 0, "three photos that are answered alike would show nothing"
