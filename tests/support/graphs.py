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
    scale: float = 1,
    per_photo: bool = True,
    weights_beside: bool = False,
) -> Path:
    """A net that takes `shape`, averages over height and width, and scores `classes` classes; no metadata.

    `scale` multiplies its scores. Without `per_photo` it gives their mean over the batch, a single number. With
    `weights_beside` the weights are in a file of their own, as PyTorch's exporter writes them.
    """
    channels_first = shape[1] in (1, 3)
    channels = shape[1] if channels_first else shape[3]
    assert isinstance(channels, int)
    axes = [2, 3] if channels_first else [1, 2]
    weights = scale * np.linspace(-1, 1, channels * classes).reshape(channels, classes).astype(np.float32)
    nodes = [
        helper.make_node("Cast", [names[0]], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
        helper.make_node("Identity", ["scores"], [names[1]])
        if per_photo
        else helper.make_node("ReduceMean", ["scores"], [names[1]], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [
            helper.make_tensor_value_info(name, TYPES[dtype], shape)
            for name in (names[0], *(f"mask_{number}" for number in range(1, inputs)))
        ],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [shape[0], classes] if per_photo else [])],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes"), numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path, save_as_external_data=weights_beside, location=f"{path.name}.data", size_threshold=64)
    return path
