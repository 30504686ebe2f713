"""Whether a file's figures fit each other: what anyone may have written into its metadata is read before it is used."""

from __future__ import annotations

from collections.abc import Collection

from training.evaluation.evaluate import FOLDS, HELD_OUT, Evaluation, Scores
from training.evaluation.left_out.figures import LeftOut
from training.evaluation.size_shortcut import PADDINGS


def check_claims(evaluation: Evaluation, left_out: LeftOut | None, labels: Collection[str]) -> None:
    """Raises ValueError where a figure is missing that every file has, or is of other photos or classes."""
    if evaluation.judged_by not in (HELD_OUT, FOLDS):
        raise ValueError(f"photos are judged by {evaluation.judged_by!r:.40}")
    if evaluation.padded.keys() != {f"{factor:g}" for factor in PADDINGS}:
        raise ValueError(f"the copies in surroundings are {', '.join(evaluation.padded)!r:.40} times as wide")
    if left_out and (not left_out.collections or left_out.recipes.keys() != left_out.collections.keys()):
        raise ValueError("each left-out collection needs figures and a recipe")
    copies, parts = [*evaluation.padded.values()], [*evaluation.collections.values()]
    every = [evaluation.scores, evaluation.neutral, *(copy.scores for copy in copies), *(part.scores for part in parts)]
    every += [part.scores for part in left_out.collections.values()] if left_out else []
    for scores in every:
        _check_scores(scores, labels)
    photos = evaluation.scores.right.photos
    counts = {evaluation.neutral.right.photos, sum(part.photos for part in evaluation.calibration.bins)}
    counts |= {sum(part.scores.right.photos for part in parts)} if parts else set()
    if counts != {photos} or any(one.unchanged.photos != one.scores.right.photos for one in copies):
        raise ValueError("figures of the same photos and their copies count different numbers of photos")
    rejection = evaluation.rejection
    if rejection and rejection.pictures.photos != sum(kind.photos for kind in rejection.kinds.values()):
        raise ValueError("the kinds of something else do not add up to their pictures")


def _check_scores(scores: Scores, labels: Collection[str]) -> None:
    if scores.precision.keys() != {*labels} or not scores.recall.keys() <= {*labels}:
        raise ValueError("recall or precision is of other classes than the model's")
    counts = {
        scores.unsure.photos,
        scores.wrong_and_sure.photos,
        sum(recall.photos for recall in scores.recall.values()),
    }
    if not scores.right.photos or counts != {scores.right.photos}:
        raise ValueError("right, unsure and wrong answers are of different numbers of photos")
