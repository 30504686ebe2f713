"""The bot's commands.

python -m bot                                            answer on Telegram (BOT_TOKEN)
python -m bot preview [--port 8080] [--open]             the same bot in a page of the browser, no token
python -m bot classify [--json] [--model M] PATH...      name photos and folders; - is standard input
python -m bot doctor                                     is all there that the bot needs? what to do, if not
python -m bot benchmark [--model M]... [--images DIR]    times, memory and accuracy of models, offline
python -m bot new artifacts/NAME [--data DIR]            texts and settings for a bot of your own
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from bot.commands.env_file import read_environment
from bot.commands.options import parse
from bot.errors import LabelgramError, describe_os_error, explain_missing_packages, show_every_name
from bot.inference.names import show_path
from bot.redaction import hide_secrets

if TYPE_CHECKING:
    from bot.settings.settings import Settings

COMMANDS = {
    None: "bot.commands.telegram:answer_on_telegram",
    "preview": "bot.commands.preview:preview",
    "classify": "bot.commands.classify.command:run",
    "doctor": "bot.commands.doctor.command:run",
    "benchmark": "bot.benchmark.command:benchmark",
    "new": "bot.commands.new:run",
}
"""Each is imported when it is run: aiogram and onnxruntime take most of a second."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 2 for wrong usage, settings, texts or model; otherwise the command's own."""
    _replace_closed_streams()
    show_every_name()
    options = parse(arguments)

    from bot.settings.settings import Settings  # help and version need none

    try:
        with explain_missing_packages("requirements-bot.txt"):
            return _run(options, Settings.from_environment(read_environment()))
    except LabelgramError as error:
        _report(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has ended, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # what no command expects, as a disk that is full
        _report(describe_os_error(error))
        return 1


def _replace_closed_streams() -> None:
    """Python has None for a stream that was closed before it started, as by `>&-`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115


def _report(text: str) -> None:
    print(f"bot: {show_path(hide_secrets(text))}", file=sys.stderr)


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if options.command:  # so that what it has begun is put away; the bot on Telegram has a way of its own
        signal.signal(signal.SIGTERM, _end)
    module, _, function = COMMANDS[options.command].partition(":")
    status: int = getattr(importlib.import_module(module), function)(options, settings)
    return status


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
