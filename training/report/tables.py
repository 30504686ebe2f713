"""The rows of the page's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.evaluation.evaluate import Evaluation
from training.evaluation.left_out.figures import LeftOut
from training.evaluation.subgroups import MEANINGS
from training.runs import RunFacts

MOST_ROWS = 40
"""Rows of a table of groups or classes; metrics.json has them all."""
MOST_LABELS = 6
"""Labels that have a column each."""
Rows = list[tuple[object, ...]]


def show_percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def show_range(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} – {100 * interval[1]:.1f} %"


def list_few(labels: list[str]) -> list[str]:
    return labels if len(labels) <= MOST_LABELS else []


def list_left_out(left_out: LeftOut, labels: Sequence[str]) -> Rows:
    rows: Rows = []
    for name, figures in left_out.collections.items():
        scores = figures.scores
        recall = [show_percent(scores.recall[label].share) if label in scores.recall else "–" for label in labels]
        shares = (scores.unsure.share, scores.wrong_and_sure.share, figures.calibration_error)
        right = scores.right
        rows.append(
            (name, right.photos, show_percent(right.share), show_range(right.interval), *map(show_percent, shares))
        )
        rows[-1] += tuple(recall)
    return rows


def list_classes(run: RunFacts, evaluation: Evaluation) -> Rows:
    recall, neutral = evaluation.scores.recall, evaluation.neutral.recall
    return [
        (
            label,
            run.photos["train"].get(label, 0),
            recall[label].photos,
            show_percent(recall[label].share),
            show_range(recall[label].interval),
            show_percent(evaluation.scores.precision[label]),
            show_percent(neutral[label].share),
        )
        for label in sorted(recall, key=lambda label: recall[label].share)[:MOST_ROWS]
    ]


def list_split(run: RunFacts) -> Rows:
    split = run.split
    share = split.naive_twins / split.naive_held_out if split.naive_held_out else 0.0
    leak = f"{split.naive_twins:,} of {split.naive_held_out:,} held-out photos ({show_percent(share)})"
    return [
        ("held out", f"{sum(run.photos['valid'].values()):,} photos, groups always together"),
        ("near-duplicates and others of a group, by", split.grouped_by),
        ("photos that share a group", split.near_duplicates),
        ("a naive random split would leak", leak),
        ("files skipped as unreadable or unplaced", run.skipped),
    ]


def list_padded(evaluation: Evaluation) -> Rows:
    return [
        (
            f"{factor} times",
            padded.scores.right.photos,
            show_percent(padded.scores.right.share),
            show_percent(padded.unchanged.share),
            show_percent(padded.scores.unsure.share),
        )
        for factor, padded in evaluation.padded.items()
    ]


def list_kinds(evaluation: Evaluation) -> Rows:
    kinds = evaluation.rejection.kinds if evaluation.rejection else {}
    return [
        (kind, share.photos, show_percent(share.share), show_range(share.interval)) for kind, share in kinds.items()
    ]


def describe_traits(evaluation: Evaluation, low: float) -> list[dict[str, Any]]:
    """For each trait its name and meaning, the groups that are shown, and the labels whose recall is shown."""
    traits = []
    for trait in dict.fromkeys(group.trait for group in evaluation.groups):
        groups = [group for group in evaluation.groups if group.trait == trait]
        shown = (
            groups if len(groups) <= MOST_ROWS else sorted(groups, key=lambda group: -group.right.photos)[:MOST_ROWS]
        )
        labels = list_few(
            [label for label in evaluation.scores.recall if any(label in group.recall for group in groups)]
        )
        meaning = MEANINGS.get(trait, "column of groups.csv")
        traits.append(
            {
                "name": trait,
                "meaning": meaning[0].upper() + meaning[1:],
                "groups": shown,
                "left": len(groups) - len(shown),
                "labels": labels,
                "head": [
                    *("value", "photos", "accuracy", "95 % interval", f"{100 * low:.0f} to 100 %"),
                    *(f"recall {label}" for label in labels),
                ],
            }
        )
    return traits
