"""Small ONNX files that meet the contract, for tests: a classifier of colours, with any number of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA = {
    "contract": "1",
    "labels": json.dumps(["red", "green", "blue"]),
    "preprocess": json.dumps(
        {
            "size": 224,
            "resize": 256,
            "rule": "squish",
            "filter": "bilinear",
            "crop": "center",
            "orientation": "exif",
            "background": "white",
        }
    ),
    "unsure": json.dumps({"rule": "best_probability_below", "threshold": 0.6}),
    "arch": "mean colour",
    "trained_on": "nothing",
    "metrics": "{}",
    "created": "2026-01-01",
}


def write_color_model(
    path: Path,
    labels: Sequence[str] = ("red", "green", "blue"),
    metadata: Mapping[str, str | None] = {},
    size: int = 224,
    output: str = "probabilities",
    *,
    outsider_batch: str | None = None,
    explains: bool = True,
    steps_when_black: int | None = None,
) -> Path:
    """A model that names the strongest of the mean colours; class n looks at channel n % 3, the first of each wins.

    `metadata` replaces fields of METADATA, None removes one. With `outsider_batch`, the name of its batch dimension, it
    has the output `outsider`: 1 for a black photo, 0 for a white one. If it `explains` it has the output `evidence`.
    With `steps_when_black` it counts to that number before it names a black photo: a million takes about a second.
    """
    weights = np.zeros((3, len(labels)), np.float32)
    for index in range(len(labels)):
        weights[index % 3, index] = 8 / 255 if index < 3 else 4 / 255
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["color"], keepdims=0),  # [batch, h, w, 3] -> [batch, 3]
        helper.make_node("MatMul", ["color", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [output], axis=1),
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", len(labels)])]
    constants = {"weights": weights, "axes": np.array([1, 2])}
    if outsider_batch:
        nodes += [
            helper.make_node("ReduceMean", ["color", "channels"], ["light"], keepdims=0),  # [batch, 3] -> [batch]
            helper.make_node("Div", ["light", "white"], ["share"]),
            helper.make_node("Sub", ["one", "share"], ["outsider"]),
        ]
        outputs.append(helper.make_tensor_value_info("outsider", TensorProto.FLOAT, [outsider_batch]))
        constants |= {"channels": np.array([1]), "white": np.array(255, np.float32), "one": np.array(1, np.float32)}
    if explains:
        nodes += [
            helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),  # [batch, 3, h, w]
            helper.make_node(
                "AveragePool", ["planes"], ["cells"], kernel_shape=[size // 7] * 2, strides=[size // 7] * 2
            ),
            helper.make_node("Einsum", ["cells", "shares"], ["parts"], equation="bkyx,kc->bcyx"),
            helper.make_node("ReduceMean", ["parts", "classes"], ["mean"]),
            helper.make_node("Sub", ["parts", "mean"], ["evidence"]),
        ]
        outputs.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", len(labels), 7, 7]))
        constants |= {"shares": weights / 49, "classes": np.array([1])}
    if steps_when_black:
        nodes[2:3] = [
            helper.make_node("ReduceMax", ["color"], ["brightest"], keepdims=0),
            helper.make_node("Cast", ["brightest"], ["is_light"], to=TensorProto.BOOL),
            helper.make_node("Where", ["is_light", "none", "steps"], ["trips"]),
            helper.make_node("Loop", ["trips", "", "color"], ["same_color"], body=_do_nothing()),
            helper.make_node("MatMul", ["same_color", "weights"], ["logits"]),
        ]
        constants |= {"none": np.array(0), "steps": np.array(steps_when_black)}
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 3])],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    fields = {**METADATA, "labels": json.dumps(list(labels)), **metadata}
    helper.set_model_props(model, {name: value for name, value in fields.items() if value is not None})
    onnx.save(model, path)
    return path


def _do_nothing() -> onnx.GraphProto:
    """The body of a Loop."""
    step, going_on, color = (
        helper.make_tensor_value_info("step", TensorProto.INT64, []),
        helper.make_tensor_value_info("going_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("color_in", TensorProto.FLOAT, None),
    )
    nodes = [
        helper.make_node("Identity", ["going_on"], ["still_going_on"]),
        helper.make_node("Identity", ["color_in"], ["color_out"]),
    ]
    outputs = [
        helper.make_tensor_value_info("still_going_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("color_out", TensorProto.FLOAT, None),
    ]
    return helper.make_graph(nodes, "nothing", [step, going_on, color], outputs)
