"""The options of `python -m bot`. Nothing slow is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.benchmark.options import add_options


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """`command` is None for the bot on Telegram. Prints help or what is wrong, and exits, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m bot", description="Without a command: the bot on Telegram, set up by the environment."
    )
    commands = parser.add_subparsers(dest="command")
    preview = commands.add_parser("preview", help="the bot in a page of the browser, without a token")
    preview.add_argument("--port", type=int, default=8080, help="of 127.0.0.1 (%(default)s)")
    preview.add_argument("--open", action="store_true", help="open the page in the browser")
    classify = commands.add_parser("classify", help="name photos on the command line")
    classify.add_argument("--json", action="store_true", help="one JSON object a line and photo")
    classify.add_argument("--model", type=Path, help="the ONNX file (MODEL_PATH)")
    classify.add_argument("paths", nargs="+", metavar="PATH", help="a photo, a folder, or - for standard input")
    commands.add_parser("doctor", help="what is missing, and what to do")
    add_options(commands.add_parser("benchmark", help="times, memory and accuracy of models, offline"))
    new = commands.add_parser("new", help="texts and settings for a bot of your own")
    new.add_argument("name", type=Path, metavar="artifacts/NAME", help="the model is, or will be, NAME.onnx")
    new.add_argument("--data", type=Path, metavar="DIR", help="a folder of photos per class")
    return parser.parse_args(arguments)
