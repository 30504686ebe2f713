"""What an ONNX file holds, read from its protobuf fields before onnxruntime sees them.

onnxruntime would open other files that the model names, and optimise a million nodes for minutes. The `onnx` package is
not needed: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 has the field numbers,
https://protobuf.dev/programming-guides/encoding the encoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path

from bot.inference.contract import ModelError

MAX_NODES = 10_000
"""Operators of a model. Large image classifiers have a few thousand, and onnxruntime needs seconds for 10,000."""
MAX_FIELDS = 1_000_000
"""Protobuf fields that are looked at: half a second. The shipped model has about 4,000."""
MAX_METADATA_BYTES = 4_000_000
"""Of all metadata together. The names of 22,000 classes take 1 MB."""

LOOPS = frozenset({b"Loop", b"Scan"})
MODEL, GRAPH, FUNCTION, NODE, ATTRIBUTE, TENSOR, SPARSE, TRAINING = range(8)
PARTS = {
    MODEL: {7: GRAPH, 20: TRAINING, 25: FUNCTION},
    TRAINING: {1: GRAPH, 2: GRAPH},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    FUNCTION: {7: NODE, 11: ATTRIBUTE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    SPARSE: {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
"""By kind of message and number of a field: the kind of message that the field holds."""
OPERATOR, METADATA, EXTERNAL_DATA, DATA_LOCATION = 4, 14, 13, 14
"""Field numbers: of a node, of the model, and two of a tensor."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""


@dataclass(frozen=True)
class OnnxFacts:
    """What the graph of a file is like."""

    nodes: int
    loops: bool
    """Some operator may run without end, depending on the photo."""


def inspect(data: bytes) -> OnnxFacts:
    """Look through an ONNX file's bytes.

    Raises ModelError if these are not protobuf, name further files (external data) or exceed the limits above.
    """
    nodes = metadata = 0
    loops = False
    for kind, number, wire, first, last in _walk(data):
        nodes += wire == BYTES and PARTS[kind].get(number) == NODE
        if nodes > MAX_NODES:
            raise ModelError(f"the model has more than {MAX_NODES:,} operators: this is no image classifier.")
        if kind == TENSOR and (number == EXTERNAL_DATA or (number == DATA_LOCATION and data[first:last] != b"\0")):
            raise ModelError(
                "the model keeps weights in another file (external data). "
                "A model is one file: make it with `python -m export`."
            )
        if kind == MODEL and number == METADATA:
            metadata += last - first
            if metadata > MAX_METADATA_BYTES:
                limit = MAX_METADATA_BYTES // 1_000_000
                raise ModelError(f"the model's metadata has more than {limit} MB: this is no image classifier.")
        loops |= kind == NODE and number == OPERATOR and data[first:last] in LOOPS
    return OnnxFacts(nodes, loops)


def count_bytes(model: Path) -> int:
    """Bytes of a model's file and of those beside it that it keeps weights in. Raises OSError."""
    with model.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        names = set()
        with suppress(ValueError, ModelError), mmap(file.fileno(), 0, access=ACCESS_READ) as data:  # of no ONNX file
            for kind, number, _, first, last in _walk(data):
                if kind == TENSOR and number == EXTERNAL_DATA:
                    entry = {key: data[start:end] for key, _, start, end in _fields(data, first, last)}
                    names |= {entry.get(2, b"")} if entry.get(1) == b"location" else set()
    for name in names:
        with suppress(OSError, ValueError):  # without its weights the model does not run, and says so
            size += (model.parent / os.fsdecode(name)).stat().st_size
    return size


def holds_any(model: Path, names: Iterable[bytes]) -> bool:
    """Whether one of these stands anywhere in a model file's bytes. False if there is no such file."""
    try:
        if not model.is_file():  # a FIFO would wait for its writer
            return False
        with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return any(data.find(name) >= 0 for name in names)
    except (OSError, ValueError):  # the latter for an empty file
        return False


def read_metadata_names(data: bytes | mmap) -> set[bytes]:
    """The names of the file's metadata, its graph's and nodes' not among them. Raises ModelError if it is damaged."""
    names = set()
    for number, wire, start, end in islice(_fields(data, 0, len(data)), MAX_FIELDS):
        if number == METADATA and wire == BYTES:
            names |= {
                data[first:last] for key, kind, first, last in _fields(data, start, end) if (key, kind) == (1, BYTES)
            }
    return names


def _walk(data: bytes | mmap) -> Iterator[tuple[int, int, int, int, int]]:
    """Each field of the file that PARTS leads to: the kind of its message, and what `_fields` says of it.

    Raises ModelError.
    """
    waiting = [(MODEL, 0, len(data))]
    budget = iter(range(MAX_FIELDS))
    while waiting:
        kind, at, end = waiting.pop()
        for number, wire, first, last in _fields(data, at, end):
            if next(budget, None) is None:
                raise ModelError(f"the model has more than {MAX_FIELDS:,} fields: this is no image classifier.")
            yield kind, number, wire, first, last
            if wire == BYTES and number in PARTS[kind]:
                waiting.append((PARTS[kind][number], first, last))


def _fields(data: bytes | mmap, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each field of the message in data[at:end]: its number, its wire type, and where its value starts and ends."""
    while at < end:
        tag, at = _varint(data, at, end)
        wire = tag & 7
        start = at
        if wire == VARINT:
            _, at = _varint(data, at, end)
        elif wire == BYTES:
            length, start = _varint(data, at, end)
            at = start + length
        elif wire in (FIXED64, FIXED32):
            at += 8 if wire == FIXED64 else 4
        else:
            at = end + 1
        if at > end or not 0 < tag >> 3 < 1 << 29:
            raise _no_protobuf()
        yield tag >> 3, wire, start, at


def _varint(data: bytes | mmap, at: int, end: int) -> tuple[int, int]:
    """A number of base 128, lowest digits first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        digit = data[at]
        at += 1
        value |= (digit & 0x7F) << shift
        if digit < 0x80:
            return value, at
    raise _no_protobuf()


def _no_protobuf() -> ModelError:
    return ModelError("the model is not an ONNX file: its bytes are damaged or of another kind.")
