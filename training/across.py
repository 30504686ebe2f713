"""How good a recipe is on strangers' photos: a training without each collection, measured on the one left out.

    python -m training across --data DIR --out artifacts/NAME [options of python -m training]

Writes NAME-without-COLLECTION.pkl and its report for each. Their figures go into NAME-report/ too, where the report and
the card of NAME find them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from bot.inference.names import parse_name
from bot.inference.photo_files import show_path
from training import command
from training.data.loading import find_collections
from training.data.photos import DataError
from training.evaluation.left_out import LEFT_OUT_FOLDER, LeftOut, measure_left_out, read_runs
from training.runs import find_report


def main(arguments: list[str]) -> int:
    """Exit status: 0, 2 for photos of one collection only, else that of the training that failed."""
    options, others = _parser().parse_known_args(arguments)
    try:
        collections = find_collections(options.data, options.class_folder)
        if len(collections) < 2:
            raise DataError(
                f"{options.data} holds one collection. Two folders with the same classes in each are needed, "
                "such as web/cat, web/dog, phone/cat and phone/dog."
            )
    except DataError as error:
        print(f"across: {show_path(str(error))}", file=sys.stderr)
        return 2
    report = find_report(options.out.with_suffix(".pkl"))
    for number, collection in enumerate(collections, 1):
        print(f"training {number} of {len(collections)}, without {show_path(collection)}")
        out = options.out.with_name(f"{options.out.name}-without-{collection.replace('/', '-')}")
        training = ("--data", str(options.data), "--out", str(out), "--leave-out", collection)
        status = command.main([*training, "--class-folder", options.class_folder, *others])
        if status:
            return status
        shutil.copytree(
            find_report(out.with_suffix(".pkl")) / LEFT_OUT_FOLDER, report / LEFT_OUT_FOLDER, dirs_exist_ok=True
        )
    figures = measure_left_out(read_runs(report), {})
    if figures:
        print(describe(figures))
    print(f"wrote {report / LEFT_OUT_FOLDER}/")
    return 0


def describe(figures: LeftOut) -> str:
    """A line for each collection: photos, and how many of them the net that never saw any gets right."""
    lines = [f"{'left out':<20} {'photos':>7} {'right':>7}"]
    for name, collection in figures.collections.items():
        right = collection.scores.right
        lines.append(f"{show_path(name):<20} {right.photos:>7} {right.share:>7.1%}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training across",
        description="Train without each collection in turn, and measure on the one left out.",
        epilog="All other options are those of python -m training.",
        allow_abbrev=False,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="collections with the same classes")
    parser.add_argument(
        "--out", type=parse_name, required=True, metavar="artifacts/NAME", help="NAME-report/ gets the figures"
    )
    parser.add_argument("--class-folder", default="auto", help="as for python -m training (%(default)s)")
    return parser
