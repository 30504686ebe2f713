"""How good a recipe is on strangers' photos: a training without each collection, measured on the one left out.

    python -m training across --data DIR --out artifacts/NAME [options of python -m training]

Writes NAME-without-COLLECTION.pkl and its report for each. Their figures go into NAME-report/ too, where the report and
the card of NAME find them. With --resume a command that was stopped goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from bot.errors import describe_os_error
from bot.inference.names import show_path
from training import command
from training.commands import read_across
from training.data.checks import check_places
from training.data.loading import find_collections, load_photos
from training.data.photos import DataError
from training.data.split import read_split
from training.evaluation.left_out.figures import LeftOut, measure_left_out
from training.evaluation.left_out.runs import LEFT_OUT_FOLDER, find_run, name_file, read_runs
from training.fitting.one_cycle.checkpoint import find_checkpoints
from training.options import parse, read_recipe
from training.recipe import RecipeError, read_fields, write_options
from training.report.command import adopt_left_out
from training.runs import SPLIT_FILE, find_report, read_facts


def main(arguments: list[str]) -> int:
    """Exit status: 0, 2 for wrong usage or photos, 130 after Ctrl-C, else that of the training that failed."""
    try:
        options, others = read_across(arguments)
    except RecipeError as error:
        print(f"across: {show_path(str(error))}", file=sys.stderr)
        return 2
    report = _find_report(options.out)
    try:
        check_places(options.out, options.data)
        collections = _find_collections(options.data, options.class_folder)
        labels = sorted(set().union(*collections.values()))
        _check_runs(report, collections, labels, options.data)
        for number, collection in enumerate(collections, 1):
            print(f"training {number} of {len(collections)}, without {show_path(collection)}")
            out = options.out.with_name(f"{options.out.name}-without-{name_file(collection)}")
            own = {"data": options.data, "out": out, "class_folder": options.class_folder}
            training = [*write_options(own), *others, *write_options({"leave_out": collection})]
            if options.resume and is_done(report, collection, training):
                print("it was trained before by this recipe on these photos: its figures stay")
                continue
            own_report = _find_report(out)
            resume = ["--resume"] if options.resume and find_checkpoints(own_report) else []
            status = command.main([*training, *resume])
            if status == command.STOPPED or (not status and read_facts(own_report).interrupted):
                raise KeyboardInterrupt
            if status:
                return status
            adopt_left_out([own_report], report, labels)
        figures = measure_left_out(read_runs(report), {})
    except (DataError, RecipeError) as error:
        print(f"across: {show_path(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:  # a disk that is full
        print(f"across: {show_path(describe_os_error(error, report))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("across: stopped. The same command with --resume goes on.", file=sys.stderr)
        return command.STOPPED
    if figures:
        print(describe(figures))
    print(f"wrote {show_path(report / LEFT_OUT_FOLDER)}/")
    return 0


def _find_collections(data: Path, class_folder: str) -> dict[str, set[str]]:
    """The labels in each collection. Raises DataError where one cannot be left out, before any training."""
    collections = find_collections(data, class_folder)
    if len(collections) < 2:
        raise DataError(
            f"{data} holds one collection. Two folders with the same classes in each are needed, "
            "such as web/cat, web/dog, phone/cat and phone/dog."
        )
    if "" in collections:
        raise DataError(
            f"{', '.join(sorted(collections['']))} lie in {data}, beside collections. "
            "Move these class folders into a folder of their own, which then is a collection too."
        )
    for name, labels in collections.items():
        others = set().union(*(other for another, other in collections.items() if another != name))
        if labels - others:
            raise DataError(
                f"{name} alone holds photos of {', '.join(sorted(labels - others))}. Without it they "
                "cannot be learned. Add some to another collection, or take them out."
            )
    return collections


def _check_runs(report: Path, collections: Mapping[str, Set[str]], labels: Sequence[str], data: Path) -> None:
    """Raises DataError for figures of other classes, or of a collection that is gone: they would count too."""
    for run in read_runs(report, labels):
        if run.collection not in collections and not all((data / photo.path).is_file() for photo in run.photos):
            raise DataError(
                f"{find_run(report, run.collection)} has figures of {run.collection}, which is not in {data} any more. "
                "Remove that file."
            )


def is_done(report: Path, collection: str, training: list[str]) -> bool:
    """Whether a report has figures of the collection by the same recipe, and both sides are of the same photos."""
    options = parse(training)
    recipe = read_recipe(options)
    runs = [run for run in read_runs(report) if run.collection == collection and read_fields(run.recipe) == recipe]
    if not runs:
        return False
    photos = load_photos(options.data, recipe.split_seed, options.relabel, collection, options.class_folder).photos
    paths = [photo.path.relative_to(options.data).as_posix() for photo in photos]
    held_out = {path: photo.label for path, photo in zip(paths, photos, strict=True) if photo.held_out}
    if all({photo.path: photo.label for photo in run.photos} != held_out for run in runs):
        return False
    split = _find_report(options.out) / SPLIT_FILE
    return not split.is_file() or list(photos) == read_split(options.data, split)


def _find_report(out: Path) -> Path:
    return find_report(out.with_name(f"{out.name}.pkl"))


def describe(figures: LeftOut) -> str:
    """A line for each collection: photos, and how many of them the net that never saw any gets right."""
    lines = [f"{'left out':<20} {'photos':>7} {'right':>7}"]
    for name, collection in figures.collections.items():
        right = collection.scores.right
        lines.append(f"{show_path(name):<20} {right.photos:>7} {right.share:>7.1%}")
    return "\n".join(lines)
