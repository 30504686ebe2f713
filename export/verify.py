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
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import LabelgramError
from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.classifier import Classifier
from bot.inference.contract import Contract, ModelError
from bot.inference.names import show_path
from export import card
from export.commands import make_verify_parser
from export.labelled import KnownPhotos, find_known
from export.measure import evaluate_file, locate_evidence
from export.metadata import (
    DIGITS,
    FileMetrics,
    TrainedOn,
    check_counts,
    describe_file,
    read_metrics,
    read_trained_on,
)
from training.data.outsiders import find_kinds
from training.data.photos import LabelledPhoto
from training.evaluation.calibration import Calibration, chance_of_error
from training.evaluation.evaluate import HELD_OUT, Evaluation, Scores, judge
from training.evaluation.evidence import Location
from training.evaluation.intervals import Share, limit_claim, make_share
from training.evaluation.left_out.figures import LeftOut
from training.recipe import Recipe, read_fields

NO_PHOTOS = make_share(0, 0)


@dataclass(frozen=True)
class Check:
    """One claim beside what was found."""

    name: str
    claimed: float
    found: float
    limit: float
    """The claim holds up to here: at most, or for what should be small at least."""
    small: bool = False

    @property
    def holds(self) -> bool:
        return self.claimed >= self.limit if self.small else self.claimed <= self.limit

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "CLAIMS TOO MUCH"
        return f"{self.name:48} claimed {self.claimed:8.2%}  found {self.found:8.2%}  {verdict}"


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
            checks += list(_check_location(claims.location, location)) if claims.location else []
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


def check_own(claims: Evaluation, found: Evaluation, exact: bool) -> Iterator[Check]:
    """A file's claims beside what its held-out photos score now; `exact`: all of them are there."""
    yield from _check_scores("", claims.scores, found.scores, exact)
    yield from _check_scores("neutral copies: ", claims.neutral, found.neutral, exact)
    for factor, padded in claims.padded.items():
        name = f"in surroundings {factor} times as wide: "
        copies = found.padded[factor]
        yield from _check_scores(name, padded.scores, copies.scores, exact)
        yield _check_share(f"{name}same label", padded.unchanged, copies.unchanged, exact)
    yield _check_calibration("", claims.calibration.error, found.calibration, found.scores.right.photos, exact)
    for name, part in claims.collections.items():
        if exact and name in found.collections:
            yield _check_share(f"{name}: accuracy", part.scores.right, found.collections[name].scores.right, exact)
    if claims.rejection and found.rejection:
        for kind, share in claims.rejection.kinds.items():
            if kind in found.rejection.kinds:
                again = found.rejection.kinds[kind]
                yield _check_share(f"no label, {kind}", share, again, exact=share.photos == again.photos)


def _check_location(claimed: Location, found: Location) -> Iterator[Check]:
    slack = 1 / found.pairs + 10**-DIGITS
    for name in ("peak", "within_cell", "within_half_cell"):
        share = getattr(found, name)
        yield Check(f"evidence, {name.replace('_', ' ')}", getattr(claimed, name), share, share + slack)


def check_new(claims: FileMetrics, found: Evaluation) -> Iterator[Check]:
    """Against the worst left-out collection; without one, against what the file's own photos scored."""
    scores, error = _claim_for_strangers(claims.left_out, claims.evaluation)
    yield from _check_scores("new photos: ", scores, found.scores, exact=False)
    yield _check_share("new photos, neutral copies: accuracy", scores.right, found.neutral.right, exact=False)
    yield _check_calibration("new photos: ", error, found.calibration, found.scores.right.photos, exact=False)
    for name, part in found.collections.items():
        yield _check_share(f"new photos, {name}: accuracy", scores.right, part.scores.right, exact=False)
        yield _check_share(f"new photos, {name}: no label", scores.unsure, part.scores.unsure, exact=False, small=True)


def _claim_for_strangers(left_out: LeftOut | None, evaluation: Evaluation) -> tuple[Scores, float]:
    if left_out is None:
        return evaluation.scores, evaluation.calibration.error
    worst = left_out.collections[left_out.worst]
    return worst.scores, max(part.calibration_error for part in left_out.collections.values())


def _check_scores(name: str, claimed: Scores, found: Scores, exact: bool) -> Iterator[Check]:
    yield _check_share(f"{name}accuracy", claimed.right, found.right, exact)
    for label in claimed.recall if exact else ():
        yield _check_share(f"{name}recall {label}", claimed.recall[label], found.recall.get(label, NO_PHOTOS), exact)
    yield _check_share(f"{name}no label", claimed.unsure, found.unsure, exact, small=True)
    yield _check_share(f"{name}wrong and sure", claimed.wrong_and_sure, found.wrong_and_sure, exact, small=True)


def _check_share(name: str, claimed: Share, found: Share, exact: bool, small: bool = False) -> Check:
    if exact and claimed.photos != found.photos:
        name = f"{name}, of {claimed.photos} photos instead of {found.photos}"
        limit = math.inf if small else -math.inf  # no claim about others holds
    elif exact:
        slack = 1 / max(found.photos, 1) + 10**-DIGITS  # one photo, and the rounding of the claim
        limit = found.share - slack if small else found.share + slack
    else:
        limit = limit_claim(claimed, found, small)
    return Check(name, claimed.share, found.share, limit, small)


def _check_calibration(name: str, claimed: float, found: Calibration, photos: int, exact: bool) -> Check:
    limit = found.error - 1 / photos - 10**-DIGITS if exact else found.error - chance_of_error(found.bins)
    return Check(f"{name}expected calibration error", claimed, found.error, limit, small=True)
