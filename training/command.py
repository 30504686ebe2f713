"""`python -m training`: train a classifier on folders of photos.

    python -m training --data DIR --out artifacts/NAME

DIR holds one folder of photos per class. Writes `artifacts/NAME.pkl`, for `python -m export`, and the folder
`artifacts/NAME-report/` with figures and pictures. On several GPUs, each with its share of every epoch:

    accelerate launch --multi_gpu --num_processes 2 -m training --data DIR --out artifacts/NAME
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
from fastai.torch_core import num_distrib, rank_distrib
from numpy.typing import NDArray

from bot.errors import describe_os_error
from bot.inference.names import show_path
from training.data.checks import check_places
from training.data.loading import check_folder, load_photos
from training.data.outsiders import check_source
from training.data.photos import DataError, PhotoSet
from training.data.split import SKIPPED_FILE, assign_folds, write_skipped, write_split
from training.draft import keep_others_out, write_draft
from training.evaluation.left_out.runs import read_runs
from training.evaluation.subgroups import read_columns
from training.fitting.architectures import WeightsError
from training.fitting.distributed import alone
from training.fitting.learner import check_net, is_memory_full, train
from training.fitting.one_cycle.callbacks import DivergedError, StopAtOnce
from training.fitting.one_cycle.checkpoint import ResumeError, delete_checkpoints, find_checkpoints
from training.fitting.steps import Trained
from training.options import parse, read_recipe
from training.recipe import Recipe, RecipeError
from training.report.command import read_breakdown
from training.report.write import Written, describe_run, write_page, write_report
from training.runs import METRICS_FILE, SPLIT_FILE, RunFacts, find_report, write_learner
from training.whole_files import check_files, hold_interrupt

STOPPED = 130
"""Exit status after Ctrl-C, where there is no net to write."""
FOLDED = 600
"""Photos up to which every one is trained on in the end, and judged by the net of a fold that it was left out of."""
SHOWN_SKIPPED = 20
"""Skipped photos that are named on the screen."""


def main(arguments: list[str]) -> int:
    """The exit status. Of several processes only the first says anything."""
    with contextlib.ExitStack() as stack:
        if rank_distrib():
            silence = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(silence))
        try:
            return _run(parse(arguments))
        except (DataError, RecipeError, WeightsError, ResumeError, DivergedError) as error:
            _complain(str(error))
            return 2
        except (MemoryError, RuntimeError) as error:
            if not is_memory_full(error):
                raise
            _complain("the memory is full. Give a smaller --batch-size or --size, or a net with fewer layers.")
            return 2
        except OSError as error:  # a folder that cannot be made, a disk that is full
            _complain(describe_os_error(error, "writing"))
            return 2
        except KeyboardInterrupt as stop:
            _complain(f"stopped{stop}.")
            return STOPPED
        except StopAtOnce:
            _complain(
                "stopped at once. What was saved is kept. "
                "The same command with --resume goes on from the last epoch that was saved, if there is one."
            )
            return STOPPED


def _complain(text: str) -> None:
    if not rank_distrib():
        print(f"training: {show_path(text)}", file=sys.stderr)


def _run(options: argparse.Namespace) -> int:
    out: Path = options.out
    recipe = read_recipe(options)
    report = out.with_name(f"{out.name}-report")
    check_places(out, options.data, recipe.outsiders)
    check_files(out.with_name(f"{out.name}.pkl"))
    if options.resume and not report.is_dir():
        raise ResumeError(f"there is no training to resume: {report} is not there. Start without --resume.")
    check_folder(options.data)
    check_source(recipe.outsiders)
    check_net(recipe)  # after it: the net's weights may have to come first
    print(f"reading the photos in {show_path(options.data)}")
    photos = load_photos(options.data, recipe.split_seed, options.relabel, options.leave_out, options.class_folder)
    folds = _deal_out(photos, recipe)
    if folds is not None:
        photos = dataclasses.replace(
            photos, photos=tuple(dataclasses.replace(photo, held_out=False) for photo in photos.photos)
        )
    _describe(photos)
    read_columns((), options.data, options.by)  # what the report cannot use is told of now
    read_runs(report, photos.labels)
    report.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext() if rank_distrib() else keep_others_out(report):
        return _train(options, recipe, photos, folds)


def _train(options: argparse.Namespace, recipe: Recipe, photos: PhotoSet, folds: NDArray[np.int64] | None) -> int:
    """The exit status, with net and report written or an earlier one as it was."""
    pickle, written = options.out.with_name(f"{options.out.name}.pkl"), None
    report = find_report(pickle)
    resume = _find_start(options, recipe, report, folds is not None)
    try:
        for trained in train(photos.photos, recipe, report, resume, folds, options.check_labels):
            if rank_distrib():
                return 0
            if trained.interrupted:
                print("stopped: keeping the best so far. The same command with --resume goes on instead.")
            with alone(), write_draft(pickle) as draft:
                facts = describe_run(trained, photos, recipe, options.data, read_breakdown(options))
                net = write_learner(trained.learner, draft.net)
                drafted = _report(trained, photos, dataclasses.replace(facts, net=net), draft.report)
                with hold_interrupt():
                    draft.take_places()
                    written = drafted
            print(f"wrote {show_path(pickle)} and {show_path(report)}/")
        if written and trained.strange:  # what it was compared with may be known since
            facts = describe_run(trained, photos, recipe, options.data, read_breakdown(options))
            write_page(written, dataclasses.replace(facts, net=written.metrics.run.net), report)
    except KeyboardInterrupt as stop:
        if written is None:
            raise KeyboardInterrupt(str(stop) or _describe_what_stays(pickle)) from None
        print("stopped: keeping the net that was written, and its report")
        return 0
    except Exception:
        if written:
            print("the net that was written stays, and its report")
        raise
    if not trained.interrupted:
        delete_checkpoints(report)
    return 0


def _find_start(options: argparse.Namespace, recipe: Recipe, report: Path, is_folded: bool) -> bool:
    """Whether the training goes on from a checkpoint; it says so where --resume asks for another thing.

    Raises ResumeError where that would lose something, and where there is nothing that a training left.
    """
    found = find_checkpoints(report)
    if found and options.resume and (is_folded or recipe.last_layer_alone):
        raise ResumeError(
            f"{found[0]} is of another training, which would be lost. Give its options, or start without --resume."
        )
    if is_folded:
        delete_checkpoints(report)
        if options.resume:
            print("so few photos are trained on from the beginning: there is nothing for --resume to go on with")
    elif found and not options.resume:
        print(f"starting again; --resume would go on with the training that was stopped ({show_path(found[0])})")
    elif options.resume and not found and not recipe.last_layer_alone:
        if (report / METRICS_FILE).exists():
            raise ResumeError(f"there is no training to resume: that of {report} is complete. Start without --resume.")
        print("starting from the beginning: the training was stopped before its first epoch was saved")
    return bool(found) and options.resume


def _describe_what_stays(pickle: Path) -> str:
    """After Ctrl-C before there is a net of this training."""
    stays = f": {pickle} and its report are as they were" if pickle.exists() else ", nothing is written"
    return f"{stays}. The same command with --resume goes on" if find_checkpoints(find_report(pickle)) else stays


def _deal_out(photos: PhotoSet, recipe: Recipe) -> NDArray[np.int64] | None:
    """The fold of each photo, `[photos]`, where the photos are few; None: those held out are enough to judge by.

    Of few photos those held out would say little, and each is worth learning from. From random weights there is nothing
    to learn from few. Several processes are for many photos.
    """
    few = len(photos.photos) <= FOLDED and photos.split_by == "groups"
    if not few or recipe.weights == "none" or num_distrib() > 1:
        return None
    return assign_folds(photos.photos, recipe.split_seed)


def _report(trained: Trained, photos: PhotoSet, facts: RunFacts, folder: Path) -> Written:
    """Everything that goes into the report's folder."""
    print("writing the report")
    write_split(photos.photos, Path(facts.data), folder / SPLIT_FILE)
    write_skipped(photos.skipped, Path(facts.data), folder / SKIPPED_FILE)
    written = write_report(trained.learner, photos.photos, facts, folder, trained.folds, trained.unseen)
    evaluation = written.metrics.evaluation
    judged = "photos, each by a net that has not seen it" if trained.folds else evaluation.judged_by
    print(
        f"accuracy {evaluation.scores.right.share:.2%} on {evaluation.scores.right.photos} {judged}, "
        f"{evaluation.neutral.right.share:.2%} on copies of them whose size says nothing "
        f"(width and height alone: {evaluation.size_only_accuracy:.2%})"
    )
    return written


def _describe(photos: PhotoSet) -> None:
    for skipped in photos.skipped[:SHOWN_SKIPPED]:
        print(f"skipped {show_path(skipped.path)}: {skipped.why}")
    if len(photos.skipped) > SHOWN_SKIPPED:
        print(f"skipped {len(photos.skipped) - SHOWN_SKIPPED} more; {SKIPPED_FILE} in the report lists all")
    for note in photos.notes:
        print(f"note: {note}")
    learned, held_out = photos.count(held_out=False), photos.count(held_out=True)
    for label in photos.labels:
        print(f"{label}: {learned[label]} to train on, {held_out[label]} held out")
    if not any(held_out.values()):
        print("so few are all trained on; in folds, each is judged by a net that has not seen it")
    print(
        f"{photos.near_duplicates} photos share a group with others, by {photos.grouped_by}; "
        "this split parts no group.\n"
        f"A naive random split would have tested on {photos.naive_twins} of {photos.naive_held_out} held-out photos "
        f"({photos.naive_twins / photos.naive_held_out:.0%}) of whose group it had trained on others."
    )
