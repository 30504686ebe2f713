"""The report as one HTML page that holds all it shows: no scripts, no requests, light and dark.

Figures come from `metrics.json`, pictures as bytes. Whatever is not `Html` is text and gets escaped: labels, paths and
groups are the user's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from training.data.split import FOLDS
from training.evaluation.subgroups import MEANINGS, MIN_GROUP, wilson
from training.recipe import write_command
from training.report.html import STYLE, Html, embed, make_paragraph, make_picture, make_table, show_percent, show_range

MOST_ROWS = 40
"""Rows of a table of groups or classes; metrics.json has them all."""


@dataclass(frozen=True)
class Suspect:
    """A photo whose label the net contradicts."""

    path: str
    label: str
    predicted: str
    probability: float
    split: str
    """`train` or `valid`."""
    picture: bytes | None = None
    """JPEG; of the first few."""


def make_page(name: str, metrics: dict[str, Any], pictures: Mapping[str, bytes], suspects: Sequence[Suspect]) -> str:
    """The whole page; `pictures` are the report's PNGs by file name, and those that are not there are left out."""
    sections = {
        "Figures": _figures(metrics),
        "Classes": _classes(metrics),
        "Photos and split": _photos(metrics),
        "Calibration": _calibration(metrics["calibration"], pictures),
        "Pictures of other things": _rejection(metrics["rejection"]),
        "Groups": _groups(metrics),
        "What the net looks at": _explanations(pictures),
        "Mistakes": _mistakes(pictures),
        "Suspicious labels": _suspects(suspects),
        "Training": _training(metrics, pictures),
        "Make it again": _reproduction(name, metrics),
    }
    anchors = {title: title.lower().replace(" ", "-") for title in sections}
    links = " ".join(f'<a href="#{anchor}">{escape(title)}</a>' for title, anchor in anchors.items())
    body = "".join(
        f'<section id="{anchors[title]}"><h2>{escape(title)}</h2>{content}</section>'
        for title, content in sections.items()
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}: training report</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(name)}</h1><p class=lead>{_lead(metrics)}</p><nav>{links}</nav>"
        f"<main>{body}</main></body></html>\n"
    )


def _lead(metrics: dict[str, Any]) -> Html:
    train, valid = (sum(metrics["photos"][side].values()) for side in ("train", "valid"))
    classes = len(metrics["photos"]["train"])
    text = f"{metrics['recipe']['arch']}, {classes} classes, trained on {train:,} photos, measured on {valid:,} others."
    return Html(escape(text + (" The training was stopped early." if metrics.get("interrupted") else "")))


def _figures(metrics: dict[str, Any]) -> Html:
    neutral = metrics["neutral"]
    cards = [
        ("Accuracy", show_percent(metrics["accuracy"]), show_range(metrics["interval"]), "held-out photos as they are"),
        ("On neutral copies", show_percent(neutral["accuracy"]), show_range(neutral["interval"]), "sizes drawn by lot"),
        ("Size alone", show_percent(metrics["size_only_accuracy"]), "", "what width and height give away"),
        (
            "Calibration error",
            show_percent(metrics["calibration"]["expected_calibration_error"]),
            "",
            "probability against accuracy, on average",
        ),
    ]
    rejection = metrics["rejection"]
    if rejection:
        rejected = rejection["methods"][rejection["chosen"]]["rejected"]
        cards.append(("Outsiders rejected", show_percent(rejected), "", "of kinds never trained on"))
    shown = "".join(
        f"<div class=card><div class=name>{escape(title)}</div><div class=figure>{escape(figure)}</div>"
        f"<div class=range>{escape(interval)}</div><div class=note>{escape(note)}</div></div>"
        for title, figure, interval, note in cards
    )
    return Html(
        f"<div class=cards>{shown}</div>"
        + make_paragraph(
            "Ranges are Wilson's 95 % intervals. They take photos for independent; near-duplicates among the held-out "
            "ones make them somewhat too narrow."
        )
    )


def _classes(metrics: dict[str, Any]) -> Html:
    photos, recall = metrics["photos"], metrics["recall"]
    labels = sorted(recall, key=lambda label: recall[label])
    rows = []
    for label in labels[:MOST_ROWS]:
        count = photos["valid"][label]
        interval = wilson(round(recall[label] * count), count) if count else None
        figures = show_percent(recall[label]), show_range(interval), show_percent(metrics["precision"][label])
        rows.append((label, photos["train"][label], count, *figures, show_percent(metrics["neutral"]["recall"][label])))
    head = ("label", "trained on", "held out", "recall", "95 % interval", "precision", "recall on neutral copies")
    more = (
        "" if len(labels) <= MOST_ROWS else make_paragraph(f"The {MOST_ROWS} with the lowest recall of {len(labels)}.")
    )
    return Html(make_table(head, rows) + more)


def _photos(metrics: dict[str, Any]) -> Html:
    split = metrics["split"]
    share = split["naive_twins"] / split["naive_held_out"] if split["naive_held_out"] else 0.0
    facts = [
        ("held out", f"one photo in {FOLDS}, near-duplicates always together"),
        ("near-duplicates found by", split["grouped_by"]),
        ("photos with a near-duplicate", f"{split['near_duplicates']:,}"),
        (
            "a naive random split would leak",
            f"{split['naive_twins']:,} of {split['naive_held_out']:,} held-out photos ({show_percent(share)})",
        ),
        ("files skipped as unreadable or unplaced", f"{metrics['skipped']:,}"),
    ]
    return make_table(("", ""), facts)


def _calibration(facts: dict[str, Any], pictures: Mapping[str, bytes]) -> Html:
    error = facts["expected_calibration_error"]
    unseen = facts.get("expected_calibration_error_cross_fitted")
    honest = (
        "" if unseen is None else f" Fitted on one half of the photos and judged on the other: {show_percent(unseen)}."
    )
    text = (
        f"Temperature {facts['temperature']:.2f}, fitted on the held-out photos. Expected calibration error "
        f"{show_percent(error)}, over {len(facts['bins'])} bins of equal width of the best label's probability.{honest}"
    )
    rows = [
        (
            f"{one['low']:.2f} to {one['high']:.2f}",
            one["photos"],
            show_percent(one["confidence"]),
            show_percent(one["accuracy"]),
        )
        for one in facts["bins"]
        if one["photos"]
    ]
    table = make_table(("probability", "photos", "mean probability", "accuracy"), rows)
    return Html(
        make_paragraph(text) + f"<div class=pair>{make_picture(pictures, 'reliability.png')}<div>{table}</div></div>"
    )


def _rejection(facts: dict[str, Any] | None) -> Html:
    if not facts:
        return make_paragraph("Trained without pictures of other things: the net gives each of them a label.")
    text = (
        f"Each score's limit turns away {show_percent(facts['share_of_photos'])} of the held-out photos; what counts "
        f"is the share of pictures of kinds never trained on that it turns away. Used: {facts['chosen']}."
    )
    methods = [
        (name, f"{found['auroc']:.4f}", show_percent(found["rejected"])) for name, found in facts["methods"].items()
    ]
    kinds = [
        (kind, found["pictures"], show_percent(found["rejected"]), show_range(_count_interval(found)))
        for kind, found in facts["kinds"].items()
    ]
    return Html(
        make_paragraph(text)
        + f"<div class=pair><div>{make_table(('score', 'AUROC', 'turned away'), methods)}</div>"
        + f"<div>{make_table(('unseen kind', 'pictures', 'turned away', '95 % interval'), kinds)}</div></div>"
    )


def _count_interval(found: dict[str, Any]) -> tuple[float, float] | None:
    count = found["pictures"]
    return wilson(round(found["rejected"] * count), count) if count else None


def _groups(metrics: dict[str, Any]) -> Html:
    worst, groups = metrics["worst_group"], metrics["groups"]
    if worst:
        text = (
            f"Worst group of at least {MIN_GROUP} photos: {worst['trait']} “{worst['value']}”, "
            f"{show_percent(worst['accuracy'])} ({show_range(worst['interval'])}) on {worst['photos']:,} photos, "
            f"{worst['gap']:.1f} points below the accuracy on all. The lowest of many groups is low by chance in part."
        )
    else:
        text = f"No group has {MIN_GROUP} photos or more: too few to call one the worst."
    low = int(10 * min(group["interval"][0] for group in groups)) / 10
    parts: list[str] = [make_paragraph(text, "callout")]
    for trait in dict.fromkeys(group["trait"] for group in groups):
        its = [group for group in groups if group["trait"] == trait]
        shown = its if len(its) <= MOST_ROWS else sorted(its, key=lambda group: -group["photos"])[:MOST_ROWS]
        labels = [label for label in metrics["recall"] if any(label in group["recall"] for group in its)]
        labels = labels if len(labels) <= 6 else []  # a column a label does not fit beyond
        meaning = MEANINGS.get(trait, "column of groups.csv")
        parts.append(f"<h3>{escape(trait)}</h3>" + make_paragraph(meaning[0].upper() + meaning[1:] + ".", "note"))
        rows = [
            (
                group["value"],
                group["photos"],
                show_percent(group["accuracy"]),
                show_range(group["interval"]),
                _bar(group["accuracy"], group["interval"], low),
                *(_recall(group["recall"].get(label)) for label in labels),
            )
            for group in shown
        ]
        bad = [bool(worst) and (worst["trait"], worst["value"]) == (trait, group["value"]) for group in shown]
        head = ("value", "photos", "accuracy", "95 % interval", f"{100 * low:.0f} to 100 %")
        parts.append(make_table((*head, *(f"recall {label}" for label in labels)), rows, bad))
        if len(shown) < len(its):
            parts.append(make_paragraph(f"The {MOST_ROWS} largest of {len(its)}; metrics.json has all."))
    return Html("".join(parts))


def _recall(found: dict[str, Any] | None) -> str:
    return f"{show_percent(found['recall'])} of {found['photos']:,}" if found else "–"


def _bar(accuracy: float, interval: Sequence[float], low: float) -> Html:
    """The interval as a bar and the accuracy as a line in it, from `low` to 1."""
    start, end, middle = (100 * (value - low) / (1 - low) for value in (*interval, accuracy))
    return Html(
        f'<div class=track><i style="left:{start:.1f}%;width:{end - start:.1f}%"></i>'
        f'<b style="left:{min(middle, 99):.1f}%"></b></div>'
    )


def _explanations(pictures: Mapping[str, bytes]) -> Html:
    text = (
        "Grad-CAM (Selvaraju et al. 2017) on the last feature map: red is what speaks for the label that was given. "
        "A row a class: right answers, then the wrong ones that the net is surest of (title in red). "
        "Titles: true label / predicted, probability."
    )
    return Html(make_paragraph(text) + make_picture(pictures, "explanations.png"))


def _mistakes(pictures: Mapping[str, bytes]) -> Html:
    return Html(
        f"<h3>Confusion matrix</h3>{make_picture(pictures, 'confusion-matrix.png')}"
        f"<h3>Held-out photos that the net is farthest from</h3>{make_picture(pictures, 'worst-mistakes.png')}"
    )


def _suspects(suspects: Sequence[Suspect]) -> Html:
    if not suspects:
        return make_paragraph("None: the net contradicts no label with a probability of 0.5 or more.")
    text = (
        f"{len(suspects)} photos, trained on or held out, whose label the net contradicts, the surest first; all are "
        "in suspects.csv. A mislabelled photo is mended by moving it into the right class folder, or by a line "
        "path,label in a file for --relabel. Hard cases must not be deleted: a set without them flatters the net."
    )
    figures = "".join(
        f'<figure><img alt="" src="{embed(one.picture)}"><figcaption>{escape(one.label)} → {escape(one.predicted)} '
        f"{show_percent(one.probability)}<br><code>{escape(one.path)}</code></figcaption></figure>"
        for one in suspects
        if one.picture
    )
    rows = [(one.path, one.label, one.predicted, show_percent(one.probability), one.split) for one in suspects]
    table = make_table(("path", "label", "predicted", "probability", "split"), rows)
    return Html(
        make_paragraph(text)
        + f"<div class=gallery>{figures}</div><details><summary>All {len(rows)}</summary>{table}</details>"
    )


def _training(metrics: dict[str, Any], pictures: Mapping[str, bytes]) -> Html:
    seconds = metrics.get("seconds")
    took = (
        ""
        if seconds is None
        else make_paragraph(f"It took {seconds / 60:,.1f} minutes, {len(metrics['history'])} epochs.")
    )
    return Html(
        took
        + f"<h3>Losses</h3>{make_picture(pictures, 'losses.png')}"
        + f"<h3>Training photos as the net sees them</h3>{make_picture(pictures, 'training-photos.png')}"
    )


def _reproduction(name: str, metrics: dict[str, Any]) -> Html:
    command = write_command(name, metrics["recipe"], metrics.get("data"))
    recipe = [(key, json.dumps(value, ensure_ascii=False)) for key, value in metrics["recipe"].items()]
    versions = make_table(("package", "version"), list(metrics["versions"].items()))
    return Html(
        f"<pre>{escape(command)}</pre><div class=pair><div>{make_table(('recipe', ''), recipe)}</div>"
        f"<div>{versions}</div></div>"
    )
