"""`python -m training report artifacts/NAME.pkl [--data DIR] [--by COLUMN]... [--faces] [--left-out REPORT]...`

makes the report of a training run again, from the learner and its `NAME-report/`. With --left-out it leads with figures
of collections that were left out: those reports are of runs by the same recipe, each with `--leave-out COLLECTION`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.errors import describe_os_error
from bot.inference.names import show_path
from training.commands import make_report_parser
from training.data.photos import DataError
from training.draft import keep_others_out
from training.evaluation.calibration import Limits
from training.evaluation.left_out.runs import read_runs, write_run
from training.evaluation.subgroups import NO_MORE, Breakdown
from training.fitting.batches.dataloaders import get_labels
from training.report.page import PAGE_FILE
from training.report.write import write_report
from training.runs import Run, find_report, load_run, read_metrics


def main(arguments: list[str]) -> int:
    """Exit status: 0 the report is written, 2 the run or its photos cannot be used."""
    options = make_report_parser().parse_args(arguments)
    try:
        run = load_run(options.pickle, options.data)
        with keep_others_out(run.report):
            _run(options.pickle, run, options.left_out, read_breakdown(options))
    except DataError as error:
        print(f"report: {show_path(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:  # a disk that is full
        print(f"report: {show_path(describe_os_error(error, find_report(options.pickle)))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("report: stopped. The same command starts again.", file=sys.stderr)
        return 130
    return 0


def _run(pickle: Path, run: Run, left_out: Sequence[Path], breakdown: Breakdown) -> None:
    if breakdown == NO_MORE:
        breakdown = run.facts.breakdown  # as the training was told to
    if not any(photo.held_out for photo in run.photos):
        raise DataError(
            f"{pickle} learned from all photos; its figures are those of folds, whose nets are not kept. Train again."
        )
    adopt_left_out(left_out, run.report, get_labels(run.learner.dls))
    print(f"measuring on {sum(photo.held_out for photo in run.photos)} held-out photos")
    facts = replace(run.facts, data=run.folder.as_posix(), breakdown=breakdown)
    limits = _find_limits(run.report)
    evaluation = write_report(run.learner, run.photos, facts, run.report, limits=limits).metrics.evaluation
    print(
        f"accuracy {evaluation.scores.right.share:.2%}, on neutral copies {evaluation.neutral.right.share:.2%}\n"
        f"wrote {run.report}/, to be read in {run.report / PAGE_FILE}"
    )


def _find_limits(report: Path) -> Limits | None:
    """Those that the training set, by photos that may be more than those held out. None: of another version."""
    try:
        return read_metrics(report).limits
    except ValueError:
        return None


def adopt_left_out(reports: Sequence[Path], report: Path, labels: Sequence[str]) -> None:
    """Take other runs' figures of left-out collections into a report.

    Raises DataError if one has none, or if its classes are not `labels`.
    """
    for other in reports:
        runs = read_runs(other, labels)
        if not runs:
            raise DataError(f"{other} says nothing of a left-out collection. Train it with --leave-out COLLECTION.")
        for run in runs:
            write_run(run, report)


def read_breakdown(options: argparse.Namespace) -> Breakdown:
    """What was given for `add_breakdown`."""
    return Breakdown(tuple(options.by), options.faces)
