"""Second hop: pixels -> a prediction, by onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.inference import decoding
from bot.inference.contract import (
    EVIDENCE,
    GRID,
    INPUT,
    OUTPUT,
    OUTSIDER,
    SIZE,
    Contract,
    ModelError,
    UnsureBecause,
)
from bot.inference.onnx_session import Session, limit_memory, room_for

SUM_TOLERANCE = 1e-3
"""By how much a photo's probabilities may miss 1, and those that follow from the evidence the probabilities."""

AT_ONCE = 2
"""Photos in the net at a time, each on all threads: where one photo's threads wait for each other, the other's work.
Each takes 5 MB, and a batch that times its size, so of batches there is one."""


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo."""

    label: str
    """The most probable class, also when unsure."""
    probability: float
    """Of `label`, 0 to 1."""
    probabilities: dict[str, float]
    """Of every class, in the model's order; they sum to 1."""
    outsider: float | None
    """Probability that the photo shows none of the classes, 0 to 1; None: the model does not say."""
    unsure_because: UnsureBecause | None
    """Why the model's own rule says that this photo should not be named; None: it may be."""

    @property
    def unsure(self) -> bool:
        """The model's own rule says that this photo should not be named."""
        return self.unsure_because is not None


class Classifier:
    """One loaded model file. `classify` and `predict` may be called from many threads at once."""

    def __init__(self, model: Path, threads: int) -> None:
        """Load `model`, to run one photo on `threads` threads.

        Raises ModelError if the file is not there, is not ONNX, does not meet the contract, or answers nonsense.
        """
        self._session = Session(model, threads)
        self.contract = Contract.from_metadata(self._session.metadata)
        self._outputs = [OUTPUT] if self.contract.unsure.outsider is None else [OUTPUT, OUTSIDER]
        self.explains = EVIDENCE in {output.name for output in self._session.outputs}
        """Whether the model says which part of a photo an answer comes from: `explain` can be called."""
        _check_tensors(self._session, len(self.contract.labels), self._outputs, self.explains)
        self.at_once = min(threads, AT_ONCE)
        self._places = Semaphore(self.at_once)
        self._batch = Lock()
        self._try()

    def classify(self, data: bytes) -> Prediction:
        """Decode a photo file's bytes and name it. Raises PhotoError if it cannot be read."""
        return self.predict(decoding.decode(data, self.contract.preprocess))

    def predict(self, pixels: NDArray[np.uint8]) -> Prediction:
        """Name one photo from its pixels: uint8 `[224, 224, 3]`, RGB. Raises ModelError if the model answers nonsense.

        [224, 224, 3] -> [1, 224, 224, 3] -> [1, classes]
        """
        return self._judge(*self._run(self._outputs, pixels[np.newaxis]))

    def explain(self, pixels: NDArray[np.uint8]) -> tuple[Prediction, NDArray[np.float32]]:
        """Name one photo, and tell how much each of its cells speaks for each class: float32 `[classes, GRID, GRID]`.

        The numbers are parts of a class's logit, less the mean over the classes. Only where `explains`.
        """
        *rest, evidence = self._run([*self._outputs, EVIDENCE], pixels[np.newaxis])
        return self._judge(*rest), evidence[0]

    def _judge(self, rows: NDArray[np.float32], *more: NDArray[np.float32]) -> Prediction:
        """A prediction from the outputs for one photo: float32 `[1, classes]`, and `[1]` if there is an outsider."""
        probabilities = dict(zip(self.contract.labels, map(float, rows[0]), strict=True))
        outsider = float(more[0][0]) if more else None
        total = sum(probabilities.values())  # NaN fails each of these comparisons
        if not (abs(total - 1) <= SUM_TOLERANCE and rows.min() >= 0 and 0 <= (outsider or 0) <= 1):
            raise ModelError("the model's probabilities do not sum to 1. Make the file with `python -m export`.")
        label = max(probabilities, key=probabilities.__getitem__)
        best = probabilities[label]
        return Prediction(label, best, probabilities, outsider, self.contract.unsure(best, outsider))

    def _try(self) -> None:
        """Look at a made-up picture. Raises ModelError if that takes too long, fails or brings nonsense."""
        planes = np.linspace(0, 255, 3 * SIZE * SIZE).reshape(1, 3, SIZE, SIZE)  # little red, more green, most blue
        shades = np.ascontiguousarray(planes.transpose(0, 2, 3, 1), np.uint8)
        evidence = [EVIDENCE] if self.explains else []
        with limit_memory(room_for(self._session.bytes)):
            outputs = self._session.run([*self._outputs, *evidence], shades, on_trial=True)
        shapes = [
            node.shape[1:]
            for name in (*self._outputs, *evidence)
            for node in self._session.outputs
            if node.name == name
        ]
        if [list(output.shape) for output in outputs] != [[1, *shape] for shape in shapes]:
            raise ModelError(
                "the model's outputs have other shapes than it says. Make the file with `python -m export`."
            )
        self._judge(*outputs[: len(self._outputs)])
        if self.explains and not np.allclose(_softmax(outputs[-1].sum((2, 3))), outputs[0], atol=SUM_TOLERANCE):
            raise ModelError(
                f"the model's output {EVIDENCE} does not add up to its probabilities. "
                "Make the file with `python -m export`."
            )

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of every class, for several photos at once: uint8 `[batch, 224, 224, 3]` -> float32 `[batch, classes]`."""
        with self._batch:
            return self._run([OUTPUT], pixels)[0]

    def _run(self, outputs: Sequence[str], pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        with self._places:
            return self._session.run(outputs, pixels)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _check_tensors(session: Session, classes: int, outputs: list[str], explains: bool) -> None:
    """Raises ModelError unless names, types and shapes are the contract's."""
    further = {node.name: node for node in session.outputs[1:]}
    shapes: dict[str, list[Any]] = {OUTSIDER: [], EVIDENCE: [classes, GRID, GRID]}
    wanted = [*outputs[1:], *([EVIDENCE] if explains else [])]
    tensors = [*session.inputs, *session.outputs[:1], *(further[name] for name in wanted if name in further)]
    actual = [(node.name, node.type, node.shape) for node in tensors]
    batch = actual[0][2][0] if actual[0][2] else None
    expected = [
        (INPUT, "tensor(uint8)", [batch, SIZE, SIZE, 3]),
        (OUTPUT, "tensor(float)", [batch, classes]),
        *((name, "tensor(float)", [batch, *shapes[name]]) for name in wanted),
    ]
    if actual != expected or isinstance(batch, int):
        more = "".join(f", {name} float32 {_show_shape(shapes[name])}" for name in wanted)
        raise ModelError(
            f"the model's tensors are {_shorten(actual)}, the contract wants {INPUT} uint8 [batch, {SIZE}, {SIZE}, 3] "
            f"and {OUTPUT} float32 [batch, {classes}]{more} with a free batch. Make the file with `python -m export`."
        )


def _show_shape(shape: list[Any]) -> str:
    return f"[{', '.join(map(str, ['batch', *shape]))}]"


def _shorten(value: object) -> str:
    """At most 300 characters, on one line."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}..."
