"""How every command of training and export reads its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

from training.recipe import RecipeError


class Parser(argparse.ArgumentParser):
    """Takes no shortened options, and says what is wrong in one line: the list of all options buries it."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(prog, description=description, epilog=epilog, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see --help)\n")


@dataclass(frozen=True)
class Command:
    """One of those beside a training or an export: `python -m training NAME`, `python -m export NAME`."""

    module: str
    """Its `main(arguments)` is the command."""
    make_parser: Callable[[], Parser]
    read: Callable[[Sequence[str]], object] | None = None
    """How it reads its options, where its parser alone does not know them all."""

    def run(self, arguments: list[str]) -> int:
        """Its exit status. What is wrong with the options is told before it is imported: PyTorch takes seconds."""
        with suppress(RecipeError):  # the command tells it
            (self.read or self.make_parser().parse_args)(arguments)
        status: int = import_module(self.module).main(arguments)
        return status
