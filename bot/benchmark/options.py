"""The command line of the benchmark. Light to import: every command of the bot builds it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

RIVALS = ("fastai", "torch", "openvino")
"""What `export.baseline_engines` knows to run."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=Path, action="append", metavar="M", help="an ONNX file (MODEL_PATH); may be given several times"
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="photos; in folders named like the labels: accuracy too (drawn ones)"
    )
    parser.add_argument(
        "--threads", type=_counts, metavar="1,2", help="threads for one photo's inference (1 and what the bot takes)"
    )
    parser.add_argument(
        "--rounds", type=_at_least(2), default=6, help="times that each contender is started and measured (%(default)s)"
    )
    parser.add_argument(
        "--photos", type=_at_least(1), default=25, help="photos timed in a round, of each kind (%(default)s)"
    )
    parser.add_argument("--json", type=_file, metavar="FILE", help="write all numbers")
    parser.add_argument("--html", type=_file, metavar="FILE", help="write a page with plots")
    parser.add_argument(
        "--against", type=_rivals, default=(), metavar=",".join(RIVALS), help="the training environment's engines too"
    )
    parser.add_argument(
        "--learner", type=Path, metavar="artifacts/NAME.pkl", help="what fastai and torch run; load only your own"
    )


def _counts(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers from 1 on, as in 1,2")
    return tuple(dict.fromkeys(map(int, parts)))


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def _file(text: str) -> Path:
    file = Path(text)
    if file.is_dir() or not file.parent.is_dir():  # said before a minute of measuring, not after
        raise argparse.ArgumentTypeError(f"{text} is not a file in a folder that is there")
    return file


def _rivals(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if not set(names) <= set(RIVALS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(RIVALS)}")
    return names
