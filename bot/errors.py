"""The root of every error that Labelgram raises on purpose. Each package has one exception of its own below it."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

READ, SHOWN = 4000, 200
"""Characters of another's text that are looked at, and that a message shows."""
NOISE = (r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", r"^Load model from .*? failed: ?")
CPP_PLACE = r"\S{1,300}\.(?:cc|h):\d{1,6} "
"""Patterns of what onnxruntime writes before the reason, compiled when they are asked for: the start is not slower."""
OUR_PACKAGES = frozenset({"bot", "training", "export"})


class LabelgramError(Exception):
    """Something is wrong that a person can put right; the message says what, where and how."""


class MissingPackageError(LabelgramError):
    """A package is not installed; the message says which, and what installs it."""


def describe_os_error(error: OSError, place: object = "") -> str:
    """One line: the file that the system names, or else `place`, and why."""
    place = error.filename or place
    return f"{place}: {explain_os_error(error)}" if place else explain_os_error(error)


def describe_error(error: Exception) -> str:
    """Of a library's error, at most 200 characters that can be printed: a model's own names are part of it.

    What onnxruntime writes before the reason is left out: its number, the file, and the C++ function.
    """
    text = " ".join(str(error)[:READ].split()) or type(error).__name__
    for noise in NOISE:
        text = re.sub(noise, "", text)
    return "".join(character if character.isprintable() else "?" for character in _drop_function(text)[:SHOWN])


def _drop_function(text: str) -> str:
    """Without a C++ file and the head of a function after it, whose brackets may hold others."""
    place = re.search(CPP_PLACE, text)
    if not place:
        return text
    depth = 0
    for at in range(place.end(), len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0 and text[at] == ")":
            rest = text[at + 1 :].removeprefix(" const").lstrip()
            return text[: place.start()] + (rest.partition("]")[2].lstrip() if rest.startswith("[with ") else rest)
    return text


def explain_os_error(error: OSError) -> str:
    """Why. Where a folder was to be made and a file has its name, the system says no more than that it exists."""
    return "this is not a folder" if isinstance(error, FileExistsError) else str(error.strerror or error)


@contextmanager
def explain_missing_packages(requirements: str, needs: str = "") -> Iterator[None]:
    """Whatever the block imports comes from the file `requirements`. Raises MissingPackageError.

    `needs` is a package that has to be there before anything else is done; looking for it does not import it.
    """
    try:
        if needs:
            from importlib.util import find_spec  # the bot's start does without it

            if find_spec(needs) is None:
                raise ModuleNotFoundError(name=needs)
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OUR_PACKAGES:  # a module of ours that is not there is a fault of ours
            raise
        raise MissingPackageError(f"{package} is not installed. Run: pip install -r {requirements}") from error


def show_every_name() -> None:
    """A name that a screen or pipe cannot show comes out as escapes, and stops nothing. A log grows line by line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
