"""Turn a trained learner into one ONNX file that the bot runs, and measure such a file again.

    python -m export artifacts/NAME.pkl --out artifacts/NAME.onnx [--int8]
    python -m export verify artifacts/NAME.onnx --data DIR
    python -m export remeasure artifacts/NAME.onnx --data DIR
    python -m export photo-sizes artifacts/NAME.onnx DIR

The file is checked against the learner, photo by photo, before it is written; if they differ nothing is written. Beside
it goes its card, NAME.md, made from what the file itself scored.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bot.errors import (
    LabelgramError,
    MissingPackageError,
    describe_os_error,
    explain_missing_packages,
    show_every_name,
)
from bot.inference.names import parse_name, parse_path, show_path
from export.commands import COMMANDS
from training.arguments import Parser

if TYPE_CHECKING:
    from export.metadata import FileMetrics
    from export.pipeline import Order


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 the file is written, 1 it could not be made, 2 wrong usage; of the other commands their own."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments and arguments[0] in COMMANDS else "export"
    show_every_name()
    try:
        with explain_missing_packages("requirements-train.txt", needs="fastai"):
            if name in COMMANDS:
                return COMMANDS[name].run(arguments[1:])
            return _export(arguments)
    except MissingPackageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that cannot be read
        print(f"{name}: {show_path(describe_os_error(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while fastai is imported; a command that has begun says itself what stays
        print(f"{name}: stopped.", file=sys.stderr)
        return 130


def _export(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    from export import pipeline  # after it: fastai takes ten seconds

    try:
        metrics = pipeline.export(_read_order(options))
    except LabelgramError as error:
        print(f"export: {show_path(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:  # a folder that cannot be made, a disk that is full
        print(f"export: {show_path(describe_os_error(error, options.out))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"export: stopped{show_path(str(stop) or ', nothing is written')}.", file=sys.stderr)
        return 130
    _describe(metrics, options.out)
    return 0


def _read_order(options: argparse.Namespace) -> Order:
    from export.card import read_about
    from export.pipeline import Order

    return Order(
        pickle=options.pickle,
        out=options.out,
        int8=options.int8,
        data=options.data,
        photos=options.photos,
        about=read_about(options.about) if options.about else "",
        weights=options.weights_source,
    )


def _parse_out(text: str) -> Path:
    """For argparse. NAME.json and NAME.md go beside it: with another ending it could be one of them, or the learner."""
    path = parse_name(text)
    if path.suffix != ".onnx" or path.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a file that ends in .onnx, such as artifacts/pets.onnx"
        )
    return path


def _describe(metrics: FileMetrics, out: Path) -> None:
    from training.evaluation.evaluate import FOLDS

    evaluation = metrics.evaluation
    judged = "photos, each by a net that has not seen it" if evaluation.judged_by == FOLDS else evaluation.judged_by
    scores, neutral = evaluation.scores, evaluation.neutral
    if metrics.left_out:
        worst = metrics.left_out.worst
        right = metrics.left_out.collections[worst].scores.right
        photos = f"{right.photos} photos of {show_path(worst)}"
        print(f"accuracy {right.share:.2%} on the {photos}, by a net trained without them")
    print(
        f"accuracy {scores.right.share:.2%} on {scores.right.photos} {judged}, "
        f"{scores.unsure.share:.2%} of them unsure\n"
        f"accuracy {neutral.right.share:.2%} on neutral copies of them (`python -m training neutral`)\n"
        f"expected calibration error {evaluation.calibration.error:.2%}"
    )
    if evaluation.rejection:
        pictures = evaluation.rejection.pictures
        print(f"{pictures.share:.1%} of {pictures.photos} pictures of kinds it was not trained on get no label")
    size, text = f"{out.stat().st_size / 1e6:.1f} MB", out.with_suffix(".md")
    print(f"wrote {show_path(out)}, {size}, and its card {show_path(text)}")


def _parser() -> Parser:
    parser = Parser(
        prog="python -m export",
        description="Turn a trained learner into one ONNX file, with a card.",
        epilog="Other commands, each with --help: verify (are a file's claims true?), remeasure (write its claims "
        "and card again), photo-sizes (what small downloads lose).",
    )
    parser.add_argument("pickle", type=parse_path, metavar="artifacts/NAME.pkl", help="what `python -m training` wrote")
    parser.add_argument(
        "--out", type=_parse_out, required=True, metavar="artifacts/NAME.onnx", help="the file to write"
    )
    parser.add_argument(
        "--int8", action="store_true", help="quantise: a quarter of the size, about three times as fast"
    )
    parser.add_argument(
        "--data", type=parse_path, metavar="DIR", help="the training photos, if they are not where they were"
    )
    parser.add_argument("--photos", type=parse_path, metavar="DIR", help="more photos to check on")
    parser.add_argument(
        "--about", type=parse_path, metavar="FILE", help="Markdown for the card: the photos' origin and licence"
    )
    parser.add_argument(
        "--weights-source",
        default="",
        metavar="TEXT",
        help="for the card: source and licence of the weights that the training started from, if they are a file's",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
