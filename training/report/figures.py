"""A trained net -> its figures: of the judged photos, and of a collection that it was trained without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from fastai.learner import Learner
from numpy.typing import NDArray

from bot.inference.contract import SIZE, Preprocess
from bot.inference.decoding import decode
from training.data.photos import DataError, LabelledPhoto
from training.evaluation.answers import PART, AskLogits, ask_net, read_logits
from training.evaluation.calibration import Limits
from training.evaluation.evaluate import FOLDS, HELD_OUT, JudgedModel, evaluate, judge
from training.evaluation.evidence import Location, compute_cells, find_boxes, find_pairs, measure_location
from training.evaluation.left_out.figures import LeftOut, measure_left_out
from training.evaluation.left_out.runs import LeftOutRun, make_run, read_runs
from training.evaluation.out_of_distribution import compare_scores, draw_unseen
from training.evaluation.subgroups import Traits, find_traits
from training.fitting.batches.dataloaders import get_labels
from training.fitting.learner import compute_logits
from training.recipe import Recipe, read_fields
from training.runs import Metrics, RunFacts

PREPROCESS = Preprocess(size=SIZE, resize=256)
"""What fastai's RandomResizedCrop(224) does to a validation photo; the bot decodes to the same pixels."""


def measure(  # noqa: PLR0913, PLR0917
    learner: Learner,
    photos: Sequence[LabelledPhoto],
    logits: NDArray[np.float32],
    facts: RunFacts,
    limits: Limits,
    folds: AskLogits | None = None,
) -> Metrics:
    """The figures; `logits` are of the judged photos, float32 `[judged, outputs]`."""
    labels, recipe = get_labels(learner.dls), read_fields(facts.recipe)
    judged = judge(
        photos,
        [photo for photo in photos if folds or photo.held_out],
        Path(facts.data),
        recipe.split_seed,
        facts.breakdown,
    )
    judged = replace(judged, unseen=_draw_unseen(recipe))
    answers = read_logits(logits, len(labels), limits.temperature)
    model = JudgedModel(
        ask=ask_net(folds or ask_learner(learner), len(labels), limits.temperature),
        labels=labels,
        rule=limits.rule,
        temperature=limits.temperature,
        judged_by=FOLDS if folds else HELD_OUT,
    )
    return Metrics(
        run=facts,
        evaluation=evaluate(model, judged, answers),
        rule=model.rule,
        scores=compare_scores(learner, ask_learner(learner), photos, judged.unseen),
    )


def find_left_out(report: Path, photos: Sequence[LabelledPhoto], data: Path, labels: Sequence[str]) -> LeftOut | None:
    """What the runs in a report say of collections that were left out; None without such runs.

    Raises DataError for a run that cannot be read, or whose classes are not `labels`.
    """
    runs, paths = read_runs(report, labels), {photo.path.relative_to(data).as_posix(): photo for photo in photos}
    traits: dict[str, Traits] = {}
    for run in runs:
        known = [paths[photo.path] for photo in run.photos if photo.path in paths]
        if len(known) == len(run.photos):  # other photos' traits are not known
            traits[run.collection] = find_traits(known, data)
    return measure_left_out(runs, traits)


def describe_left_out(
    learner: Learner, left_out: Sequence[LabelledPhoto], logits: NDArray[np.float32], metrics: Metrics
) -> LeftOutRun:
    """What the net says of the photos that were left out, for the report of the recipe that it was trained by."""
    facts, labels, recipe = metrics.run, get_labels(learner.dls), read_fields(metrics.run.recipe)
    run = make_run(facts.left_out or "", left_out, logits, Path(facts.data), labels)
    pictures = {kind: ask_learner(learner)(files).tolist() for kind, files in _draw_unseen(recipe).items()}
    location = _locate(learner, left_out, metrics.evaluation.calibration.temperature)
    return replace(run, recipe=facts.recipe, pictures=pictures, location=location)


def _locate(learner: Learner, photos: Sequence[LabelledPhoto], temperature: float) -> Location | None:
    """Where the net's evidence lies on the pairs among photos; None without pairs, or with another head."""
    pairs, labels, heats, boxes = find_pairs(photos), get_labels(learner.dls), [], []
    for pair in pairs:
        data = [photo.path.read_bytes() for photo in (pair.plain, pair.drawn)]
        (batch,) = learner.dls.test_dl(data[1:], num_workers=0, bs=1).one_batch()
        cells = compute_cells(learner.model, batch, len(labels), temperature)
        if cells is None:
            return None
        heats.append(cells[0, labels.index(pair.drawn.label)])
        boxes.append(find_boxes(*(decode(file, PREPROCESS) for file in data)))
    return measure_location(np.array(heats), boxes) if pairs else None


def ask_learner(learner: Learner) -> AskLogits:
    def ask(pictures: Sequence[bytes], photos: Sequence[LabelledPhoto] | None = None) -> NDArray[np.float32]:
        return compute_logits(learner, list(pictures))

    return ask


def compute_all(ask: AskLogits, photos: Sequence[LabelledPhoto]) -> NDArray[np.float32]:
    """Logits of the photos, float32 `[photos, outputs]`."""
    parts = [photos[start : start + PART] for start in range(0, len(photos), PART)]
    return np.concatenate([ask([photo.path.read_bytes() for photo in part], part) for part in parts])


def _draw_unseen(recipe: Recipe) -> dict[str, list[bytes]]:
    try:
        return draw_unseen(recipe)
    except DataError as error:
        print(f"pictures of something else are not measured: {error}")
        return {}
