"""Measure a model file again, and fail where its metadata or its card claims more than is found.

    python -m export verify artifacts/NAME.onnx --data DIR [--outsiders DIR]

If DIR holds the photos of the training run, those it held out are measured, and every figure has to come out as
claimed, but for one photo: processors round differently. Any other photos are new to the net: all are measured, and a
claim fails where it is above what is found by more than chance does in 95 % of cases, so many photos as there are.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.inference.classifier import Classifier
from bot.inference.contract import ModelError
from export import card
from export import metrics as figures
from export.card import Facts
from export.training_run import digest
from training.data.loading import load_photos
from training.data.photos import DataError
from training.evaluation.calibration import expected_calibration_error, reliability
from training.evaluation.out_of_distribution import draw_unseen
from training.evaluation.size_shortcut import copy_at_size, draw_sizes
from training.evaluation.subgroups import wilson
from training.recipe import Recipe
from training.runs import read_recipe

RESAMPLES = 1000
"""Draws with replacement for the interval of the calibration error."""


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
        return f"{self.name:42} claimed {self.claimed:8.2%}  found {self.found:8.2%}  {verdict}"


def main(arguments: list[str]) -> int:
    """Exit status: 0 every claim holds, 1 one does not, 2 the file or the photos cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        checks = verify(options.model, options.data, options.outsiders)
        wrong = check_card(options.model)
    except (ModelError, DataError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("verify: stopped.", file=sys.stderr)
        return 130
    for check in checks:
        print(check)
    if wrong:
        print(f"verify: {wrong}", file=sys.stderr)
    failed = [check for check in checks if not check.holds]
    if failed:
        print(f"verify: {len(failed)} of {len(checks)} claims are more than is found.", file=sys.stderr)
    return 1 if failed or wrong else 0


def verify(model: Path, data: Path, outsiders: str | None) -> list[Check]:
    """Every claim of a file that `python -m export` wrote. Raises ModelError, DataError."""
    classifier = Classifier(model, threads=2)
    claims, source = (_read(field) for field in (classifier.contract.metrics, classifier.contract.trained_on))
    photos = load_photos(data, source["split_seed"]).photos
    labels, rule = classifier.contract.labels, classifier.contract.unsure
    strange = sorted({photo.label for photo in photos} - set(labels))
    if strange:
        raise DataError(f"the model does not know {', '.join(strange)}, only {', '.join(labels)}.")
    same = digest([photo for photo in photos if photo.held_out], data) == source["held_out"]
    judged = [photo for photo in photos if photo.held_out or not same]
    print(f"{len(judged)} photos, {'those held out from training' if same else 'all of them new to this model'}")
    targets = np.array([labels.index(photo.label) for photo in judged])
    sizes = dict(zip(photos, draw_sizes(photos, source["split_seed"]), strict=True))

    answers = figures.ask(classifier, (photo.path.read_bytes() for photo in judged))
    copies = figures.ask(classifier, (copy_at_size(photo, sizes[photo]) for photo in judged))
    checks = []
    for name, said, found in (("", claims, answers), ("neutral copies: ", claims["neutral"], copies)):
        right, of = found.labels == targets, None if same else said["photos"]
        checks.append(_share(f"{name}accuracy", said["accuracy"], right, of))
        if same:
            for number, label in enumerate(labels):
                checks.append(_share(f"{name}recall {label}", said["recall"][label], right[targets == number], of))
        checks.append(_share(f"{name}no label", said["unsure"], found.unsure(rule), of, small=True))
    checks.append(_calibration(claims["calibration"]["error"], answers, targets, same))
    if "rejection" in claims:
        checks += _rejection(claims["rejection"], classifier, source, outsiders)
    return checks


def check_card(model: Path) -> str | None:
    """What is wrong with the card beside a file; None if it says what the file says, or is not there."""
    file = model.with_suffix(".md")
    if not file.is_file() or file.read_text(encoding="utf-8") == card.render(model):
        return None
    return f"{file} is not the card of {model}: it was edited, or belongs to another file. Export again."


def _share(name: str, claimed: float, hits: NDArray[np.bool_], of: int | None, small: bool = False) -> Check:
    """`of`: how many other photos the claim was measured on; None: it was on these."""
    found = float(hits.mean())
    sign = -1 if small else 1
    if of is None:
        slack = 1 / len(hits) + 10**-figures.DIGITS  # one photo, and the rounding of the claim
        return Check(name, claimed, found, found + sign * slack, small)
    # Chance is on both sides: the 95 % interval of a difference of two shares (Newcombe 1998, method 10).
    ours, theirs = wilson(int(hits.sum()), len(hits)), wilson(round(min(max(claimed, 0.0), 1.0) * of), of)
    slack = (
        math.hypot(found - ours[0], theirs[1] - claimed) if small else math.hypot(ours[1] - found, claimed - theirs[0])
    )
    return Check(name, claimed, found, found + sign * slack, small)


def _calibration(claimed: float, answers: figures.Answers, targets: NDArray[np.int64], same: bool) -> Check:
    found = expected_calibration_error(reliability(answers.probabilities, targets))
    if same:
        limit = found - 1 / len(targets) - 10**-figures.DIGITS
    else:
        draw = np.random.default_rng(0)
        picks = (draw.integers(0, len(targets), len(targets)) for _ in range(RESAMPLES))
        errors = [expected_calibration_error(reliability(answers.probabilities[p], targets[p])) for p in picks]
        limit = float(np.quantile(errors, 0.025))
    return Check("expected calibration error", claimed, found, limit, small=True)


def _rejection(claims: Facts, classifier: Classifier, source: Facts, folder: str | None) -> list[Check]:
    recipe = read_recipe(dict(source))
    if recipe.outsiders != Recipe().outsiders and folder is None:
        print("outsiders are not measured: --outsiders names their folder")
        return []
    checks = []
    for kind, pictures in draw_unseen(replace(recipe, outsiders=folder or recipe.outsiders)).items():
        hits = figures.ask(classifier, pictures).unsure(classifier.contract.unsure)
        checks.append(_share(f"no label, {kind}", claims["kinds"][kind]["rejected"], hits, of=None))
    return checks


def _read(text: str) -> Facts:
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or not {"accuracy", "split_seed"} & facts.keys():
        raise ModelError("the model makes no claims that could be verified. Make the file with `python -m export`.")
    return facts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export verify", description="Measure a model file's claims again.", allow_abbrev=False
    )
    parser.add_argument("model", type=Path, metavar="artifacts/NAME.onnx")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder of photos per class")
    parser.add_argument("--outsiders", metavar="DIR", help="outsiders as in training, if they came from a folder")
    return parser
