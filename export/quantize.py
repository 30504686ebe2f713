"""float32 -> int8: static quantisation, calibrated on training photos."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from bot.contract import INPUT

CALIBRATION_PHOTOS = 512
"""Training photos on which the ranges of the activations are measured."""
GREY = 116
"""The pixel value that the first layer takes for nothing, and pads with: the middle one of ImageNet's means."""
PIXELS = {"scale": np.array(1, np.float32), "zero_point": np.array(GREY, np.uint8)}
OPERATORS = ["Conv", "Relu", "Add", "MaxPool", "Gemm"]


def quantize(model: onnx.ModelProto, pixels: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """Quantise a model's net: int8 weights with a scale per channel, uint8 activations, QDQ form.

    `pixels` are calibration photos, each uint8 `[224, 224, 3]`. Unsigned activations, since onnxruntime's fast
    kernels for x86 take those (3 times faster than signed ones on AVX512-VNNI). Weights of 7 bits: processors without
    VNNI add two products in 16 bits, which 8 bits overflow (VPMADDUBSW; reduce_range in onnxruntime's documentation),
    and answers would depend on the processor. The first layer reads pixels as they are, see `_fold_normalisation`.
    """
    with tempfile.TemporaryDirectory() as folder:
        full, prepared, small = (Path(folder) / name for name in ("full.onnx", "prepared.onnx", "small.onnx"))
        onnx.save(model, full)
        quant_pre_process(str(full), str(prepared), skip_symbolic_shape=True)  # it knows no free batch
        folded = onnx.load(prepared)
        first = _fold_normalisation(folded)
        onnx.save(folded, prepared)
        quantize_static(
            str(prepared),
            str(small),
            _Reader(pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=OPERATORS,
            nodes_to_exclude=[_last_layer(folded)],
            calibrate_method=CalibrationMethod.MinMax,
            reduce_range=True,
            # A moving average, so that no single photo widens a range: of those tried the nearest to float32.
            extra_options={"CalibMovingAverage": True, "TensorQuantOverrides": {first: [PIXELS]} if first else {}},
        )
        quantised = onnx.load(small)
        if first:
            _read_pixels(quantised, first)
        return quantised


def _fold_normalisation(model: onnx.ModelProto) -> str | None:
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
    return str(conv.input[0])


def _read_pixels(model: onnx.ModelProto, first: str) -> None:
    """Take away the pixels' way through float32: quantised with scale 1 and zero point GREY they are themselves."""
    graph = model.graph
    quantizer = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == first)
    transpose = next(node for node in graph.node if first in node.output)
    transpose.input[0], transpose.output[0] = INPUT, quantizer.output[0]
    for node in [node for node in graph.node if node is quantizer or node.op_type in ("Cast", "Sub")]:
        graph.node.remove(node)


def _last_layer(model: onnx.ModelProto) -> str:
    """The layer that makes the logits stays float32: it is small, and 256 steps would show in the probabilities."""
    return str([node.name for node in model.graph.node if node.op_type == "Gemm"][-1])


class _Reader(CalibrationDataReader):
    def __init__(self, pixels: Sequence[NDArray[np.uint8]]) -> None:
        self._left = iter(pixels)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        photo = next(self._left, None)
        return None if photo is None else {INPUT: photo[np.newaxis]}
