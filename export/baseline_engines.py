"""The training environment's engines as rows of `python -m bot benchmark --against fastai,torch,openvino`.

    python -m export.baseline_engines fastai|torch|openvino FILE --threads N

`fastai` is the tutorials' `learn.predict`, `torch` the same learner's net with what the ONNX file has beside it
(normalisation, softmax), `openvino` another engine on the very ONNX file. The latter two get the bot's own pixels.
`bot.benchmark.worker` says how they are asked and what they answer.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.benchmark.engines import BenchmarkError, PhotoClassifier, PixelClassifier
from bot.benchmark.worker import Load, serve
from bot.inference.contract import INPUT, OUTPUT, SIZE, Preprocess
from bot.inference.decoding import fit

RESIZE = 256
"""What fastai's RandomResizedCrop makes of a validation photo before it crops SIZE pixels, as `export` writes it."""


def prepare_fastai(pickle: Path, threads: int) -> Load:
    """`learn.predict` from a photo's bytes, one at a time: it changes the learner. Opens and turns photos itself."""
    import torch

    from training.data.photos import DataError
    from training.fitting.batches.dataloaders import get_labels
    from training.runs import read_learner

    torch.set_num_threads(threads)

    def load() -> PhotoClassifier:
        try:
            learner = read_learner(pickle)
        except DataError as error:
            raise BenchmarkError(str(error)) from error
        labels = get_labels(learner.dls)

        def classify(data: bytes) -> str:
            with learner.no_bar():
                _, _, probabilities = learner.predict(data)
            return labels[int(probabilities[: len(labels)].argmax())]  # behind them there may be an outsider's

        return PhotoClassifier(labels, classify, "fastai's thread, of the learner")

    return load


def prepare_torch(pickle: Path, threads: int) -> Load:
    """The net in PyTorch alone, under `torch.inference_mode`."""
    import torch

    from export.graph.build import PixelsToProbabilities
    from training.data.photos import DataError
    from training.fitting.batches.dataloaders import get_labels
    from training.runs import read_learner

    torch.set_num_threads(threads)

    def load() -> PixelClassifier:
        try:
            learner = read_learner(pickle)
        except DataError as error:
            raise BenchmarkError(str(error)) from error
        net, labels = PixelsToProbabilities(learner, temperature=1).eval(), get_labels(learner.dls)

        def name(pixels: NDArray[np.uint8]) -> list[int]:
            with torch.inference_mode():
                rows, *_ = net(torch.tensor(pixels))  # [batch, 224, 224, 3] -> [batch, classes]
            return [int(best) for best in rows.argmax(dim=1)]

        return _take_pixels(labels, Preprocess(SIZE, RESIZE), name)

    return load


def prepare_openvino(model: Path, threads: int) -> Load:
    """OpenVINO on the CPU for the least latency: one photo at a time has all `threads`, others wait.

    onnxruntime reads the contract first, and counts in this row's memory and start.
    """
    from bot.inference.classifier import Classifier

    openvino = import_module("openvino")  # it has no types

    contract = Classifier(model, threads=1).contract

    def load() -> PixelClassifier:
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        compiled = openvino.Core().compile_model(model, "CPU", hints)
        thread = threading.local()  # a request is one thread's

        def name(pixels: NDArray[np.uint8]) -> list[int]:
            if not hasattr(thread, "request"):
                thread.request = compiled.create_infer_request()
            thread.request.infer({INPUT: pixels})  # [batch, 224, 224, 3] -> [batch, classes]
            return [int(best) for best in thread.request.get_tensor(OUTPUT).data.argmax(axis=1)]

        return _take_pixels(contract.labels, contract.preprocess, name)

    return load


def _take_pixels(
    labels: Sequence[str], preprocess: Preprocess, name: Callable[[NDArray[np.uint8]], list[int]]
) -> PixelClassifier:
    """With the bot's own pixels."""
    return PixelClassifier(tuple(labels), lambda image: fit(image, preprocess), name, preprocess.to_json())


PREPARE: dict[str, Callable[[Path, int], Load]] = {
    "fastai": prepare_fastai,
    "torch": prepare_torch,
    "openvino": prepare_openvino,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m export.baseline_engines")
    parser.add_argument("engine", choices=PREPARE)
    parser.add_argument("file", type=Path, metavar="FILE", help="the learner; of openvino the ONNX file")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()

    def prepare() -> Load:
        try:
            return PREPARE[options.engine](options.file, options.threads)
        except ImportError as error:
            raise BenchmarkError(
                f"--against {options.engine} needs the package {error.name}: run the benchmark by the training "
                "environment's Python, made from requirements-train.txt."
            ) from error

    return serve(prepare)


if __name__ == "__main__":
    sys.exit(main())
