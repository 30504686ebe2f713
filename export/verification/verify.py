"""Measure a model file again, and fail where its metadata or its card claims more than is found.

    python -m export verify artifacts/NAME.onnx --data DIR [--outsiders DIR] [--relabel FILE]

The file's own list says which photos it learned from: those are not judged. Of those that it held out every figure has
to come out as claimed, but for one photo: processors round differently. All others are new to it. They are held against
the figures of left-out collections, where there are some, since those tell what a stranger's photo meets. A claim about
other photos fails where it is above what is found by more than chance does in 95 % of cases. What the file could claim
and does not is named: nothing is judged by it. The card and NAME.json beside it have to say what it says.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from bot.errors import LabelgramError
from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.classifier import Classifier
from bot.inference.contract import Contract, ModelError
from bot.inference.names import show_path
from export import card
from export.commands import make_verify_parser
from export.measure import evaluate_file, locate_evidence
from export.metadata import (
    FileMetrics,
    TrainedOn,
    check_counts,
    describe_file,
    read_metrics,
    read_trained_on,
)
from export.verification.checks import Check, check_location, check_new, check_own
from export.verification.labelled import KnownPhotos, find_known
from training.data.outsiders import find_kinds
from training.data.photos import LabelledPhoto
from training.evaluation.evaluate import HELD_OUT, Evaluation, judge
from training.recipe import Recipe, read_fields


def main(arguments: list[str]) -> int:
    """Exit status: 0 every claim holds, 1 one does not, 2 the file or the photos cannot be used."""
    options = make_verify_parser().parse_args(arguments)
    try:
        checks = verify(options.model, options.data, options.outsiders, options.relabel, options.class_folder)
        wrong = [what for what in (check_card(options.model), check_description(options.model)) if what]
    except LabelgramError as error:
        print(f"verify: {show_path(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("verify: stopped.", file=sys.stderr)
        return 130
    for check in checks:
        print(check)
    for what in wrong:
        print(f"verify: {what}", file=sys.stderr)
    failed = [check for check in checks if not check.holds]
    if failed:
        print(f"verify: {len(failed)} of {len(checks)} claims are more than is found.", file=sys.stderr)
    return 1 if failed or wrong else 0


def verify(
    model: Path,
    data: Path,
    outsiders: str | None = None,
    relabel: Path | None = None,
    class_folder: str = CLASS_FOLDERS[0],
) -> list[Check]:
    """Every claim of a file that `python -m export` wrote. Raises ModelError, DataError."""
    classifier = Classifier(model, threads=2)
    claims, trained_on = read_metrics(classifier.contract), read_trained_on(classifier.contract)
    check_counts(claims, trained_on)
    if outsiders:
        find_kinds(outsiders)  # a folder that is not there is told of, also where nothing of it is measured
    photos = find_known(data, classifier.contract.labels, trained_on, relabel, class_folder)
    recipe = read_fields(trained_on.recipe)
    recipe = replace(recipe, outsiders=outsiders) if outsiders else recipe
    print(
        f"{len(photos.held_out)} photos held out from training, {len(photos.new)} new to this model, "
        f"{len(photos.learned)} that it learned from are not judged"
    )
    checks: list[Check] = []
    missing = find_missing(claims, trained_on, classifier.contract)
    if photos.held_out and claims.evaluation.judged_by == HELD_OUT:
        measured = _evaluate(classifier, photos.held_out, photos, data, recipe)
        checks += list(check_own(claims.evaluation, measured, photos.complete))
        location = locate_evidence(classifier, photos.held_out) if photos.complete else None
        if location:
            checks += list(check_location(claims.location, location)) if claims.location else []
            missing += [] if claims.location else ["where the evidence lies"]
    if photos.new:
        measured = _evaluate(classifier, photos.new, photos, data, recipe)
        checks += list(check_new(claims, measured))
    if not checks:
        raise ModelError("the model learned from all of these photos. --data names photos that it did not learn from.")
    if missing:
        print(f"the file claims nothing of {', nor of '.join(missing)}: that is not judged")
    return checks


def find_missing(claims: FileMetrics, trained_on: TrainedOn, contract: Contract) -> list[str]:
    """What a file could claim, and does not: it was never measured, or somebody has taken it out."""
    missing = []
    if claims.left_out is None and len(trained_on.collections) > 1:
        missing.append("collections that a net never saw")
    if claims.evaluation.rejection is None and contract.unsure.outsider is not None:
        missing.append("pictures of something else")
    return missing


def check_card(model: Path) -> str | None:
    """What is wrong with the card beside a file; None if it says what the file says, or is not there."""
    file = model.with_suffix(".md")
    if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") == card.render(model):
        return None
    return (
        f"{file} is not the card of {model}: it was edited, or belongs to another file. "
        "`python -m export remeasure` writes it again."
    )


def check_description(model: Path) -> str | None:
    """What is wrong with NAME.json beside a file; None if it says what the file says, or is another program's."""
    file = model.with_suffix(".json")
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    contract = Classifier(model, threads=1).contract
    if (
        not isinstance(told, dict)
        or "sha256" not in told
        or told == json.loads(describe_file(model.read_bytes(), model.name, contract))
    ):
        return None
    return (
        f"{file} does not describe {model}: it was edited, or belongs to another file. "
        "`python -m export remeasure` writes it again."
    )


def _evaluate(
    classifier: Classifier, judged: list[LabelledPhoto], photos: KnownPhotos, data: Path, recipe: Recipe
) -> Evaluation:
    # Neutral copies get sizes of the photos of the training run, as they did when the claims were made.
    whole = photos.complete and judged[0].held_out
    known = photos.trained_on if whole else judged
    temperature = read_metrics(classifier.contract).temperature
    return evaluate_file(classifier, judge(known, judged, data, recipe.split_seed), recipe, temperature)
