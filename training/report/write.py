"""A trained net -> the report: `metrics.json`, pictures, `suspects.csv`, and all of it on one page, `report.html`.

The net is run once over all photos, and over copies of the judged ones. Every figure is of photos that the net, or the
fold's net that answers, was not trained on.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from fastai.learner import Learner
from numpy.typing import NDArray

from training.data.photos import LabelledPhoto, PhotoSet
from training.data.tables import write_table
from training.evaluation.answers import AskLogits, read_logits
from training.evaluation.calibration import Limits, set_limits
from training.evaluation.examples import Answer, find_suspects, give_answers
from training.evaluation.left_out.figures import LeftOut
from training.evaluation.left_out.runs import read_runs, write_run
from training.evaluation.subgroups import Breakdown, read_columns
from training.fitting.batches.dataloaders import draw_views, get_labels
from training.fitting.steps import Trained
from training.recipe import LINEAR, Recipe, read_fields
from training.report.figures import ask_learner, compute_all, describe_left_out, find_left_out, measure
from training.report.page import PAGE_FILE, Suspect, make_page
from training.report.plots import draw_thumbnail, write_pictures, write_views
from training.runs import Metrics, RunFacts, SplitFacts, write_metrics
from training.whole_files import PART, write_text_whole

HANDFUL = 100
"""Held-out photos below which they are too few to say how sure the answers may be."""
SUSPECTS_FILE = "suspects.csv"
SHOWN_SUSPECTS = 12
VIEWS = 16
"""Training photos that are shown as the net sees them."""
PACKAGES = ("fastai", "torch", "torchvision", "pillow", "numpy")


def describe_run(trained: Trained, photos: PhotoSet, recipe: Recipe, data: Path, breakdown: Breakdown) -> RunFacts:
    """Everything needed to make the net again."""
    return RunFacts(
        photos={"train": photos.count(held_out=False), "valid": photos.count(held_out=True)},
        skipped=len(photos.skipped),
        split=SplitFacts(photos.grouped_by, photos.near_duplicates, photos.naive_twins, photos.naive_held_out),
        recipe=asdict(recipe),
        interrupted=trained.interrupted,
        history=list(trained.history),
        seconds=round(trained.seconds, 1),
        versions={"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        data=data.as_posix(),
        breakdown=breakdown,
        left_out=photos.split_by.partition("leaving out ")[2] or None,
        relabel=photos.relabel.as_posix() if photos.relabel else None,
        class_folder=None if photos.class_folder == "auto" else photos.class_folder,
        kept=trained.kept,
        strange=trained.strange,
    )


@dataclass(frozen=True)
class Written:
    """What a report's page is made of, beside the pictures in its folder."""

    metrics: Metrics
    suspects: Sequence[Suspect]
    left_out: LeftOut | None


def write_report(  # noqa: PLR0913, PLR0917
    learner: Learner,
    photos: Sequence[LabelledPhoto],
    facts: RunFacts,
    folder: Path,
    folds: AskLogits | None = None,
    unseen: NDArray[np.float32] | None = None,
    limits: Limits | None = None,
) -> Written:
    """Measure the net and write the whole report into `folder`.

    `folds` gives each photo's logits by a net that it was left out of; without it the held-out photos are judged.
    `unseen`, float32 `[photos, outputs]`, are the photos' logits by those nets, if they are known; without `folds`
    such logits for the list of suspicious labels, and for limits where few photos are held out. `limits` are those of
    an earlier report; None: they are set here.
    Raises DataError for a column that is not there, and for left-out runs that cannot be used.
    """
    data = Path(facts.data)
    read_columns((), data, facts.breakdown.columns)  # a wrong one is named before the net is run
    labels = get_labels(learner.dls)
    read_runs(folder, labels)  # so is one of other classes
    judged = [photo for photo in photos if folds or photo.held_out]
    logits = unseen if folds and unseen is not None else compute_all(folds or ask_learner(learner), judged)
    if limits is None:
        is_handful = len(judged) < HANDFUL and facts.kept == LINEAR and not facts.left_out  # `unseen` is of such nets
        told, by = (photos, unseen) if is_handful and unseen is not None else (judged, logits)
        limits = set_limits(by, np.array([labels.index(photo.label) for photo in told], np.int64), len(labels))
    metrics = measure(learner, photos, logits, facts, limits, folds)
    if facts.left_out:
        write_run(describe_left_out(learner, judged, logits, metrics), folder)
    probabilities = read_logits(logits, len(labels), metrics.evaluation.calibration.temperature).probabilities
    answers = give_answers(judged, probabilities, labels)
    if folds or unseen is None:
        suspicious = find_suspects(answers, probabilities, labels)
    else:
        all_probabilities = read_logits(unseen, len(labels), 1).probabilities
        all_probabilities[[photo.held_out for photo in photos]] = probabilities
        suspicious = find_suspects(give_answers(photos, all_probabilities, labels), all_probabilities, labels)
    suspects = _describe_suspects(suspicious, data)
    _write_suspects(suspects, folder / SUSPECTS_FILE)
    if len(learner.dls.train_ds):  # a learner that was loaded has none: their picture stays
        views, shown = draw_views(photos, read_fields(facts.recipe), VIEWS)
        write_views(views.numpy(), shown, folder / "training-photos.png")
    write_pictures(learner, answers, metrics, folder)
    written = Written(metrics, suspects, find_left_out(folder, photos, data, labels))
    write_page(written, facts, folder)
    return written


def write_page(written: Written, facts: RunFacts, folder: Path) -> None:
    """Write the page and `metrics.json`, with these facts of the run: the latter last, without it all is lost."""
    metrics = replace(written.metrics, run=facts)
    pictures = {file.name: file.read_bytes() for file in folder.glob("*.png")}
    name = folder.name.removesuffix(PART).removesuffix("-report")
    page = make_page(name, metrics, pictures, written.suspects, written.left_out)
    write_text_whole(page, folder / PAGE_FILE, errors="backslashreplace")
    write_metrics(metrics, folder)


def _describe_suspects(answers: Sequence[Answer], data: Path) -> list[Suspect]:
    return [
        Suspect(
            path=answer.photo.path.relative_to(data).as_posix(),
            label=answer.photo.label,
            predicted=answer.predicted,
            probability=answer.probability,
            split="valid" if answer.photo.held_out else "train",
            picture=draw_thumbnail(answer.photo) if number < SHOWN_SUSPECTS else None,
        )
        for number, answer in enumerate(answers)
    ]


def _write_suspects(suspects: Sequence[Suspect], file: Path) -> None:
    rows = [(one.path, one.label, one.predicted, f"{one.probability:.4f}", one.split) for one in suspects]
    write_table([("path", "label", "predicted", "probability", "split"), *rows], file)
