"""The commands beside an export, and their options: to read these nobody has to wait for PyTorch."""

from __future__ import annotations

import argparse

from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.names import parse_path
from training.arguments import Command, Parser


def make_verify_parser() -> Parser:
    parser = Parser(prog="python -m export verify", description="Measure a model file's claims again.")
    parser.add_argument("model", type=parse_path, metavar="artifacts/NAME.onnx")
    parser.add_argument("--data", type=parse_path, required=True, metavar="DIR", help="a folder of photos per class")
    _add_labels(parser)
    parser.add_argument("--outsiders", metavar="DIR", help="outsiders as in training, if they came from a folder")
    return parser


def make_remeasure_parser() -> Parser:
    parser = Parser(prog="python -m export remeasure", description="Write a file's claims and card again.")
    parser.add_argument("model", type=parse_path, metavar="artifacts/NAME.onnx")
    parser.add_argument("--data", type=parse_path, required=True, metavar="DIR", help="the photos of its training run")
    _add_labels(parser)
    parser.add_argument(
        "--report", type=parse_path, metavar="DIR", help="NAME-report/, for figures of left-out collections"
    )
    parser.add_argument("--about", type=parse_path, metavar="FILE", help="Markdown: the photos' origin and licence")
    return parser


def make_photo_sizes_parser() -> Parser:
    parser = Parser(
        prog="python -m export photo-sizes",
        description="What the bot loses by fetching a small variant of a photo instead of Telegram's largest.",
    )
    parser.add_argument("model", type=parse_path, metavar="artifacts/NAME.onnx")
    parser.add_argument("photos", type=parse_path, metavar="DIR")
    return parser


def _add_labels(parser: argparse.ArgumentParser) -> None:
    """The options of a training that say what its photos show, for `labelled.find_known`."""
    parser.add_argument("--relabel", type=parse_path, metavar="FILE.csv", help="the corrected labels of the training")
    parser.add_argument(
        "--class-folder", choices=CLASS_FOLDERS, default=CLASS_FOLDERS[0], help="as for the training (%(default)s)"
    )


COMMANDS = {
    "verify": Command("export.verification.verify", make_verify_parser),
    "remeasure": Command("export.verification.remeasure", make_remeasure_parser),
    "photo-sizes": Command("export.photo_sizes", make_photo_sizes_parser),
}
