"""The root of every error that Labelgram raises on purpose. Each package has one exception of its own below it."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = (
    re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : "),
    re.compile(r"^Load model from .*? failed: ?"),
    re.compile(r"\S*onnxruntime_src\S*:\d+ [^()]*\((?:[^()]|\([^()]*\))*\)(?: const)?(?: \[with [^]]*\])? ?"),
)
"""What onnxruntime writes before the reason."""
OUR_PACKAGES = frozenset({"bot", "training", "export"})


class LabelgramError(Exception):
    """Something is wrong that a person can put right; the message says what, where and how."""


class MissingPackageError(LabelgramError):
    """A package is not installed; the message says which, and what installs it."""


def describe_os_error(error: OSError, place: object = "") -> str:
    """One line: the file that the system names, or else `place`, and why."""
    place = error.filename or place
    return f"{place}: {explain_os_error(error)}" if place else explain_os_error(error)


def first_line(error: Exception) -> str:
    """Of an error's text, at most 200 characters that can be printed: a model's own names are part of it.

    onnxruntime begins with its number of the error, the file, and the C++ function with all its types: that is left
    out, since the reason stands after it.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    for noise in NOISE:
        text = noise.sub("", text)
    return "".join(character if character.isprintable() else "?" for character in text[:200])


def explain_os_error(error: OSError) -> str:
    """Why. Where a folder was to be made and a file has its name, the system says no more than that it exists."""
    return "this is not a folder" if isinstance(error, FileExistsError) else str(error.strerror or error)


@contextmanager
def explain_missing_packages(requirements: str, needs: str = "") -> Iterator[None]:
    """Whatever the block imports comes from the file `requirements`. Raises MissingPackageError.

    `needs` is a package that has to be there before anything else is done; looking for it does not import it.
    """
    try:
        if needs and importlib.util.find_spec(needs) is None:
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
