"""The command line of the benchmark. Light to import: every command of the bot builds it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bot.inference.names import is_folder, parse_path
from bot.settings.values import MAX_THREADS

MOST, SHOWN = 1_000_000, 40
"""The largest number that an option takes, and characters of a wrong one that a message shows."""
BASELINES = ("fastai", "torch", "openvino")
"""What `export.baseline_engines` knows to run."""


def add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--model", type=parse_path, action="append", metavar="M", help="any ONNX image classifier, repeatable"
    )
    what.add_argument(
        "--images", type=parse_path, metavar="DIR", help="photos (default: drawn); in class folders: accuracy"
    )
    what.add_argument("--threads", type=_threads, metavar="1,2", help="threads a photo (default: 1 and the bot's)")
    what.add_argument("--batch", type=_counts, default=(1,), metavar="1,8", help="photos run together (default: 1)")
    what.add_argument("--size", type=_at_least(1), default=224, help="side of inputs whose graph leaves it open")
    what.add_argument("--provider", default="CPUExecutionProvider", help="of onnxruntime (default: %(default)s)")
    what.add_argument("--against", type=_baselines, default=(), metavar=",".join(BASELINES), help="engines of training")
    what.add_argument(
        "--learner", type=parse_path, metavar="NAME.pkl", help="what fastai and torch run; load only your own"
    )
    how = parser.add_argument_group("how long")
    how.add_argument("--rounds", type=_at_least(2), default=6, help="starts of each row's process (default: 6)")
    how.add_argument("--photos", type=_at_least(1), default=25, help="photos timed in a round (default: 25)")
    how.add_argument("--seconds", type=_seconds, help="time photos for so long in a round, instead of --photos")
    how.add_argument("--warmup", type=_at_least(0), default=3, help="photos before, not timed (default: 3)")
    out = parser.add_argument_group("where results go")
    out.add_argument("--json", type=_file, metavar="FILE", help="write all numbers")
    out.add_argument("--csv", type=_file, metavar="FILE", help="write a table")
    out.add_argument("--markdown", type=_file, metavar="FILE", help="write a table for a README")
    out.add_argument("--html", type=_file, metavar="FILE", help="write a page with plots")
    out.add_argument(
        "--compare", type=parse_path, metavar="OLD.json", help="ratios to an earlier run; exits 1 if slower"
    )


def _counts(text: str) -> tuple[int, ...]:
    counts = [_read_number(part) for part in text.split(",")]
    if not all(count and count <= MOST for count in counts):
        raise argparse.ArgumentTypeError(f"{text[:SHOWN]!r} is not a list of whole numbers from 1 to {MOST}, as in 1,2")
    return tuple(dict.fromkeys(count for count in counts if count))


def _read_number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= SHOWN else None


def _threads(text: str) -> tuple[int, ...]:
    counts = _counts(text)
    if max(counts) > MAX_THREADS:
        raise argparse.ArgumentTypeError(f"{text!r} has more than {MAX_THREADS} threads")
    return counts


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = _read_number(text)
        if number is None or not least <= number <= MOST:
            raise argparse.ArgumentTypeError(f"{text[:SHOWN]!r} is not a whole number from {least} to {MOST}")
        return number

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, at most 3600")
    return seconds


def _file(text: str) -> Path:
    file = parse_path(text)
    if is_folder(file) or not is_folder(file.parent):  # said before a minute of measuring, not after
        raise argparse.ArgumentTypeError(f"{text} is not a file in a folder that is there")
    return file


def _baselines(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if not set(names) <= set(BASELINES):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(BASELINES)}")
    return names
