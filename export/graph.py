"""A Learner's net -> an ONNX graph from uint8 pixels to probabilities."""

from __future__ import annotations

import copy
import warnings

import onnx
import torch
from fastai.data.transforms import Normalize
from fastai.layers import AdaptiveConcatPool2d
from fastai.learner import Learner
from torch import Tensor, nn

from bot.inference.contract import INPUT, OUTPUT, OUTSIDER, SIZE, Contract
from training.fitting.dataloaders import get_labels

OPSET = 20
"""ONNX operator set of the file; onnxruntime reads it from 1.17 on."""


def build_graph(learner: Learner, temperature: float) -> onnx.ModelProto:
    """Trace the learner's net, with normalisation, temperature and softmax, to one ONNX model.

    Input `image` uint8 `[batch, 224, 224, 3]`, output `probabilities` float32 `[batch, classes]`, batch free. A net
    that was trained with outsiders has a second output, `outsider` float32 `[batch]`.
    """
    net = PixelsToProbabilities(learner, temperature).eval()
    example = torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations, nothing its caller could change
        program = torch.onnx.export(
            net,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT, OUTSIDER] if net.outsiders else [OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with the paths of the machine that exported
    return model


def finish(model: onnx.ModelProto, contract: Contract) -> bytes:
    """The bytes of the file: `model` with the contract's metadata, checked by onnx."""
    model = copy.deepcopy(model)
    used = {node.domain for node in model.graph.node}
    for opset in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(opset)  # onnxruntime's optimiser leaves the names of all it knows
    onnx.helper.set_model_props(model, contract.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


class PixelsToProbabilities(nn.Module):
    """uint8 `[batch, 224, 224, 3]` -> float32 `[batch, classes]`, rows sum to 1; of outsiders float32 `[batch]`."""

    def __init__(self, learner: Learner, temperature: float) -> None:
        super().__init__()
        (normalize,) = (step for step in learner.dls.after_batch.fs if isinstance(step, Normalize))
        # fastai divides pixels by 255 before it normalises; here both are one step.
        self.register_buffer("mean", normalize.mean.cpu().flatten() * 255)
        self.register_buffer("std", normalize.std.cpu().flatten() * 255)
        self.net = _with_plain_pooling(learner.model)
        self.temperature = temperature
        self.classes = len(get_labels(learner.dls))
        self.outsiders = len(learner.dls.vocab) > self.classes

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pixels = (image.float() - self.mean) / self.std  # [batch, height, width, channel]
        logits = self.net(pixels.permute(0, 3, 1, 2))  # [batch, channel, height, width] -> [batch, outputs]
        probabilities = torch.softmax(logits[:, : self.classes] / self.temperature, dim=1)
        return (probabilities, torch.softmax(logits, dim=1)[:, -1]) if self.outsiders else (probabilities,)


class ConcatPool(nn.Module):
    """fastai's AdaptiveConcatPool2d at output size 1, in operations that trace to one ONNX node each."""

    def forward(self, features: Tensor) -> Tensor:
        dims = (2, 3)
        return torch.cat([features.amax(dims, keepdim=True), features.mean(dims, keepdim=True)], dim=1)


def _with_plain_pooling(model: nn.Module) -> nn.Module:
    net = copy.deepcopy(model)
    for parent in net.modules():
        for name, child in parent.named_children():
            if isinstance(child, AdaptiveConcatPool2d):
                setattr(parent, name, ConcatPool())
    return net
