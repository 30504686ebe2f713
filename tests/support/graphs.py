"""Small ONNX image classifiers without our contract, as exporters of other projects write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def write_graph(
    path: Path,
    shape: list[str | int],
    *,
    dtype: str = "float",
    names: tuple[str, str] = ("input", "output"),
    classes: int = 5,
    inputs: int = 1,
) -> Path:
    """A net that takes `shape`, averages over height and width, and scores `classes` classes; no metadata."""
    channels_first = shape[1] in (1, 3)
    channels = shape[1] if channels_first else shape[3]
    assert isinstance(channels, int)
    axes = [2, 3] if channels_first else [1, 2]
    weights = np.linspace(-1, 1, channels * classes).reshape(channels, classes).astype(np.float32)
    nodes = [
        helper.make_node("Cast", [names[0]], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], [names[1]]),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [
            helper.make_tensor_value_info(name, TYPES[dtype], shape)
            for name in (names[0], *(f"mask_{number}" for number in range(1, inputs)))
        ],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [shape[0], classes])],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes"), numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
