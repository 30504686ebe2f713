"""What a file says of itself beside the contract, as types: what it learned from, and how good it is."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.inference.contract import Contract, ModelError
from export.claims import check_claims
from training.evaluation.evaluate import HELD_OUT, Evaluation
from training.evaluation.evidence import Location
from training.evaluation.left_out.figures import LeftOut
from training.evaluation.subgroups import NO_MORE, Breakdown
from training.recipe import read_fields
from training.records import escape_bytes, from_json, to_json
from training.runs import SplitFacts

FLOAT32, INT8 = "float32", "int8"
"""What the numbers in a file are."""
LICENCE = "MIT"
"""Of the file and its card."""
DIGITS = 4
"""Decimals of a share in the metadata: a photo in ten thousand."""
DIGEST = 5
"""Bytes of a photo's SHA-256 that the file keeps: of ten thousand photos, two agree by chance once in 20,000 files."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class PhotoOptions:
    """What the training's command was told of the photos, but for their folder; None: nothing."""

    leave_out: str | None = None
    relabel: str | None = None
    """The file's name, without its folder."""
    class_folder: str | None = None


@dataclass(frozen=True)
class TrainedOn:
    """The metadata field `trained_on`."""

    photos: dict[str, int]
    """Photos of each label that it learned from."""
    collections: dict[str, int]
    """Photos of each collection that it learned from; empty where there is only one."""
    split: SplitFacts
    recipe: dict[str, Any]
    """Every field of it."""
    options: PhotoOptions = PhotoOptions()
    breakdown: Breakdown = NO_MORE
    about: str = ""
    """Markdown about the photos' origin and licence, by the person who trained."""
    weights: str = ""
    """Source and licence of the weights that the training started from."""
    kept: str = ""
    """Which net it is, of `recipe.KEEPS`; empty: the file is of a version that did not say."""
    learned: str = ""
    """The photos that it learned from: `list_photos` of their files."""
    held_out: str = ""
    """The photos that its own figures are of, likewise."""
    held_out_labels: dict[str, str] = field(default_factory=dict)
    """The same by their labels; empty: the file is of a version that did not say."""

    def __post_init__(self) -> None:
        """Raises ValueError for a recipe with a field of another type, and for no list of photos."""
        read_fields(self.recipe)
        for photos in (self.learned, self.held_out, *self.held_out_labels.values()):
            read_list(photos)


@dataclass(frozen=True)
class Int8Loss:
    """What int8 changed, on the photos that the export checked."""

    accuracy: float
    """Of the float32 file on the photos of its training run among them; it may have learned from these."""
    label_agreement: float
    """Share of the checked photos that both name alike."""
    difference: float
    """Largest difference in any probability."""
    evidence: float | None = None
    """Mean distance of the int8 evidence from the float32 evidence, as a share of the latter; None without evidence."""
    evidence_peaks: float | None = None
    """Share of the checked photos whose strongest cell is the same."""

    def __post_init__(self) -> None:
        """Raises ValueError where one of the figures of evidence is missing."""
        if (self.evidence is None) != (self.evidence_peaks is None):
            raise ValueError("int8 has one figure of evidence and lacks another")


@dataclass(frozen=True)
class FileMetrics:
    """The metadata field `metrics`."""

    precision: str
    """FLOAT32 or INT8."""
    temperature: float
    evaluation: Evaluation
    """What the file itself scored; of a file that learned from all photos, what its folds' nets scored."""
    int8: Int8Loss | None = None
    left_out: LeftOut | None = None
    """Figures of nets that are not in the file."""
    location: Location | None = None
    """Where the evidence lies, on the file's own held-out pairs."""

    def __post_init__(self) -> None:
        """Raises ValueError where a claim is missing that such a file always has."""
        if self.precision not in (FLOAT32, INT8) or (self.precision == INT8) != (self.int8 is not None):
            raise ValueError(f"a file of precision {self.precision:.20} has other claims than these")


def write_json(record: TrainedOn | FileMetrics) -> str:
    return escape_bytes(json.dumps(to_json(record, DIGITS), ensure_ascii=False))


def read_trained_on(contract: Contract) -> TrainedOn:
    """Raises ModelError if this version of `python -m export` did not write the file."""
    return _read(TrainedOn, "trained_on", contract.trained_on)


def read_metrics(contract: Contract) -> FileMetrics:
    """Raises ModelError if this version of `python -m export` did not write the file, or if its claims do not fit."""
    metrics = _read(FileMetrics, "metrics", contract.metrics)
    try:
        check_claims(metrics.evaluation, metrics.left_out, contract.labels)
    except ValueError as error:
        raise _refuse("metrics", error) from error
    return metrics


def check_counts(metrics: FileMetrics, trained_on: TrainedOn) -> None:
    """Raises ModelError where figures are not of the photos that the file lists; older files list none."""
    evaluation = metrics.evaluation
    listed = read_list(trained_on.held_out if evaluation.judged_by == HELD_OUT else trained_on.learned).total()
    if listed and listed != evaluation.scores.right.photos:
        raise ModelError(
            f"the model claims figures of {evaluation.scores.right.photos} photos and lists {listed}. "
            "Make it with `python -m export`."
        )


def describe_file(data: bytes, name: str, contract: Contract) -> str:
    """What lies beside a file for readers that cannot see its metadata, as onnxruntime-web: NAME.json."""
    fields = contract.to_metadata()
    description = {
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": LICENCE,
        "contract": fields["contract"],
        **{field: json.loads(fields[field]) for field in ("labels", "preprocess", "unsure")},
    }
    return escape_bytes(json.dumps(description, indent=2, ensure_ascii=False))


def digest(data: bytes) -> bytes:
    """A name for a photo file's bytes."""
    return hashlib.sha256(data).digest()[:DIGEST]


def list_photos(files: Iterable[bytes]) -> str:
    """The digests of photo files, sorted, one behind the other, in Base64."""
    return base64.b64encode(b"".join(sorted(digest(data) for data in files))).decode("ascii")


def read_list(text: str) -> Counter[bytes]:
    """The digests in what `list_photos` made, each as often as it is there. Raises ValueError for another text."""
    data = base64.b64decode(text, validate=True)
    if len(data) % DIGEST:
        raise ValueError("a list of photos is cut short")
    return Counter(data[start : start + DIGEST] for start in range(0, len(data), DIGEST))


def _read(kind: type[Record], name: str, text: str) -> Record:
    try:
        return from_json(kind, json.loads(text, parse_constant=_read_number, parse_float=_read_number))
    except (ValueError, RecursionError) as error:
        raise _refuse(name, "it is nested too deeply" if isinstance(error, RecursionError) else error) from error


def _refuse(name: str, why: object) -> ModelError:
    return ModelError(
        f"the model makes no claims that this version can read: {name}: {why}. Make it with `python -m export`."
    )


def _read_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number that figures can have")
    return number
