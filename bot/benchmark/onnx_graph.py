"""Any ONNX image classifier: how photos become its input is read from the graph, since it says nothing else."""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from PIL import Image

from bot.benchmark.engines import NAMELESS, BenchmarkError, PixelClassifier, Tensor
from bot.errors import SHOWN, describe_error
from bot.inference.contract import ModelError
from bot.inference.names import show_path
from bot.inference.onnx_file import LOOPS, holds_any, read_metadata_names
from bot.inference.onnx_session import LOAD_SECONDS, RUN_SECONDS, deadline, limit_memory, session_options
from bot.startup.cgroups import find_memory

DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's pixels in RGB, 0 to 1: what nearly all classifiers with float inputs are trained with (torchvision)."""
SCORES = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
INTEGERS = frozenset({"tensor(uint8)", "tensor(int8)", "tensor(int32)", "tensor(int64)"})
CONTRACT_FIELDS = frozenset({b"contract", b"labels", b"preprocess"})
"""Of the metadata of a file that follows our contract, of any version: others may have a field `contract` too."""
MAX_INPUT_BYTES = 250_000_000
"""Of one batch: larger ones fill the memory of a small machine before they are run. 256 photos of 224 pixels have 154
MB in float32."""
MAX_ROOM = 2**62
"""Bytes, where the system does not tell what memory there is."""
CHANNELS = {1: "grey", 3: "RGB"}


@dataclass(frozen=True)
class ImageInput:
    """The input of a graph. Sizes that the graph leaves open are None."""

    name: str
    dtype: Any
    channels_first: bool
    batch: int | None
    channels: int
    height: int | None
    width: int | None

    @classmethod
    def from_session(cls, session: ort.InferenceSession) -> ImageInput:
        """Raises BenchmarkError if the graph takes something else than one batch of images."""
        inputs = session.get_inputs()
        names = ", ".join(show_path(node.name[:SHOWN]) for node in inputs)  # the file's author chose them
        if len(inputs) != 1:
            raise BenchmarkError(f"the model has {len(inputs)} inputs ({names}). The benchmark runs models with one.")
        (node,) = inputs
        if node.type not in DTYPES or len(node.shape) != 4:
            raise BenchmarkError(
                f"the model's input {names} is {node.type} {node.shape}. An image is float, float16, double or "
                "uint8, [batch, channels, height, width] or [batch, height, width, channels]."
            )
        sizes = [size if isinstance(size, int) and size > 0 else None for size in node.shape]
        channels_first = sizes[1] in CHANNELS
        if not channels_first and sizes[3] not in CHANNELS:
            raise BenchmarkError(f"the model's input {names} {node.shape} has no axis of 1 or 3 channels.")
        batch, channels, height, width = sizes if channels_first else (sizes[0], sizes[3], sizes[1], sizes[2])
        assert channels
        return cls(node.name, DTYPES[node.type], channels_first, batch, channels, height, width)

    def convert(self, image: Image.Image, size: int) -> Tensor:
        """A decoded RGB photo -> one row of the input; `size` stands for sides in pixels that the graph leaves open."""
        side = (self.width or size, self.height or size)
        pixels = np.asarray(image.resize(side, Image.Resampling.BILINEAR).convert("RGB" if self.channels == 3 else "L"))
        pixels = pixels.reshape(side[1], side[0], self.channels)  # [height, width, channels]
        if self.dtype != np.uint8:
            pixels = pixels.astype(np.float32) / 255
            if self.channels == 3:
                pixels = (pixels - MEAN) / DEVIATION
        if self.channels_first:
            pixels = pixels.transpose(2, 0, 1)  # [height, width, channels] -> [channels, height, width]
        return np.ascontiguousarray(pixels, self.dtype)

    def describe(self, size: int) -> str:
        """What `convert` does, in words."""
        layout = "NCHW" if self.channels_first else "NHWC"
        scale = "0 to 255" if self.dtype == np.uint8 else "0 to 1"
        if self.dtype != np.uint8 and self.channels == 3:
            scale = "0 to 1, less ImageNet's mean, by its deviation"
        side = f"{self.width or size}x{self.height or size}"
        channels = CHANNELS[self.channels]
        return f"{show_path(self.name)}: {np.dtype(self.dtype).name} {layout}, squeezed to {side}, {channels} {scale}"


def follows_contract(model: Path) -> bool:
    """Whether the file's metadata has the fields of the contract. False if it is unreadable or damaged."""
    try:
        if not model.is_file():  # a FIFO would wait for its writer
            return False
        with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return read_metadata_names(data) >= CONTRACT_FIELDS
    except (OSError, ValueError, ModelError):  # the second for an empty file
        return False


def check_batch(model: Path, size: int) -> None:
    """Raises BenchmarkError if a batch's input of so many bytes is too large to be tried."""
    if size > MAX_INPUT_BYTES:
        raise BenchmarkError(
            f"{model}: a batch of its input takes {size / 1e6:,.0f} MB. "
            f"At most {MAX_INPUT_BYTES // 10**6} are tried: name a smaller --batch or --size."
        )


def open_graph(model: Path, threads: int, batch: int, size: int, provider: str) -> PixelClassifier:
    """A file without the contract, or for another provider than the CPU's. Raises BenchmarkError."""
    if provider not in ort.get_available_providers():
        installed = ", ".join(ort.get_available_providers())
        raise BenchmarkError(f"--provider {provider} is not in the installed onnxruntime, which has {installed}.")
    with limit_memory(_find_room()):
        session = _load(model, threads, provider)
        try:
            image, output = ImageInput.from_session(session), _find_scores(session)
        except UnicodeDecodeError as error:  # which shows as a name is read
            raise BenchmarkError("a name in the model is no UTF-8. Export it again.") from error
        if image.batch not in (None, batch):
            raise BenchmarkError(f"{model} takes batches of {image.batch}. Measure it with --batch {image.batch}.")
        height, width = image.height or size, image.width or size
        check_batch(model, batch * image.channels * height * width * image.dtype().itemsize)
        loops = holds_any(model, LOOPS)  # not by `inspect`, which refuses weights in other files

        def name(rows: Tensor) -> list[int]:
            scores = _run(model, session, output, {image.name: rows}, timed=loops)
            return [int(best) for best in scores.reshape(len(rows), -1).argmax(axis=1)]

        row = image.convert(Image.new("RGB", (8, 8)), size)
        scores = _run(model, session, output, {image.name: np.stack([row] * batch)}, timed=True)
    if scores.ndim == 0 or len(scores) != batch or not scores[0].size:
        raise BenchmarkError(
            f"{model} gives {list(scores.shape)} numbers for a batch of {batch}, not a row of scores a photo."
        )
    if np.isnan(scores).any():
        raise BenchmarkError(f"{model} gives scores that are no numbers (NaN) for a black photo. Export it again.")
    labels = tuple(f"{NAMELESS}{number}" for number in range(scores[0].size))
    return PixelClassifier(labels, lambda photo: image.convert(photo, size), name, image.describe(size), batch)


def _find_room() -> int:
    """Bytes of memory that a graph may take: what the machine has, so that it kills no other process."""
    return int(min(find_memory(), MAX_ROOM))


def _load(model: Path, threads: int, provider: str) -> ort.InferenceSession:
    try:
        if not stat.S_ISREG(model.stat().st_mode):
            raise BenchmarkError(f"{model} is not a file. --model names an ONNX file.")
        with model.open("rb") as file:  # where that fails, the system says why
            # By its path, since weights may lie in files beside it; onnxruntime takes none that is no UTF-8.
            is_utf8 = os.fsencode(model) == str(model).encode(errors="replace")
            source = str(model) if is_utf8 else file.read()
        options = session_options(threads)
        with deadline(LOAD_SECONDS, lambda: options.set_load_cancellation_flag(True)):
            # Without a fallback: it loads a damaged file twice, and runs on the CPU under the provider's name.
            session = ort.InferenceSession(source, options, providers=[provider], enable_fallback=False)
        if provider not in session.get_providers():
            raise BenchmarkError(f"--provider {provider} could not be started.")
        return session
    except BenchmarkError:
        raise
    except OSError as error:
        raise BenchmarkError(f"{model}: {error.strerror}") from error
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise BenchmarkError(
            f"{model} is not an ONNX file that onnxruntime can run: {describe_error(error)}"
        ) from error


def _find_scores(session: ort.InferenceSession) -> str:
    """The output with a row of scores a photo: the first of numbers with a point, else the first with rows.

    scikit-learn's models give labels before it. Raises BenchmarkError without such an output.
    """
    outputs = [(output.name, output.type, output.shape) for output in session.get_outputs()]
    scores = [name for name, kind, _ in outputs if kind in SCORES]
    rows = [name for name, kind, shape in outputs if kind in INTEGERS and len(shape) > 1]
    if scores or rows:
        return str((*scores, *rows)[0])
    given = ", ".join(f"{show_path(name)} {kind}" for name, kind, _ in outputs) or "nothing"
    raise BenchmarkError(f"the model gives {given}. A classifier gives a tensor of scores.")


def _run(model: Path, session: ort.InferenceSession, output: str, inputs: dict[str, Tensor], *, timed: bool) -> Tensor:
    """The scores of one batch. Raises BenchmarkError if that fails or takes too long, which is looked at if `timed`."""
    options, seconds = ort.RunOptions(), RUN_SECONDS * len(next(iter(inputs.values())))
    try:
        with deadline(seconds, lambda: setattr(options, "terminate", True)) if timed else nullcontext():
            return np.asarray(session.run([output], inputs, options)[0])
    except Exception as error:
        why = f"takes more than {seconds:.0f} s" if options.terminate else describe_error(error)
        raise BenchmarkError(f"{model} cannot run a photo: {why}") from error
