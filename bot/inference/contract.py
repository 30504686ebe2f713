"""What an ONNX file tells its reader: the metadata half of the contract, in one definition for both sides.

`bot` reads it from the file, `export` writes it. A field that is missing or unknown stops the start;
nothing is defaulted.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.errors import SHOWN, LabelgramError

CONTRACT = "1"
INPUT = "image"
OUTPUT = "probabilities"
OUTSIDER = "outsider"
"""A further output, float32 `[batch]`: the probability that a photo shows none of the classes."""
EVIDENCE = "evidence"
"""A further output, float32 `[batch, classes, GRID, GRID]`: each cell's part of each class's logit.

Temperature and bias are included, the mean over the classes is taken off. The softmax of its sum over the cells is
OUTPUT.
"""
GRID = 7
"""Cells of EVIDENCE in width and height; each covers 32 x 32 pixels of INPUT."""
SIZE = 224
"""Width and height in pixels of the input `image`: uint8, `[batch, 224, 224, 3]`, RGB."""

MAX_RESIZE = 1024
"""Pixels. Photos are not enlarged beyond what they are read with."""
MAX_CLASSES = 25_000
"""ImageNet-21k has 21,841."""
MAX_LABEL = 100
"""Characters of a class's name, which buttons and file names hold."""
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text around a label."""


class ModelError(LabelgramError):
    """A model file cannot be used; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Preprocess:
    """How a decoded photo becomes `image`.

    The upright RGB photo is squished to `resize` x `resize` pixels with a bilinear (triangle) filter whose
    support grows with the reduction, then the middle `size` x `size` pixels are kept. These are fastai's
    `RandomResizedCrop` pixels on a validation photo (fastai.vision.augment, `val_xtra=0.14`: 256 for 224).
    """

    size: int
    resize: int

    @classmethod
    def from_json(cls, text: str) -> Preprocess:
        """Parse the metadata field `preprocess`; raises ModelError on any rule this reader does not know."""
        fields = _json_object("preprocess", text)
        size, resize = fields.get("size"), fields.get("resize")
        known = cls(size, resize) if isinstance(size, int) and isinstance(resize, int) else None
        if (
            known is None
            or fields != json.loads(known.to_json())
            or not SIZE == known.size <= known.resize <= MAX_RESIZE
        ):
            raise ModelError(
                f"the model asks for a preprocessing this bot does not know: {text[:SHOWN]!r}. "
                "Export it again with this version of Labelgram."
            )
        return known

    def to_json(self) -> str:
        return json.dumps(
            {
                "size": self.size,
                "resize": self.resize,
                "rule": "squish",
                "filter": "bilinear",
                "crop": "center",
                "orientation": "exif",
                "background": "white",
            }
        )


class UnsureBecause(StrEnum):
    """Why an answer is unsure."""

    OUTSIDER = "outsider"
    """The photo shows something else than the classes."""
    CLOSE = "close"
    """No class is probable enough."""


@dataclass(frozen=True)
class Unsure:
    """The bot answers "unsure" when the best probability is below `threshold`, or an outsider's above `outsider`.

    Both are 0 to 1. The second is read from the model's output OUTSIDER; where `outsider` is None there need be none.
    """

    threshold: float
    outsider: float | None = None

    @classmethod
    def from_json(cls, text: str) -> Unsure:
        """Parse the metadata field `unsure`; raises ModelError on any rule this reader does not know."""
        fields = _json_object("unsure", text)
        limits = [fields.get(name) for name in _RULES.get(str(fields.get("rule")), ())]
        numbers = [limit for limit in limits if isinstance(limit, int | float) and not isinstance(limit, bool)]
        known = [float(number) for number in numbers if 0 <= number <= 1]
        if not known or len(known) < len(limits) or fields != json.loads(cls(*known).to_json()):
            raise ModelError(
                f"the model has a rule for being unsure that this bot does not know: {text[:SHOWN]!r}. "
                "Export it again with this version of Labelgram."
            )
        return cls(*known)

    def to_json(self) -> str:
        if self.outsider is None:
            return json.dumps({"rule": "best_probability_below", "threshold": self.threshold})
        fields = {"threshold": self.threshold, "outsider": self.outsider}
        return json.dumps({"rule": "best_probability_below_or_outsider_above", **fields})

    def __call__(self, best_probability: float, outsider: float | None = None) -> UnsureBecause | None:
        """Why an answer is unsure, from its best probability and the probability of an outsider. None: it is sure."""
        if self.outsider is not None and outsider is not None and outsider > self.outsider:
            return UnsureBecause.OUTSIDER
        return UnsureBecause.CLOSE if best_probability < self.threshold else None


_RULES: dict[str, tuple[str, ...]] = {
    "best_probability_below": ("threshold",),
    "best_probability_below_or_outsider_above": ("threshold", "outsider"),
}


@dataclass(frozen=True)
class Contract:
    """The metadata of one model file. The last four fields are free text or JSON, for people to read."""

    labels: tuple[str, ...]
    preprocess: Preprocess
    unsure: Unsure
    arch: str
    trained_on: str
    metrics: str
    created: str

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Contract:
        """Parse an ONNX file's metadata map; raises ModelError naming the field that is missing or wrong."""
        version = metadata.get("contract")
        if version != CONTRACT:
            raise ModelError(
                f"the model's metadata says contract {(version or 'nothing')[:SHOWN]!r}, this bot reads {CONTRACT!r}. "
                "Make the file with `python -m export`."
            )
        missing = sorted(set(cls.__dataclass_fields__) - metadata.keys())
        if missing:
            raise ModelError(f"the model's metadata lacks {', '.join(missing)}. Make the file with `python -m export`.")
        return cls(
            labels=_labels(metadata["labels"]),
            preprocess=Preprocess.from_json(metadata["preprocess"]),
            unsure=Unsure.from_json(metadata["unsure"]),
            arch=metadata["arch"],
            trained_on=metadata["trained_on"],
            metrics=metadata["metrics"],
            created=metadata["created"],
        )

    def to_metadata(self) -> dict[str, str]:
        return {
            "contract": CONTRACT,
            "labels": json.dumps(self.labels, ensure_ascii=False),
            "preprocess": self.preprocess.to_json(),
            "unsure": self.unsure.to_json(),
            "arch": self.arch,
            "trained_on": self.trained_on,
            "metrics": self.metrics,
            "created": self.created,
        }


def _json(field: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter of thousands of brackets
        raise ModelError(f"the model's metadata field {field} is not JSON: {text[:SHOWN]!r}") from error


def _json_object(field: str, text: str) -> dict[str, Any]:
    value = _json(field, text)
    if not isinstance(value, dict):
        raise ModelError(f"the model's metadata field {field} is not a JSON object: {text[:SHOWN]!r}")
    return value


def _labels(text: str) -> tuple[str, ...]:
    labels = _json("labels", text)
    named = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not named or len(labels) < 2 or len(set(labels)) != len(labels):
        raise ModelError(f"the model's labels are not a list of two or more different names: {text[:SHOWN]!r}")
    if len(labels) > MAX_CLASSES:
        raise ModelError(f"the model has {len(labels):,} labels; at most {MAX_CLASSES:,} are read.")
    for label in labels:
        if reason := find_fault(label):
            raise ModelError(f"the model's label {label[:SHOWN]!r} {reason}. Rename the class, then train and export.")
    return tuple(labels)


def find_fault(label: str) -> str | None:
    """Why a class cannot be named so: people read a label in messages, and it names a folder of photos."""
    if not label.strip():
        return "is empty"
    if len(label) > MAX_LABEL:
        return f"has {len(label):,} characters, at most {MAX_LABEL} are read"
    if any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in DIRECTIONS for character in label
    ):
        return "has characters that cannot be shown, such as a line break"
    if "/" in label or "\\" in label:
        return "has a slash or a backslash, which parts folders"
    if label in (".", ".."):
        return "means another folder"
    return None
