"""The report as one HTML page that holds all it shows: no scripts, no requests, light and dark.

What it says and how it looks is in `templates/`. Jinja2 escapes all text: labels, paths and groups are the user's.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from training.evaluation.left_out.figures import LeftOut
from training.evaluation.subgroups import MIN_GROUP
from training.recipe import write_command
from training.report.tables import (
    MOST_ROWS,
    describe_traits,
    list_classes,
    list_few,
    list_kinds,
    list_left_out,
    list_padded,
    list_split,
    show_percent,
    show_range,
)
from training.runs import Metrics

TEMPLATES = Path(__file__).parent / "templates"
PAGE_FILE = "report.html"
LARGE = 150_000
"""Bytes from which on a picture is embedded as WebP instead of PNG."""
TITLES = (
    *("Figures", "Collections left out", "Classes", "Photos and split", "Wider surroundings", "Calibration"),
    *("Pictures of other things", "Groups", "What the net looks at", "Mistakes", "Suspicious labels", "Training"),
    "Make it again",
)


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


def make_page(
    name: str,
    metrics: Metrics,
    pictures: Mapping[str, bytes],
    suspects: Sequence[Suspect],
    left_out: LeftOut | None = None,
) -> str:
    """The whole page; `pictures` are the report's PNGs by file name, and those that are not there are left out."""
    run, evaluation = metrics.run, metrics.evaluation
    low = int(10 * min(group.right.interval[0] for group in evaluation.groups)) / 10
    environment = _make_environment(low)
    return environment.get_template("report.html").render(
        name=name,
        run=run,
        evaluation=evaluation,
        scores=metrics.scores,
        left_out=left_out,
        pictures=pictures,
        suspects=suspects,
        titles=[title for title in TITLES if left_out or title != "Collections left out"],
        trained_on=sum(run.photos["train"].values()),
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        command=write_command(
            name, run.recipe, run.data, leave_out=run.left_out, relabel=run.relabel, class_folder=run.class_folder
        ),
        most_rows=MOST_ROWS,
        min_group=MIN_GROUP,
        recall_head=[f"recall {label}" for label in list_few(list(evaluation.scores.precision))],
        left_out_rows=list_left_out(left_out, list_few(list(evaluation.scores.precision))) if left_out else [],
        class_rows=list_classes(run, evaluation),
        split_rows=list_split(run),
        padded_rows=list_padded(evaluation),
        bin_rows=[
            (
                f"{part.low:.2f} to {part.high:.2f}",
                part.photos,
                show_percent(part.confidence),
                show_percent(part.accuracy),
            )
            for part in evaluation.calibration.bins
            if part.photos
        ],
        kind_rows=list_kinds(evaluation),
        score_rows=[
            (score, f"{quality.auroc:.4f}", show_percent(quality.rejected))
            for score, quality in (metrics.scores.scores if metrics.scores else {}).items()
        ],
        traits=describe_traits(evaluation, low),
        suspect_rows=[
            (suspect.path, suspect.label, suspect.predicted, show_percent(suspect.probability), suspect.split)
            for suspect in suspects
        ],
        recipe_rows=[(key, json.dumps(value, ensure_ascii=False)) for key, value in run.recipe.items()],
    )


def embed(picture: bytes) -> str:
    """A `data:` address of a PNG or JPEG; a large one, with photos in it, as WebP of a tenth of the bytes."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    if len(picture) > LARGE:
        Image.open(io.BytesIO(picture)).convert("RGB").save(buffer := io.BytesIO(), "WEBP", quality=85)
        kind, picture = "webp", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _make_environment(low: float) -> Environment:
    """`low` is the share at which the bars of groups begin; they end at 1."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": show_percent, "range": show_range, "embed": embed}
    environment.filters["place"] = lambda share: f"{min(99.0, 100 * (share - low) / (1 - low)):.1f}"
    environment.tests["figure"] = lambda cell: isinstance(cell, str) and cell[:1].isdigit() and cell.endswith("%")
    return environment
