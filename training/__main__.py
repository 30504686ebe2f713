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
from training.options import parse
from training.recipe import RecipeError

COMMANDS = {
    "fetch": "training.data.fetch",
    "collect": "training.data.collect",
    "neutral": "training.evaluation.size_shortcut",
    "report": "training.report.command",
    "compare": "training.report.compare",
    "across": "training.across",
}
"""Name of a command -> the module whose `main(arguments)` it is. Without a name it is `training.command`."""


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
            if not name:  # what is wrong with them is told before fastai is there, which takes ten seconds
                with suppress(RecipeError):  # of several processes the first tells it
                    parse(arguments)
            module = import_module(COMMANDS.get(name, "training.command"))
            status: int = module.main(arguments[1:] if name else arguments)
            return status
    except MissingPackageError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that cannot be read, a disk that is full
        from bot.inference.names import show_path

        print(f"training: {show_path(describe_os_error(error))}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
