"""Any ONNX image classifier: how photos become its input is read from the graph, since it says nothing else."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from PIL import Image

from bot.benchmark.engines import BenchmarkError, PixelClassifier, Tensor
from bot.inference.names import show_path
from bot.inference.onnx_session import first_line, session_options

DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's pixels in RGB, 0 to 1: what nearly all classifiers with float inputs are trained with (torchvision)."""
CONTRACT_ENTRY = b"\x0a\x08contract\x12"
"""How protobuf writes an entry with that key: field 1, 8 bytes, field 2 (onnx.proto3, StringStringEntryProto)."""
MAX_INPUT_BYTES = 1_000_000_000
"""Of one batch: larger ones fill the memory of a small machine before they are run."""
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
        if len(inputs) != 1:
            names = ", ".join(show_path(node.name) for node in inputs)
            raise BenchmarkError(f"the model has {len(inputs)} inputs ({names}). The benchmark runs models with one.")
        (node,) = inputs
        name = show_path(node.name)  # the file's author chose it, and it is shown on a terminal
        if node.type not in DTYPES or len(node.shape) != 4:
            raise BenchmarkError(
                f"the model's input {name} is {node.type} {node.shape}. An image is float, float16, double or "
                "uint8, [batch, channels, height, width] or [batch, height, width, channels]."
            )
        sizes = [size if isinstance(size, int) and size > 0 else None for size in node.shape]
        channels_first = sizes[1] in CHANNELS
        if not channels_first and sizes[3] not in CHANNELS:
            raise BenchmarkError(f"the model's input {name} {node.shape} has no axis of 1 or 3 channels.")
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
    """Whether the file has the metadata field `contract`, of which the bytes are looked for. False if unreadable."""
    try:
        if not model.is_file():  # a FIFO would wait for its writer
            return False
        with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return data.find(CONTRACT_ENTRY) >= 0
    except (OSError, ValueError):  # the latter for an empty file
        return False


def open_graph(model: Path, threads: int, batch: int, size: int, provider: str) -> PixelClassifier:
    """A file without the contract, or for another provider than the CPU's. Raises BenchmarkError."""
    if provider not in ort.get_available_providers():
        installed = ", ".join(ort.get_available_providers())
        raise BenchmarkError(f"--provider {provider} is not in the installed onnxruntime, which has {installed}.")
    try:
        if not stat.S_ISREG(model.stat().st_mode):
            raise BenchmarkError(f"{model} is not a file. --model names an ONNX file.")
        model.open("rb").close()  # where that fails, the system says why
        # By its path, since weights may lie in files beside it.
        session = ort.InferenceSession(model, session_options(threads), providers=[provider])
    except BenchmarkError:
        raise
    except OSError as error:
        raise BenchmarkError(f"{model}: {error.strerror}") from error
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise BenchmarkError(f"{model} is not an ONNX file that onnxruntime can run: {first_line(error)}") from error
    image = ImageInput.from_session(session)
    if image.batch not in (None, batch):
        raise BenchmarkError(f"{model} takes batches of {image.batch}. Measure it with --batch {image.batch}.")
    bytes_needed = batch * image.channels * (image.height or size) * (image.width or size) * image.dtype().itemsize
    if bytes_needed > MAX_INPUT_BYTES:
        raise BenchmarkError(
            f"{model}: a batch of its input takes {bytes_needed / 1e9:.1f} GB, and at most 1 is tried."
        )
    output = session.get_outputs()[0].name

    def name(rows: Tensor) -> list[int]:
        scores = np.asarray(session.run([output], {image.name: rows})[0])
        return [int(best) for best in scores.reshape(len(rows), -1).argmax(axis=1)]

    try:
        row = image.convert(Image.new("RGB", (size, size)), size)
        scores = np.asarray(session.run([output], {image.name: np.stack([row] * batch)})[0])
    except Exception as error:
        raise BenchmarkError(f"{model} cannot run a photo: {first_line(error)}") from error
    if scores.ndim == 0 or len(scores) != batch:
        raise BenchmarkError(
            f"{model} gives {list(scores.shape)} numbers for a batch of {batch}, not a row of scores a photo."
        )
    if np.isnan(scores).any():
        raise BenchmarkError(f"{model} gives scores that are no numbers (NaN) for a black photo. Export it again.")
    labels = tuple(f"class {number}" for number in range(scores[0].size))
    return PixelClassifier(labels, lambda photo: image.convert(photo, size), name, image.describe(size), batch)
