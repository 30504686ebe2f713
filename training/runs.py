"""What a training run leaves behind, `NAME.pkl` and `NAME-report/`, read back."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastai.learner import Learner, load_learner

from bot.inference.contract import Unsure
from training.data.photos import DataError, LabelledPhoto
from training.data.split import read_split
from training.evaluation.calibration import Limits
from training.evaluation.evaluate import Evaluation
from training.evaluation.out_of_distribution import ScoreComparison
from training.evaluation.subgroups import NO_MORE, Breakdown
from training.fitting.one_cycle.callbacks import Epoch
from training.recipe import TUNED, Recipe, read_fields
from training.records import from_json, read_file, to_json, write_file
from training.whole_files import name_file

METRICS_FILE = "metrics.json"
SPLIT_FILE = "split.csv"
"""In the report: which photos were trained on and which held out."""


@dataclass(frozen=True)
class SplitFacts:
    """How near-duplicates were found, and what a split that overlooks them would have done."""

    grouped_by: str
    near_duplicates: int
    naive_twins: int
    naive_held_out: int


@dataclass(frozen=True)
class RunFacts:
    """What is known of a training run and cannot be measured again."""

    photos: dict[str, dict[str, int]]
    """Photos of each label, in `train` and in `valid`."""
    skipped: int
    split: SplitFacts
    recipe: dict[str, Any]
    interrupted: bool
    history: list[Epoch]
    seconds: float
    versions: dict[str, str]
    data: str
    """The photos' folder."""
    breakdown: Breakdown = NO_MORE
    left_out: str | None = None
    """The folder, or COLUMN=VALUE, whose photos are the held-out ones."""
    relabel: str | None = None
    """The file of corrected labels."""
    class_folder: str | None = None
    """What was told of the folders that name classes; None: nothing."""
    kept: str = TUNED
    """Which net it is, of `recipe.KEEPS`."""
    strange: dict[str, float] = field(default_factory=dict)
    """Accuracy of each net that it was chosen from, on what decided: see `fitting.choice`."""
    net: str | None = None
    """SHA-256 of the pickle that the report is of; None: it is of a version that did not say."""

    def __post_init__(self) -> None:
        """Raises ValueError for a recipe with a field of another type."""
        read_fields(self.recipe)


@dataclass(frozen=True)
class _Facts:
    """What of `metrics.json` is no figure."""

    run: RunFacts


@dataclass(frozen=True)
class Metrics:
    """What `metrics.json` holds: the run's facts, and what was measured of its net."""

    run: RunFacts
    evaluation: Evaluation
    rule: Unsure
    """The limits of "not sure" that answers to photos which the net had not seen give."""
    scores: ScoreComparison | None
    """None: trained without pictures of something else."""

    @property
    def limits(self) -> Limits:
        return Limits(self.evaluation.calibration.temperature, self.rule)


@dataclass(frozen=True)
class Run:
    """A trained learner with the facts and the photos of its training."""

    learner: Learner
    facts: RunFacts
    photos: list[LabelledPhoto]
    folder: Path
    """Where the photos are."""
    report: Path

    @property
    def recipe(self) -> Recipe:
        return read_fields(self.facts.recipe)


def load_run(pickle: Path, data: Path | None) -> Run:
    """Load a run; `data` is the photos' folder if it is not where the training had it.

    Unpickling runs code that the file names: load only files of your own. Raises DataError if something is missing.
    """
    report = find_report(pickle)
    for needed in (pickle, report / METRICS_FILE, report / SPLIT_FILE):
        if not needed.is_file():
            raise DataError(f"{needed} is not there. `python -m training` writes NAME.pkl and NAME-report/.")
    learner = read_learner(pickle)
    facts = read_facts(report)
    if facts.net not in (None, _hash_file(pickle)):
        raise DataError(
            f"{report} belongs to another net than {pickle}, which belongs to another report. "
            "Bring them together, or train again."
        )
    folder = data or Path(facts.data)
    photos = read_split(folder, report / SPLIT_FILE)
    learned, held_out = (sum(facts.photos[side].values()) for side in ("train", "valid"))
    counts = Counter(photo.held_out for photo in photos)
    if (counts[False], counts[True]) != (learned, held_out) or {photo.label for photo in photos} - set(
        learner.dls.vocab
    ):
        raise DataError(
            f"{report / SPLIT_FILE} does not list the photos that {METRICS_FILE} counts: one of them was edited, "
            "or cut short. Train again."
        )
    gone = [photo.path for photo in photos if not photo.path.is_file()]
    if gone:
        raise DataError(
            f"{len(gone)} photos of the training run are not there, the first is {gone[0]}. --data names their folder."
        )
    return Run(learner, facts, photos, folder, report)


def find_report(pickle: Path) -> Path:
    """`NAME-report/` beside `NAME.pkl`."""
    return pickle.with_name(f"{pickle.stem}-report")


def read_learner(pickle: Path) -> Learner:
    """Unpickle a learner. Raises DataError if another version wrote it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fastai warns at every load that pickle runs code; the README says so
            return load_learner(pickle)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        why = "" if isinstance(error, UnboundLocalError) else f" ({error})"  # fastai lost the reason on its way
        raise DataError(
            f"{pickle} is not a learner that this version can load{why}. It is damaged, cut short, or of another "
            "version. Train again."
        ) from error


def write_learner(learner: Learner, pickle: Path) -> str:
    """Pickle a learner, without its photos; returns the SHA-256 of the file. Raises OSError."""
    with name_file(pickle):
        learner.export(pickle.absolute())
    return _hash_file(pickle)


def _hash_file(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_facts(report: Path) -> RunFacts:
    """The facts of a run, which no figure of its report needs. Raises OSError, DataError for another version's."""
    try:
        return from_json(_Facts, read_file(report / METRICS_FILE)).run
    except ValueError as error:
        raise DataError(
            f"{report / METRICS_FILE} is damaged or of another version of Labelgram: {error}. Train again."
        ) from error


def read_metrics(report: Path) -> Metrics:
    """The figures in a report. Raises OSError if it is not there, ValueError if it is of another version."""
    return from_json(Metrics, read_file(report / METRICS_FILE))


def write_metrics(metrics: Metrics, report: Path) -> None:
    write_file(to_json(metrics), report / METRICS_FILE, indent=2)
