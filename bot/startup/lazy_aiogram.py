"""aiogram's import, made light: of its 630 models those are loaded and built that are used.

`aiogram.types` loads every type of the Bot API and builds it, `aiogram.methods` every method, of which a bot uses a
dozen (https://github.com/aiogram/aiogram/issues/1513). Without that the import takes a fifth of the time and memory.
"""

from __future__ import annotations

import builtins
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from itertools import chain
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, GetCoreSchemaHandler, ValidationInfo
from pydantic_core.core_schema import CoreSchema, simple_ser_schema, with_info_plain_validator_function

from bot.startup.lazy_certificates import load_certificates_late

PACKAGES = ("aiogram.types", "aiogram.methods", "aiogram.enums")
READERS = (*PACKAGES, "aiogram.client.bot")
"""What imports from PACKAGES more than it needs: themselves, and the class that has a function for each method."""
NAME = re.compile(r"[A-Za-z_]\w*")
PLAIN, DEFERRED = "plain", "deferred"

log = logging.getLogger(__name__)


def import_aiogram(way: str) -> None:
    """Import aiogram in the way PLAIN, its own, or DEFERRED; the latter falls back to the former where it fails.

    To be called before anything else imports aiogram. A deferred model does what the plain one does, but annotations in
    its `model_fields` do not name other models. It is loaded and built in the thread that first uses it; that has to be
    one, the event loop's: pydantic is not made for more.
    """
    if way == DEFERRED and "aiogram" not in sys.modules:
        try:
            with _deferred(), load_certificates_late():
                import_module("aiogram")
            _prepare()
        except Exception as error:  # whatever an aiogram or a pydantic of another make may raise
            log.warning(
                "all of aiogram is loaded now, which takes more time and memory: building it later fails: %r", error
            )
            for name in [name for name in sys.modules if name.partition(".")[0] == "aiogram"]:
                del sys.modules[name]
    import_module("aiogram")


@contextmanager
def _deferred() -> Iterator[None]:
    """Have what READERS take from PACKAGES loaded when it is used, and models that are defined here built then."""
    config, finder = pydantic.ConfigDict, _Finder()
    pydantic.ConfigDict = partial(config, defer_build=True)  # type: ignore[misc, assignment]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        pydantic.ConfigDict = config  # type: ignore[misc]


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in READERS else None
        if spec is not None:
            spec.loader = _LazyLoader(spec.loader)
        return spec


class _LazyLoader(Loader):
    """Runs a module as it is, but for what it imports from PACKAGES: there it gets stand-ins."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def exec_module(self, module: ModuleType) -> None:
        namespace = vars(module)
        namespace["__builtins__"] = vars(builtins) | {"__import__": partial(_import, namespace["__package__"])}
        exec(self._loader.get_code(module.__name__), namespace)
        namespace["__builtins__"]["__import__"] = builtins.__import__
        if module.__name__ in PACKAGES:  # what others take out of it is the real thing
            items = {name: value for name, value in namespace.items() if isinstance(value, _StandIn)}
            for name in items:
                del namespace[name]
            namespace["__getattr__"] = partial(_load, module, items)


def _import(package: str, name: str, *rest: Any) -> Any:
    """In place of `__import__`, for a module of `package`; called as an import statement does."""
    _, _, items, level = rest
    source = resolve_name("." * level + name, package)
    if items and source.startswith(PACKAGES):
        return SimpleNamespace(**{item: _StandIn(source, item) for item in items})
    return builtins.__import__(name, *rest)


@dataclass(frozen=True)
class _StandIn:
    """In place of a class that is not loaded yet."""

    module: str
    name: str

    def load(self) -> Any:
        return getattr(import_module(self.module), self.name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.load()(*arguments, **options)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.load())


def _load(package: ModuleType, items: Mapping[str, _StandIn], name: str) -> Any:
    """In place of `__getattr__` of a package: load what it would have had from the start."""
    if name in items:
        value = items[name].load()
    elif f"{package.__name__}.{name}" in {item.module for item in items.values()}:
        value = import_module(f"{package.__name__}.{name}")
    else:
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
    setattr(package, name, value)
    return value


def _prepare() -> None:
    """Have each model built by itself: what its fields may hold is loaded and built when one first holds it."""
    from aiogram import types
    from aiogram.methods import TelegramMethod

    rebuild = BaseModel.model_rebuild.__func__  # type: ignore[attr-defined]
    # DateTime is no class of its own, and has a way of its own to be written.
    stand_ins: dict[str, Any] = {"DateTime": types.DateTime}
    building = set()

    def rebuild_knowing(model: type[BaseModel], /, **options: Any) -> bool | None:
        annotations = (vars(base).get("__annotations__", {}).values() for base in model.__mro__)
        names = NAME.findall(" ".join(map(str, chain.from_iterable(annotations))))
        for name in {*names}.intersection(types.__all__).difference(stand_ins):
            stand_ins[name] = Annotated[Any, _Deferred(name)]
        building.add(model)
        try:
            done: bool | None = rebuild(model, **{"_types_namespace": stand_ins} | options)
        finally:
            building.discard(model)
        return done

    def get_schema(model: type[BaseModel], source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        if not model.__pydantic_complete__ and model not in building:
            model.model_rebuild()
        return handler(source)

    for base in (types.TelegramObject, TelegramMethod):
        base.model_rebuild = classmethod(rebuild_knowing)  # type: ignore[method-assign, assignment]
        base.__get_pydantic_core_schema__ = classmethod(get_schema)  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class _Deferred:
    """An annotation's part in place of one of aiogram's types, for pydantic: validates as that does."""

    name: str

    @cached_property
    def _validate(self) -> Callable[..., Any]:
        kind = getattr(sys.modules["aiogram.types"], self.name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_validate
        return pydantic.TypeAdapter(kind, config=pydantic.ConfigDict(arbitrary_types_allowed=True)).validate_python

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, info: ValidationInfo) -> Any:
            return self._validate(value, context=info.context)

        validate.__name__ = self.name  # in pydantic's messages
        return with_info_plain_validator_function(validate, serialization=simple_ser_schema("any"))
