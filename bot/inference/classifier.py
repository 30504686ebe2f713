"""Second hop: pixels -> a prediction, by onnxruntime on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Semaphore

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bot.inference import decoding as photo
from bot.inference.contract import INPUT, OUTPUT, OUTSIDER, SIZE, Contract, ModelError, UnsureBecause

MAX_MODEL_BYTES = 500_000_000
"""A resnet152 has 241 MB. Larger files are not read into memory only to find out that they are something else."""

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

        Raises ModelError if the file is not there, is not ONNX or does not meet the contract.
        """
        try:
            if model.stat().st_size > MAX_MODEL_BYTES:
                raise ModelError(
                    f"{model} is larger than {MAX_MODEL_BYTES // 1_000_000} MB: this is no photo classifier."
                )
            # From bytes: a file that wants external data beside it is refused, as the contract has it.
            session = ort.InferenceSession(model.read_bytes(), _options(threads), providers=["CPUExecutionProvider"])
        except OSError as error:
            raise ModelError(f"cannot read the model {model}: {error.strerror}. MODEL_PATH names the file.") from error
        except ModelError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ModelError(f"{model} is not an ONNX file that onnxruntime can run: {_first_line(error)}") from error
        session._model_bytes = None  # kept for a change of providers, and as large as the model
        self.contract = Contract.from_metadata(session.get_modelmeta().custom_metadata_map)
        self._outputs = [OUTPUT] if self.contract.unsure.outsider is None else [OUTPUT, OUTSIDER]
        _check_tensors(session, len(self.contract.labels), self._outputs)
        self._session = session
        self.at_once = min(threads, AT_ONCE)
        self._places = Semaphore(self.at_once)
        self._batch = Lock()

    def classify(self, data: bytes) -> Prediction:
        """Decode a photo file's bytes and name it. Raises PhotoError if it cannot be read."""
        return self.predict(photo.decode(data, self.contract.preprocess))

    def predict(self, pixels: NDArray[np.uint8]) -> Prediction:
        """Name one photo from its pixels: uint8 `[224, 224, 3]`, RGB."""
        rows, *more = self._run(pixels[np.newaxis])  # [224, 224, 3] -> [1, 224, 224, 3] -> [1, classes]
        probabilities = dict(zip(self.contract.labels, map(float, rows[0]), strict=True))
        label = max(probabilities, key=probabilities.__getitem__)
        best = probabilities[label]
        outsider = float(more[0][0]) if more else None
        return Prediction(label, best, probabilities, outsider, self.contract.unsure(best, outsider))

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of every class, for several photos at once: uint8 `[batch, 224, 224, 3]` -> float32 `[batch, classes]`."""
        with self._batch:
            return self._run(pixels)[0]

    def _run(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        with self._places:
            outputs: list[NDArray[np.float32]] = self._session.run(self._outputs, {INPUT: pixels})
            return outputs


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions; the library's own lines on stderr say them twice
    # Spinning saves 1 ms a photo and burns as much CPU again waiting for the next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _check_tensors(session: ort.InferenceSession, classes: int, outputs: list[str]) -> None:
    further = [node for node in session.get_outputs()[1:] if node.name in outputs]
    found = [(node.name, node.type, node.shape) for node in (*session.get_inputs(), session.get_outputs()[0], *further)]
    batch = found[0][2][0] if found[0][2] else None
    expected = [
        (INPUT, "tensor(uint8)", [batch, SIZE, SIZE, 3]),
        (OUTPUT, "tensor(float)", [batch, classes]),
        *((name, "tensor(float)", [batch]) for name in outputs[1:]),
    ]
    if found != expected or isinstance(batch, int):
        more = "".join(f", {name} float32 [batch]" for name in outputs[1:])
        raise ModelError(
            f"the model's tensors are {found}, the contract wants {INPUT} uint8 [batch, {SIZE}, {SIZE}, 3] "
            f"and {OUTPUT} float32 [batch, {classes}]{more} with a free batch. Make the file with `python -m export`."
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
