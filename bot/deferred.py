"""aiogram's import, made light: pydantic builds each of its 600 models when it is first used.

`aiogram.types` has every type built as it is imported, and `aiogram.methods` every method, of which a bot uses a
dozen (https://github.com/aiogram/aiogram/issues/1513). Without that the import takes a quarter of the time and a third
of the memory.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import chain
from typing import Any

import pydantic
from pydantic import BaseModel

NAME = re.compile(r"[A-Za-z_]\w*")
PLAIN, DEFERRED = "plain", "deferred"

log = logging.getLogger(__name__)


def import_aiogram(way: str) -> None:
    """Import aiogram in the way PLAIN, its own, or DEFERRED; the latter falls back to the former where it fails.

    To be called before anything else imports aiogram. Until a deferred model is first used, its `model_fields` may have
    annotations that are not evaluated.
    """
    if way == DEFERRED and "aiogram" not in sys.modules:
        try:
            with _deferred():
                import_module("aiogram")
            _prepare()
        except Exception as error:  # whatever an aiogram or a pydantic of another make may raise
            log.warning("aiogram takes more time and memory than it need, since building it later fails: %r", error)
            for name in [name for name in sys.modules if name.partition(".")[0] == "aiogram"]:
                del sys.modules[name]
    import_module("aiogram")


@contextmanager
def _deferred() -> Iterator[None]:
    """Have models that are defined here built at first use, and requests to build them ignored."""
    config, rebuild = pydantic.ConfigDict, BaseModel.__dict__["model_rebuild"]
    pydantic.ConfigDict = partial(config, defer_build=True)  # type: ignore[misc, assignment]
    BaseModel.model_rebuild = classmethod(_note_names)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        pydantic.ConfigDict, BaseModel.model_rebuild = config, rebuild  # type: ignore[misc, method-assign]


def _note_names(model: type[BaseModel], *, _types_namespace: Mapping[str, Any]) -> None:
    """In place of `model_rebuild`: have the model's module know all names in its annotations, as it does for linters.

    So the annotations can be evaluated at any time, also for whatever inherits from the model or holds it.
    """
    annotations = (vars(base).get("__annotations__", {}).values() for base in model.__mro__)
    names = NAME.findall(" ".join(map(str, chain.from_iterable(annotations))))
    known = vars(sys.modules[model.__module__])
    known.update((name, _types_namespace[name]) for name in names if name in _types_namespace and name not in known)


def _prepare() -> None:
    """Have models of others that inherit from aiogram's know its names, and build what every bot uses.

    The rest is built in the thread that first uses it. That has to be one, the event loop's: pydantic is not
    made for more.
    """
    from aiogram import types
    from aiogram.methods import TelegramMethod

    rebuild = BaseModel.model_rebuild.__func__  # type: ignore[attr-defined]
    known = {name: getattr(types, name) for name in types.__all__}

    def rebuild_knowing(model: type[BaseModel], /, **options: Any) -> bool | None:
        done: bool | None = rebuild(model, **{"_types_namespace": known} | options)
        return done

    for base in (types.TelegramObject, TelegramMethod):
        base.model_rebuild = classmethod(rebuild_knowing)  # type: ignore[method-assign, assignment]
    types.Message.model_rebuild()
    types.Update.model_rebuild()  # it takes over what was built for messages; the other way round each is built anew
