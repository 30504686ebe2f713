"""The output `evidence`: exact, in the float32 and in the int8 file, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from fastai.learner import Learner
from numpy.typing import NDArray
from torch import nn

from bot.inference.contract import Contract, Unsure
from export.graph.build import build_graph
from export.graph.parity import Evidence, ask, compare_evidence
from export.graph.quantize import quantize
from export.measure import open_graph
from training.fitting.batches.dataloaders import get_labels
from training.report.figures import PREPROCESS
from training.runs import read_learner

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def learner(trained: Path) -> Learner:
    return read_learner(trained / "toy.pkl")


@pytest.fixture(scope="module", params=["float32", "int8"])
def graph(request: pytest.FixtureRequest, learner: Learner) -> onnx.ModelProto:
    full = build_graph(learner, temperature=0.7)
    return full if request.param == "float32" else quantize(full, list(PIXELS))


def run(graph: onnx.ModelProto, *outputs: str) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    answers: list[NDArray[np.float32]] = session.run(outputs, {"image": PIXELS})
    return answers


def ask_evidence(learner: Learner, graph: onnx.ModelProto) -> Evidence | None:
    """By the bot's classifier, photo after photo, as the export does; the probabilities with it are the graph's own."""
    contract = Contract(get_labels(learner.dls), PREPROCESS, Unsure(0.0, 1.0), "resnet18", "{}", "{}", "")
    answers, evidence = ask(open_graph(graph, contract), list(PIXELS))
    assert answers.probabilities == pytest.approx(run(graph, "probabilities")[0], abs=1e-5)
    return evidence


def test_it_adds_up_to_the_probabilities_and_to_nothing_over_the_classes(
    learner: Learner, graph: onnx.ModelProto
) -> None:
    assert [output.name for output in graph.graph.output] == ["probabilities", "outsider", "evidence"]
    shape = graph.graph.output[2].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["batch", 3, 7, 7]
    probabilities, evidence = run(graph, "probabilities", "evidence")
    logits = np.exp(evidence.sum(axis=(2, 3)))
    assert logits / logits.sum(axis=1, keepdims=True) == pytest.approx(probabilities, abs=1e-4)
    assert evidence.mean(axis=1) == pytest.approx(0, abs=1e-5)
    assert np.ptp(evidence) > 0
    read = ask_evidence(learner, graph)
    assert read is not None
    assert read.error < 1e-4
    assert np.allclose(read.cells, evidence, atol=1e-5)


def test_the_probabilities_are_what_they_are_without_it(graph: onnx.ModelProto) -> None:
    """The first two outputs need none of the third's steps."""
    (alone,) = run(graph, "probabilities")
    together, _ = run(graph, "probabilities", "evidence")
    assert np.array_equal(alone, together)


def test_int8_quantises_neither_evidence_nor_logits(learner: Learner) -> None:
    full = build_graph(learner, temperature=1.0)
    small = quantize(full, list(PIXELS))
    makers = {output: node for node in small.graph.node for output in node.output}
    assert makers["evidence"].op_type == "Conv"
    before, after = ask_evidence(learner, full), ask_evidence(learner, small)
    assert before is not None
    assert after is not None
    apart, peaks = compare_evidence(before, after)
    assert apart > 0
    assert 0 <= peaks <= 1
    assert compare_evidence(before, before) == (0, 1)


@pytest.mark.parametrize(
    "head",
    [
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(512)],
        [nn.AdaptiveMaxPool2d(1), nn.Flatten()],
    ],
)
def test_another_head_has_none(learner: Learner, head: list[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    last = nn.Linear(512, len(learner.dls.vocab))
    monkeypatch.setattr(learner, "model", nn.Sequential(learner.model[0], nn.Sequential(*head, last)).eval())
    graph = build_graph(learner, temperature=1.0)
    assert [output.name for output in graph.graph.output] == ["probabilities", "outsider"]
    assert ask_evidence(learner, graph) is None
