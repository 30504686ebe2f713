"""Frozen dataclasses <-> JSON: what `metrics.json`, `left-out.json` and a file's metadata hold, with its types."""

from __future__ import annotations

import dataclasses
import json
import types
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from training.whole_files import write_text_whole

Record = TypeVar("Record")
LARGE = 2**63
"""No whole number in a file is so large; beyond, arithmetic may fail."""
WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "such a list",
    tuple: "such a list",
    dict: "an object",
}
"""What a message calls a type."""


def to_json(value: object, digits: int | None = None) -> Any:
    """What `json.dumps` takes for a dataclass and all within it; numbers rounded to `digits` decimals."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name), digits) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: to_json(item, digits) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item, digits) for item in value]
    return round(value, digits) if isinstance(value, float) and digits is not None else value


def from_json(kind: type[Record], value: Any, name: str = "") -> Record:
    """The dataclass `kind` from what `to_json` made of it.

    Raises ValueError where a field is missing or of another type, with its place, such as `run.seconds`. `name` is the
    place of the whole in its file. A field with a default may be missing.
    """
    record: Record = _read(kind, value, name)
    return record


def read_file(file: Path) -> Any:
    """What a file of JSON holds. Paths in it need not be UTF-8. Raises OSError, and ValueError for another file."""
    try:
        return json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_file(value: Any, file: Path, indent: int | None = None) -> None:
    """Write what `to_json` made, for `read_file`. Raises OSError."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    write_text_whole(f"{text}\n", file)


def escape_bytes(text: str) -> str:
    """The text as UTF-8 takes it: a byte of a file's name that is no UTF-8 becomes an escape, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _read(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, name)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _read(inner, value, name)
    if origin in (list, tuple) and isinstance(value, list):
        each = [*arguments] if origin is tuple and arguments[-1] is not Ellipsis else [arguments[0]] * len(value)
        if len(each) == len(value):
            return origin(_read(item, part, name) for item, part in zip(each, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _read(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
    if type(value) is int and abs(value) >= LARGE:
        raise ValueError(f"{name} is too large a number")
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is Any or (isinstance(kind, type) and type(value) is kind):
        return value
    raise ValueError(f"{name} is {value!r:.80}, not {WORDS.get(origin or kind, str(kind))}")


def _read_dataclass(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{name or 'it'} is {value!r:.80}, not an object")
    hints, fields = get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            fields[field.name] = _read(hints[field.name], value[field.name], f"{name}.{field.name}".lstrip("."))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{name or 'it'} lacks {field.name}")
    return kind(**fields)
