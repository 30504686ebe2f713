"""The bot's commands.

python -m bot                                            answer on Telegram (BOT_TOKEN)
python -m bot preview [--port 8080] [--open]             the same bot in a page of the browser, no token
python -m bot classify [--json] [--model M] PATH...      name photos and folders; - is standard input
python -m bot doctor                                     is all there that the bot needs? what to do, if not
python -m bot benchmark [--model M]... [--images DIR]    times, memory and accuracy of models, offline
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bot.benchmark.options import add_options
from bot.inference.contract import ModelError
from bot.monitoring.logs import set_up_logging
from bot.settings import Settings, SettingsError
from bot.startup.cgroups import limit_heaps

if TYPE_CHECKING:
    from bot.inference.classifier import Classifier

# aiogram and onnxruntime take most of a second to import, so what needs them does, inside its function.


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        return _COMMANDS[options.command](options, settings)
    except (SettingsError, ModelError) as error:
        print(f"bot: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # what reads our output has ended, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace, settings: Settings) -> int:
    if settings.token is None:
        raise SettingsError(
            "BOT_TOKEN is not set. Get a token from @BotFather on Telegram (/newbot); "
            "without one, `make run` opens the preview in a browser."
        )
    set_up_logging(settings.log_level, settings.log_format, secret=settings.token)
    classifier = _get_ready(settings)

    from bot.app import answer
    from bot.texts.replies import Replies

    asyncio.run(answer(settings, classifier, Replies(settings.replies_dir)))
    return 0


def _preview(options: argparse.Namespace, settings: Settings) -> int:
    set_up_logging(settings.log_level, settings.log_format, secret=settings.token)
    classifier = _get_ready(settings)

    from bot.monitoring.metrics import Metrics
    from bot.preview import serve
    from bot.storage.key_values import MemoryNotes
    from bot.telegram.dispatcher import build_dispatcher
    from bot.texts.replies import Replies

    dispatcher = build_dispatcher(classifier, Replies(settings.replies_dir), Metrics(), MemoryNotes(), settings)
    asyncio.run(serve(dispatcher, settings.model.with_suffix(".md"), options.port, open_browser=options.open))
    return 0


def _classify(options: argparse.Namespace, settings: Settings) -> int:
    from bot.commands.classify import classify
    from bot.inference.classifier import Classifier

    classifier = Classifier(options.model or settings.model, settings.threads)
    return classify(options.paths, classifier, options.json)


def _benchmark(options: argparse.Namespace, settings: Settings) -> int:
    from bot.benchmark.command import benchmark

    return benchmark(options, settings)


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from bot.startup.lazy_aiogram import import_aiogram

    import_aiogram(settings.aiogram_import)

    from bot.commands.doctor import examine

    return 0 if asyncio.run(examine(settings)) else 1


def _get_ready(settings: Settings) -> Classifier:
    """Import aiogram, and load the model meanwhile, some of which is no work of Python's. Raises ModelError."""
    gc.disable()  # a tenth of the time; nearly all that is made here is kept, and need not be looked through
    limit_heaps()

    from bot.startup.lazy_aiogram import import_aiogram

    def load() -> Classifier:
        from bot.inference.classifier import Classifier

        return Classifier(settings.model, settings.threads)

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        import_aiogram(settings.aiogram_import)
        classifier = loading.result()
    gc.freeze()
    gc.enable()
    return classifier


_COMMANDS = {None: _run, "preview": _preview, "classify": _classify, "doctor": _doctor, "benchmark": _benchmark}


def _parser() -> argparse.ArgumentParser:
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
