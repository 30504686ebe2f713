"""The commands beside a training, and their options: to read these nobody has to wait for fastai."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.names import parse_name, parse_path
from training.arguments import Command, Parser
from training.options import add_breakdown, parse
from training.recipe import SEEDS, parse_number, write_options


def make_fetch_parser() -> Parser:
    parser = Parser("python -m training fetch", description="Bring mask photos.")
    parser.add_argument(
        "--out", type=parse_path, default=Path("data/masks"), help="folder for the photos (%(default)s)"
    )
    parser.add_argument("--api", default="https://api.github.com", help="GitHub's API or a mirror (%(default)s)")
    parser.add_argument("--raw", default="https://raw.githubusercontent.com", help="GitHub's files (%(default)s)")
    return parser


def make_collect_parser() -> Parser:
    parser = Parser("python -m training collect", description="Gather outsiders.")
    parser.add_argument("--out", type=parse_path, default=Path("data/outsiders"), metavar="DIR", help="(%(default)s)")
    return parser


def make_neutral_parser() -> Parser:
    parser = Parser(prog="python -m training neutral", description="Copy photos so that their size says nothing.")
    parser.add_argument("--data", type=parse_path, required=True, metavar="DIR", help="a folder of photos per class")
    parser.add_argument("--out", type=parse_name, required=True, metavar="DIR", help="a new folder for the copies")
    _add_class_folder(parser)
    seed = parse_number(int, least=0, below=SEEDS)
    parser.add_argument("--seed", type=seed, default=42, help="of the sizes drawn (%(default)s)")
    return parser


def make_report_parser() -> Parser:
    parser = Parser(prog="python -m training report", description="Make the report of a training again.")
    parser.add_argument("pickle", type=parse_path, metavar="artifacts/NAME.pkl", help="what `python -m training` wrote")
    parser.add_argument("--data", type=parse_path, metavar="DIR", help="the photos, if they are not where they were")
    parser.add_argument(
        "--left-out",
        type=parse_path,
        action="append",
        default=[],
        metavar="artifacts/OTHER-report",
        help="the report of a run with --leave-out, to lead with its figures; may be given several times",
    )
    add_breakdown(parser)
    return parser


def make_compare_parser() -> Parser:
    parser = Parser(prog="python -m training compare", description="Training runs side by side.")
    parser.add_argument(
        "reports", type=parse_path, nargs="+", metavar="artifacts/NAME-report", help="the first is the base"
    )
    parser.add_argument("--out", type=parse_path, metavar="FILE.md", help="write the table there as well")
    return parser


def make_across_parser() -> Parser:
    parser = Parser(
        prog="python -m training across",
        description="Train without each collection in turn, and measure on the one left out.",
        epilog="All other options are those of python -m training.",
    )
    parser.add_argument(
        "--data", type=parse_path, required=True, metavar="DIR", help="collections with the same classes"
    )
    parser.add_argument(
        "--out", type=parse_name, required=True, metavar="artifacts/NAME", help="NAME-report/ gets the figures"
    )
    _add_class_folder(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on where it was stopped: what is trained by the same recipe stays"
    )
    return parser


def _add_class_folder(parser: Parser) -> None:
    parser.add_argument(
        "--class-folder", choices=CLASS_FOLDERS, default="auto", help="as for python -m training (%(default)s)"
    )


def read_across(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of its own, and the others, which a training takes. Raises RecipeError, SystemExit as `parse`."""
    parser = make_across_parser()
    options, others = parser.parse_known_args(arguments)
    if any(other.partition("=")[0] == "--leave-out" for other in others):
        parser.error("each collection is left out in turn: take away --leave-out, or run python -m training with it")
    parse([*write_options({"data": options.data, "out": options.out}), *others], parser.prog)
    return options, others


COMMANDS = {
    "fetch": Command("training.data.fetch", make_fetch_parser),
    "collect": Command("training.data.collect", make_collect_parser),
    "neutral": Command("training.evaluation.size_shortcut", make_neutral_parser),
    "report": Command("training.report.command", make_report_parser),
    "compare": Command("training.report.compare", make_compare_parser),
    "across": Command("training.across", make_across_parser, read_across),
}
