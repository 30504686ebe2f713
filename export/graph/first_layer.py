"""The first convolution reads the photo's own bytes: no normalisation before it, no float32, and blocks of pixels."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from bot.inference.contract import INPUT, SIZE

GREY = 116
"""The pixel value that the first layer takes for nothing, and pads with: the middle one of ImageNet's means."""
PIXELS = {"scale": np.array(1, np.float32), "zero_point": np.array(GREY, np.uint8)}
"""How the first convolution's input is quantised: not at all."""
BLOCK = 2
"""Pixels in width and height of a block, which is the stride of a resnet's first convolution."""
STEM = {"kernel_shape": [7, 7], "strides": [BLOCK, BLOCK], "pads": [3, 3, 3, 3], "dilations": [1, 1], "group": 1}
"""The convolution that a resnet begins with."""


def fold_normalisation(model: onnx.ModelProto) -> str | None:
    """Have the first convolution normalise: conv(w, (x - mean) / std) = conv(w / std, x - GREY) + a constant.

    On the margin it pads with GREY instead of the means, a fifth of a standard deviation away at most. Returns the name
    of the convolution's input, whose values are whole numbers then; None, and nothing done, if no convolution is first.
    """
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    conv = next((node for node in graph.node if node.op_type == "Conv"), None)
    chain: list[onnx.NodeProto] = [conv] if conv else []
    for kind in ("Transpose", "Div", "Sub", "Cast"):
        node = makers.get(chain[-1].input[0]) if chain else None
        if node is None or node.op_type != kind:
            return None
        chain.append(node)
    conv, transpose, divide, subtract, _ = chain
    mean, std = (numpy_helper.to_array(constants[node.input[1]]).reshape(-1, 1, 1) for node in (subtract, divide))
    weights = numpy_helper.to_array(constants[conv.input[1]]) / std  # [outputs, 3, height, width]
    bias = numpy_helper.to_array(constants[conv.input[2]]) if len(conv.input) > 2 else 0
    grey, folded, shifted = (f"{conv.name}.{part}" for part in ("grey", "weight", "bias"))
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in ((grey, GREY), (folded, weights), (shifted, bias + (weights * (GREY - mean)).sum((1, 2, 3))))
    )
    subtract.input[1] = grey
    transpose.input[0] = subtract.output[0]
    conv.input[:] = [conv.input[0], folded, shifted]
    graph.node.remove(divide)
    _drop_unused(graph)
    return str(conv.input[0])


def read_pixels(model: onnx.ModelProto, first: str) -> None:
    """Take away the pixels' way through float32: quantised with scale 1 and zero point GREY they are themselves.

    `first` is what `fold_normalisation` has returned, `model` quantised since.
    """
    graph = model.graph
    quantizer = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == first)
    transpose = next(node for node in graph.node if first in node.output)
    transpose.input[0], transpose.output[0] = INPUT, quantizer.output[0]
    for node in [node for node in graph.node if node is quantizer or node.op_type in ("Cast", "Sub")]:
        graph.node.remove(node)
    _drop_unused(graph)
    _read_blocks(graph, transpose)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take away constants that no node reads: onnxruntime warns of each."""
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _read_blocks(graph: onnx.GraphProto, transpose: onnx.NodeProto) -> None:
    """Have a resnet's first convolution read blocks of 2x2 pixels, 12 channels, instead of 3: the very same sums.

    onnxruntime's quick kernel takes channels by fours. With 3 of them every window of 7x7 is copied out first, and the
    sums lie beside it in 32 bits: 4 MB for each photo in work. (Space to depth; Ridnik et al., TResNet, 2021.)
    """
    conv = next(node for node in graph.node if node.op_type == "Conv")
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in conv.attribute}
    if any(attributes.get(name) != value for name, value in STEM.items()):
        return
    makers = {output: node for node in graph.node for output in node.output}
    weights = next(tensor for tensor in graph.initializer if tensor.name == makers[conv.input[1]].input[0])
    weights.CopyFrom(numpy_helper.from_array(_block_weights(numpy_helper.to_array(weights)), weights.name))
    # The kernel of 4 blocks begins a pixel before that of 7 pixels: 2 blocks of margin before, 1 behind.
    for name, value in {"kernel_shape": [4, 4], "strides": [1, 1], "pads": [2, 2, 1, 1]}.items():
        next(attribute for attribute in conv.attribute if attribute.name == name).ints[:] = value
    side = SIZE // BLOCK
    shapes = {"rows": [0, side, BLOCK, side, BLOCK * 3], "blocks": [0, side, side, BLOCK * BLOCK * 3]}
    graph.initializer.extend(numpy_helper.from_array(np.array(shape), name) for name, shape in shapes.items())
    names = [f"row_{number}" for number in range(BLOCK)]
    steps = [  # a Transpose would do, and takes onnxruntime three times as long as these
        helper.make_node("Reshape", [INPUT, "rows"], ["pairs"]),  # [batch, 224, 224, 3] -> [batch, 112, 2, 112, 6]
        helper.make_node("Split", ["pairs"], names, axis=2, num_outputs=BLOCK),  # -> [batch, 112, 1, 112, 6], twice
        helper.make_node("Concat", names, ["joined"], axis=4),  # -> [batch, 112, 1, 112, 12]
        helper.make_node("Reshape", ["joined", "blocks"], ["pixels"]),  # -> [batch, 112, 112, 12]
    ]
    transpose.input[0] = "pixels"
    place = list(graph.node).index(transpose)
    for number, step in enumerate(steps):
        graph.node.insert(place + number, step)
    del graph.value_info[:]  # shapes that are no longer so


def _block_weights(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """int8 `[outputs, 3, 7, 7]` -> `[outputs, 12, 4, 4]`, a row and a column of zeros before the others."""
    outputs = len(weights)
    padded = np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0))).reshape(outputs, 3, 4, BLOCK, 4, BLOCK)
    return np.ascontiguousarray(padded.transpose(0, 3, 5, 1, 2, 4).reshape(outputs, BLOCK * BLOCK * 3, 4, 4))
