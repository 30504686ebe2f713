"""One seed, from beginning to end."""

from __future__ import annotations

import gc
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiogram.types import Update
from aiohttp import web_app

from bot.texts.replies import Replies
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Plan, draw_plan
from tests.simulation.process import SimulatedClassifier
from tests.simulation.server.telegram import TOKEN
from tests.simulation.world import World
from tests.support.models import write_color_model

MEMORY = Path("/dev/shm")
"""Where files are fast, on Linux."""


@dataclass(frozen=True)
class Result:
    seed: int
    digest: str
    faults: tuple[str, ...]
    plan: str
    lines: tuple[str, ...]
    """What happened, with the time in seconds before each."""


class SimulatedReplies(Replies):
    @property
    def languages(self) -> list[str]:
        return ["en", "de"]  # the profile is filled in each: two tell as much as twenty


def run_seed(seed: int, log: bool = False) -> Result:
    return run_plan(draw_plan(seed), log)


def run_plan(plan: Plan, log: bool = False) -> Result:
    folder = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=folder, prefix="labelgram-") as name, _orderly() as loops:
        world = World(plan, Path(name), _load_classifier(), _load_replies())
        with _listening(world, log):
            world.run()
        loops.extend(world.loops)
        result = Result(plan.seed, world.trace.digest, tuple(world.watch.faults), str(plan), tuple(world.trace.lines))
        del world
    return result


@cache
def _load_classifier() -> SimulatedClassifier:
    with tempfile.TemporaryDirectory() as folder:
        return SimulatedClassifier(write_color_model(Path(folder) / "colors.onnx"), 1)


@cache
def _load_replies() -> SimulatedReplies:
    return SimulatedReplies()


@contextmanager
def _orderly() -> Iterator[list[VirtualLoop]]:
    """No garbage is collected at a moment of its own; what dead processes leave is thrown away in silence."""
    hook = sys.unraisablehook
    gc.disable()
    gc.freeze()  # what is there already is not looked through after the run
    loops: list[VirtualLoop] = []
    try:
        yield loops
    finally:
        sys.unraisablehook = lambda unraisable: None
        logging.disable()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for loop in loops:
                loop.bury()
            loops.clear()
            _forget_processes()
            gc.collect()
            gc.collect()  # what the finalizers have made
        logging.disable(logging.NOTSET)
        sys.unraisablehook = hook
        gc.unfreeze()
        gc.enable()


def _forget_processes() -> None:
    """Clear the libraries' caches that would keep dead processes."""
    Update.event_type.fget.cache_clear()  # type: ignore[attr-defined]
    web_app._cached_build_middleware.cache_clear()  # noqa: SLF001


@contextmanager
def _listening(world: World, log: bool) -> Iterator[None]:
    """The log goes into the trace, if it is wanted; in any case it is looked at."""
    handler = _Handler(world, log)
    root = logging.getLogger()
    levels = root.level, list(root.handlers)
    root.handlers = [handler]
    root.setLevel(logging.INFO if log else logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(levels[0])
        root.handlers = levels[1]


class _Handler(logging.Handler):
    def __init__(self, world: World, log: bool) -> None:
        super().__init__()
        self._world = world
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if TOKEN.partition(":")[2] in text:
            self._world.watch.complain(f"the token is in the log: {record.msg}")
        if record.exc_info and "that no net has seen" not in text:
            self._world.watch.complain(f"a traceback: {text.splitlines()[-1]}")
        if self._log:
            print(f"{'':10} | {record.name} {text}", file=sys.stderr)
