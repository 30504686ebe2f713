"""float32 -> int8: static quantisation, calibrated on training photos."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from bot.inference.contract import EVIDENCE, INPUT
from export.graph.first_layer import PIXELS, fold_normalisation, read_pixels

CALIBRATION_PHOTOS = 128
"""Training photos on which the ranges of the activations are measured."""
OPERATORS = ["Conv", "Relu", "Add", "MaxPool", "Gemm"]


def quantize(model: onnx.ModelProto, pixels: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """Quantise a model's net: int8 weights with a scale per channel, uint8 activations, QDQ form.

    `pixels` are calibration photos, each uint8 `[224, 224, 3]`. Unsigned activations, since onnxruntime's fast
    kernels for x86 take those (3 times faster than signed ones on AVX512-VNNI). Weights of 7 bits: processors without
    VNNI add two products in 16 bits, which 8 bits overflow (VPMADDUBSW; reduce_range in onnxruntime's documentation),
    and answers would depend on the processor. The first layer reads pixels as they are, see `export.graph.first_layer`.
    """
    with tempfile.TemporaryDirectory() as folder:
        full, prepared, small = (Path(folder) / name for name in ("full.onnx", "prepared.onnx", "small.onnx"))
        onnx.save(model, full)
        quant_pre_process(str(full), str(prepared), skip_symbolic_shape=True)  # it knows no free batch
        folded = onnx.load(prepared)
        first = fold_normalisation(folded)
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
            nodes_to_exclude=_find_last_layers(folded),
            calibrate_method=CalibrationMethod.MinMax,
            reduce_range=True,
            # A moving average, so that no single photo widens a range: of those tried the nearest to float32.
            extra_options={"CalibMovingAverage": True, "TensorQuantOverrides": {first: [PIXELS]} if first else {}},
        )
        quantised = onnx.load(small)
        if first:
            read_pixels(quantised, first)
        return quantised


def _find_last_layers(model: onnx.ModelProto) -> list[str]:
    """The layers that make logits and evidence stay float32: they are small, and 256 steps would show in both.

    Both read the same quantised features, so that the evidence adds up to the probabilities.
    """
    logits = [node.name for node in model.graph.node if node.op_type == "Gemm"][-1]
    return [logits, *(node.name for node in model.graph.node if EVIDENCE in node.output)]


class _Reader(CalibrationDataReader):
    def __init__(self, pixels: Sequence[NDArray[np.uint8]]) -> None:
        self._left = iter(pixels)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        photo = next(self._left, None)
        return None if photo is None else {INPUT: photo[np.newaxis]}
