"""What is measured: classifiers that take pixels in batches, and classifiers that take whole photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.errors import LabelgramError
from bot.inference.decoding import read

Tensor = NDArray[Any]
CPU = "CPUExecutionProvider"
NAMELESS = "class "
"""What the classes of a file without names are called, before their number."""


class BenchmarkError(LabelgramError):
    """There is nothing to measure; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class PixelClassifier:
    """Takes batches of pixels. Photos are decoded for it as the bot does."""

    labels: tuple[str, ...]
    preprocess: Callable[[Image.Image], Tensor]
    """A decoded RGB photo -> its row of the input."""
    name: Callable[[Tensor], list[int]]
    """A batch of rows -> the number of the best class of each; called from many threads at once."""
    preprocessing: str
    """What `preprocess` does, in words."""
    batch: int = 1
    """Photos that are run together."""

    def classify(self, data: bytes) -> str:
        """A photo file's bytes -> its label, in a batch filled with copies. Raises PhotoError."""
        row = self.preprocess(read(data))
        return self.labels[self.name(np.stack([row] * self.batch))[0]]


@dataclass(frozen=True)
class PhotoClassifier:
    """Takes a photo's bytes, and can neither be taken apart nor called from several threads."""

    labels: tuple[str, ...]
    classify: Callable[[bytes], str]
    preprocessing: str
    batch: int = 1


Classifier = PixelClassifier | PhotoClassifier
