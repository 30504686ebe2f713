"""The options of `python -m bot`. Nothing slow is imported here."""

from __future__ import annotations

import argparse
from typing import Any

from bot import __version__
from bot.benchmark.options import add_options
from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.names import parse_name, parse_path
from bot.settings.values import COUNT, MAX_PORT


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """`command` is None for the bot on Telegram. Prints help or what is wrong, and exits, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="Without a command: the bot on Telegram, set up by the environment.",
        epilog="Example: python -m bot preview --open",
    )
    parser.add_argument("--version", action="version", version=f"labelgram {__version__}")
    commands = parser.add_subparsers(dest="command")
    preview = _add(
        commands, "preview", "the bot in a page of the browser, without a token", "preview --port 8081 --open"
    )
    preview.add_argument("--port", type=_port, default=8080, help="of 127.0.0.1 (%(default)s)")
    preview.add_argument("--open", action="store_true", help="open the page in the browser")
    _add_classify(commands)
    _add(commands, "doctor", "what is missing, and what to do", "doctor")
    about = "times, memory and accuracy of models, offline"
    add_options(_add(commands, "benchmark", about, "benchmark --model a.onnx --model b.onnx --threads 1,2"))
    new = _add(commands, "new", "texts and settings for a bot of your own", "new artifacts/pets --data pets")
    new.add_argument("name", type=parse_name, metavar="artifacts/NAME", help="the model is, or will be, NAME.onnx")
    new.add_argument("--data", type=parse_path, metavar="DIR", help="a folder of photos per class")
    new.add_argument(
        "--class-folder",
        choices=CLASS_FOLDERS,
        default=CLASS_FOLDERS[0],
        help="as for python -m training (%(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.command == "classify" and not options.paths and not options.watch:
        commands.choices["classify"].error("name a photo, a folder, or - for standard input")
    return options


def _add_classify(commands: Any) -> None:
    example = "classify --top 3 photo.jpg holiday/"
    classify = _add(commands, "classify", "name photos on the command line", example)
    classify.add_argument("--model", type=parse_path, help="the ONNX file (MODEL_PATH)")
    forms = classify.add_mutually_exclusive_group()
    form: dict[str, Any] = {"dest": "format", "action": "store_const", "default": "text"}
    forms.add_argument("--json", const="json", help="one JSON object a line and photo", **form)
    forms.add_argument("--csv", const="csv", help="a table, a row per photo", **form)
    classify.add_argument("--top", type=_positive, default=1, metavar="N", help="name the N likeliest classes")
    classify.add_argument(
        "--sort-into", type=parse_path, metavar="DIR", help="copy each photo into a folder of its label"
    )
    classify.add_argument(
        "--watch", type=parse_path, metavar="DIR", help="go on with photos that arrive here, until Ctrl-C"
    )
    classify.add_argument(
        "paths", nargs="*", type=_parse_source, metavar="PATH", help="a photo, a folder, or - for standard input"
    )


def _add(commands: Any, name: str, about: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about.capitalize(), epilog=f"Example: python -m bot {example}"
    )
    return parser


def _parse_source(text: str) -> str:
    parse_path(text)
    return text


def _port(text: str) -> int:
    """0 is any free one."""
    if not COUNT.fullmatch(text) or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it takes a whole number up to {MAX_PORT}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)
