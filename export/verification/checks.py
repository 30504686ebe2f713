"""What a file claims beside what is found: how much more a claim may say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from export.metadata import DIGITS, FileMetrics
from training.evaluation.calibration import Calibration, chance_of_error
from training.evaluation.evaluate import Evaluation, Scores
from training.evaluation.evidence import Location
from training.evaluation.intervals import Share, limit_claim, make_share
from training.evaluation.left_out.figures import LeftOut

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


def check_location(claimed: Location, found: Location) -> Iterator[Check]:
    """Where the evidence lies on the held-out photos: one pair may differ."""
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
