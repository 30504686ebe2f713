"""Uses every one of aiogram's models, and tells what came of it.

python -m tests.support.aiogram_models WAY [SAMPLES]

Imports aiogram in the WAY (bot.startup.lazy_aiogram), and uses each model: for SAMPLES, or for samples of the fields'
annotations. Prints one JSON object: `samples`; `built`, the names of the models that were ready before their first use;
`outcomes`, by the model's name what was seen.
"""

from __future__ import annotations

import asyncio
import copy
import enum
import inspect
import json
import pickle
import re
import sys
import types
import typing
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.startup.lazy_aiogram import import_aiogram

FILE = "<a file>"
ADDRESS = re.compile(r"0x[0-9a-f]+")
PLAIN_VALUES = {bool: True, int: 7, float: 1.5, str: "text", datetime: 1, timedelta: 60, Any: "anything"}


def main(way: str, samples: str | None = None) -> None:
    import_aiogram(way)
    models = _models()
    built = [name for name, model in models.items() if model.__pydantic_complete__]
    known = json.loads(Path(samples).read_text()) if samples else {name: _fill(models[name]) for name in models}
    outcomes = {name: _use(model, known[name]) | _look_at(model) for name, model in models.items()}
    for name, model in models.items():
        if hasattr(model, "__api_method__"):
            outcomes[name]["called"] = _attempt(lambda: _call(model, known[name]))  # noqa: B023 - called at once
    json.dump({"samples": known, "built": built, "outcomes": outcomes}, sys.stdout)


def _models() -> dict[str, Any]:
    """By name: all types, all methods, answers to all methods, and two things that hold types."""
    import aiogram.methods
    import aiogram.types
    from pydantic import BaseModel, create_model

    found = {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in (aiogram.types, aiogram.methods)
        for name in module.__all__
        if inspect.isclass(getattr(module, name))
        and issubclass(getattr(module, name), BaseModel)
        and not inspect.isabstract(getattr(module, name))
    }
    holders = {
        "a model that holds a type": create_model("Holder", chat=(list[aiogram.types.ChatFullInfo], ...)),
        "a subclass of a type": type("Own", (aiogram.types.StickerSet,), {"__annotations__": {"own": int}}),
    }
    methods = {name: model for name, model in found.items() if isinstance(getattr(model, "__returning__", None), type)}
    # Answers are made at once, as the bot does it; by now this must not need that anything else was used before.
    answers = {
        f"answer to {name}": aiogram.methods.Response.__class_getitem__(model.__returning__)
        for name, model in methods.items()
    }
    return holders | found | answers


def _fill(model: Any, depth: int = 1) -> dict[str, Any]:
    """A value for each required field, and below `depth` for each other one."""
    model.model_rebuild()
    values = {
        field.alias or name: _sample(field.annotation, depth - 1)
        for name, field in model.model_fields.items()
        if field.is_required() or depth > 0 or typing.get_origin(field.annotation) is typing.Literal
    }
    return {name: value for name, value in values.items() if value is not None}


def _sample(annotation: Any, depth: int) -> Any:
    from aiogram.types import InputFile
    from pydantic import BaseModel

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in PLAIN_VALUES:
        return PLAIN_VALUES[annotation]
    if hasattr(annotation, "__value__"):  # a named alias
        return _sample(annotation.__value__, depth)
    if origin is typing.Annotated:
        return _sample(arguments[0], depth)
    if origin in (typing.Union, types.UnionType):
        samples = (_sample(argument, depth) for argument in arguments)
        return next((sample for sample in samples if sample is not None), None)
    if origin is typing.Literal:
        return arguments[0]
    if origin is list:
        return [_sample(arguments[0], depth - 1)] if depth > -2 else []
    if origin is dict:
        return {"key": _sample(arguments[1], depth)}
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return next(iter(annotation)).value
    if isinstance(annotation, type) and issubclass(annotation, InputFile):
        return FILE
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fill(annotation, depth)
    return None


def _use(model: Any, sample: dict[str, Any]) -> dict[str, str]:
    """What can be seen of a model from outside; whatever fails, fails alike in both ways of the import."""

    def again() -> bool:
        instance = model.model_validate(_with_files(sample))
        return bool(copy.deepcopy(instance) == pickle.loads(pickle.dumps(instance)) == instance)

    return {
        "validated": _attempt(lambda: _dump(model.model_validate(_with_files(sample)))),
        "made": _attempt(lambda: _dump(model(**_with_files(sample)))),
        "from JSON": _attempt(lambda: _dump(model.model_validate_json(json.dumps(sample)))),
        "of nothing": _attempt(lambda: _dump(model.model_validate({}))),
        "of the wrong types": _attempt(lambda: _dump(model.model_validate(dict.fromkeys(sample, object)))),
        "copied": _attempt(again),
    }


def _dump(instance: Any) -> str:
    return str(instance.model_dump_json(fallback=lambda value: type(value).__name__, warnings=False))


def _attempt(work: Callable[[], object]) -> str:
    try:
        return ADDRESS.sub("0x", str(work()))
    except Exception as error:  # the text is compared, whatever it is
        return f"{type(error).__name__}: {ADDRESS.sub('0x', str(error))}"


def _call(model: Any, sample: dict[str, Any]) -> str:
    """What the bot's function of this name makes of the sample."""
    from aiogram import Bot

    class Echo(Bot):
        async def __call__(self, method: Any, request_timeout: int | None = None) -> Any:
            return method

    function = getattr(Echo("1:a"), re.sub("(?<=[a-z])([A-Z])", r"_\1", model.__name__).lower())
    required = {name: sample[name] for name, field in model.model_fields.items() if field.is_required()}
    return f"{model.__name__} {_dump(asyncio.run(function(**_with_files(required))))}"


def _look_at(model: Any) -> dict[str, str]:
    """All but the annotations, which a deferred model has others for."""
    fields = {
        name: (field.alias, field.is_required(), field.default, field.description)
        for name, field in model.model_fields.items()
    }
    parameters = [
        (name, parameter.kind, parameter.default) for name, parameter in inspect.signature(model).parameters.items()
    ]
    return {
        "fields": ADDRESS.sub("0x", str(fields)),
        "signature": ADDRESS.sub("0x", str(parameters)),
        "complete": str(model.__pydantic_complete__),
    }


def _with_files(value: Any) -> Any:
    from aiogram.types import BufferedInputFile

    if isinstance(value, dict):
        return {name: _with_files(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item) for item in value]
    return BufferedInputFile(b"bytes", "name") if value == FILE else value


if __name__ == "__main__":
    main(*sys.argv[1:])
