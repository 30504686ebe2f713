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
from torch.nn import functional

from bot import __version__
from bot.inference.contract import EVIDENCE, GRID, INPUT, OUTPUT, OUTSIDER, SIZE, Contract
from training.evaluation.evidence import find_linear_head, weigh_cells
from training.fitting.batches.dataloaders import get_labels

OPSET = 20
"""ONNX operator set of the file; onnxruntime reads it from 1.17 on."""


def build_graph(learner: Learner, temperature: float) -> onnx.ModelProto:
    """Trace the learner's net, with normalisation, temperature and softmax, to one ONNX model.

    Input `image` uint8 `[batch, 224, 224, 3]`, output `probabilities` float32 `[batch, classes]`, batch free. A net
    that was trained with outsiders has the output `outsider` float32 `[batch]`, one whose head is average pooling and
    one linear layer over 7 x 7 cells has `evidence` float32 `[batch, classes, 7, 7]`.
    """
    net = PixelsToProbabilities(learner, temperature).eval()
    outputs = [OUTPUT, *([OUTSIDER] if net.outsiders else []), *([EVIDENCE] if net.evidence else [])]
    example = torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations, nothing its caller could change
        program = torch.onnx.export(
            net,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with the paths of the machine that exported
    return model


DOCS = {
    INPUT: "uint8, RGB: the upright photo, squished to the size in the metadata field preprocess, its middle",
    OUTPUT: "float32, of each class, in the order of the metadata field labels; rows sum to 1",
    OUTSIDER: "float32, the probability that a photo shows none of the classes",
    EVIDENCE: "float32, each cell's part of each class's logit, less the mean over the classes",
}
"""What a viewer of ONNX files shows of each tensor."""


def finish(model: onnx.ModelProto, contract: Contract) -> bytes:
    """The bytes of the file: `model` with the contract's metadata and a word on each tensor, checked by onnx."""
    model = copy.deepcopy(model)
    used = {node.domain for node in model.graph.node}
    for opset in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(opset)  # onnxruntime's optimiser leaves the names of all it knows
    model.producer_name, model.producer_version = "Labelgram", __version__
    model.doc_string = (
        f"Names photos: {', '.join(contract.labels)}. How a photo becomes {INPUT}, when no label should be given, and "
        "what it was trained on and scored is in the metadata."
    )
    model.graph.name = "labelgram"
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.doc_string = DOCS[tensor.name]
    onnx.helper.set_model_props(model, contract.to_metadata())
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


class PixelsToProbabilities(nn.Module):
    """uint8 `[batch, 224, 224, 3]` -> the outputs of the contract that the net has, in the contract's order."""

    def __init__(self, learner: Learner, temperature: float) -> None:
        super().__init__()
        (normalize,) = (step for step in learner.dls.after_batch.fs if isinstance(step, Normalize))
        # fastai divides pixels by 255 before it normalises; here both are one step.
        self.register_buffer("mean", normalize.mean.cpu().flatten() * 255)
        self.register_buffer("std", normalize.std.cpu().flatten() * 255)
        self.body, self.head = _with_plain_pooling(learner.model)
        self.temperature = temperature
        self.classes = len(get_labels(learner.dls))
        self.outsiders = len(learner.dls.vocab) > self.classes
        head = find_linear_head(self.head)
        self.evidence = head is not None and self._count_cells() == (GRID, GRID)
        if head is not None and self.evidence:
            weight, bias = weigh_cells(head, self.classes, temperature, GRID * GRID)
            self.register_buffer("evidence_weight", weight)
            self.register_buffer("evidence_bias", bias)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pixels = (image.float() - self.mean) / self.std  # [batch, height, width, channel]
        features = self.body(pixels.permute(0, 3, 1, 2))  # [batch, channel, height, width] -> [batch, features, 7, 7]
        logits = self.head(features)  # [batch, outputs]
        outputs = [torch.softmax(logits[:, : self.classes] / self.temperature, dim=1)]
        if self.outsiders:
            outputs.append(torch.softmax(logits, dim=1)[:, -1])
        if self.evidence:
            outputs.append(functional.conv2d(features, self.evidence_weight, self.evidence_bias))
        return tuple(outputs)

    def _count_cells(self) -> tuple[int, int]:
        """Height and width of the last feature map."""
        with torch.no_grad():
            features = self.body.eval()(torch.zeros(1, 3, SIZE, SIZE))
        return features.shape[2], features.shape[3]


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
