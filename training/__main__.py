"""From a folder of labelled photos to a trained net, and the tools around it.

python -m training --data DIR --out artifacts/NAME      train: artifacts/NAME.pkl and artifacts/NAME-report/
python -m training fetch                                bring the tutorial's photos
python -m training collect                              gather pictures of something else
python -m training neutral --data DIR --out DIR         copy photos so that their size says nothing
python -m training report artifacts/NAME.pkl            make a report again
python -m training compare artifacts/*-report           runs side by side
python -m training across --data DIR --out artifacts/NAME   train without each collection in turn
"""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from importlib import import_module

from bot.errors import MissingPackageError, describe_os_error, explain_missing_packages, show_every_name
from training.commands import COMMANDS
from training.options import parse
from training.recipe import RecipeError


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, 1 if something did not come or fit, 2 for wrong usage or photos, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if name and name not in COMMANDS:
        print(f"training: there is no command {name!r}. There are {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    show_every_name()
    warnings.filterwarnings("ignore", module="PIL")  # what it says of damaged EXIF names no file
    try:
        with explain_missing_packages("requirements-train.txt", needs="fastai"):
            if name:
                return COMMANDS[name].run(arguments[1:])
            with suppress(RecipeError):  # of several processes the first tells it
                parse(arguments)  # what is wrong with them is told before fastai is there, which takes ten seconds
            status: int = import_module("training.command").main(arguments)
            return status
    except MissingPackageError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that cannot be read, a disk that is full
        from bot.inference.names import show_path

        print(f"training: {show_path(describe_os_error(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while fastai is imported; a command that has begun says itself what stays
        print("training: stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
