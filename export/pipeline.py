"""A training run -> one file: load, build, check, quantise, check again, evaluate, write.

Each step is a function of the results before it. Nothing is written before the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from bot.inference.contract import Contract, Unsure
from bot.inference.decoding import decode
from export import card
from export.graph import parity
from export.graph.build import build_graph, finish
from export.graph.parity import Evidence, Photo
from export.graph.quantize import CALIBRATION_PHOTOS, quantize
from export.measure import evaluate_file, locate_evidence, open_graph
from export.metadata import FLOAT32, INT8, FileMetrics, Int8Loss, TrainedOn, describe_file, write_json
from export.training_run import CHECKED_PHOTOS, ExportError, TrainingRun, load
from training.data.photos import draw_evenly
from training.evaluation.answers import Answers, read_logits
from training.evaluation.evaluate import judge
from training.fitting.learner import compute_logits
from training.report.figures import PREPROCESS
from training.whole_files import check_files, name_file, name_part, replace_together


@dataclass(frozen=True)
class Order:
    """What is to be exported, and how."""

    pickle: Path
    out: Path
    int8: bool = False
    data: Path | None = None
    """The training photos, if they are not where they were."""
    photos: Path | None = None
    """More photos to check on."""
    about: str = ""
    """Markdown about the photos."""
    weights: str = ""
    """Source and licence of the weights that the training started from; empty: those that the recipe names."""


@dataclass(frozen=True)
class Checks:
    """The photos that the file is checked on, and what the learner itself says of them."""

    photos: list[Photo]
    """First the run's `checked` ones."""
    logits: NDArray[np.float32]
    """`[photos, outputs]`"""

    @property
    def names(self) -> list[str]:
        return [photo.name for photo in self.photos]


@dataclass(frozen=True)
class Candidate:
    """A graph that was asked about the checked photos."""

    graph: onnx.ModelProto
    temperature: float
    answers: Answers
    evidence: Evidence | None
    int8: Int8Loss | None = None
    """None: it is float32."""


def export(order: Order) -> FileMetrics:
    """Write the file and its card. Raises ExportError, DataError, ModelError, OSError; nothing is written then."""
    run = load(order.pickle, order.data)
    order.out.parent.mkdir(parents=True, exist_ok=True)  # before the work, so that it fails now if it does
    check_files(*name_files(order.out))
    trained_on = run.describe(order.about, order.weights)
    checks = gather_checks(run, order.photos)
    candidate = build(run, checks)
    if order.int8:
        candidate = quantise(candidate, run, checks)
    rule = run.limits.rule
    metrics = measure(candidate, run, rule)
    write(candidate.graph, describe(run, rule, trained_on, metrics), order.out)
    return metrics


def gather_checks(run: TrainingRun, more: Path | None) -> Checks:
    """The run's photos and those of the folder `more`, topped up with variants. Raises ExportError."""
    read = [parity.read_file(photo.path) for photo in run.checked]
    read += parity.read_folder(more) if more else []
    photos = parity.top_up(read, CHECKED_PHOTOS)
    variants = f", {len(photos) - len(read)} variants of the others" if len(photos) > len(read) else ""
    print(f"checking on {len(photos)} photos, {len(run.held_out)} of them held out from training{variants}")
    return Checks(photos, compute_logits(run.learner, [photo.data for photo in photos]))


def build(run: TrainingRun, checks: Checks) -> Candidate:
    """The float32 graph, asked about the checked photos. Raises ExportError if it differs from the learner."""
    temperature = run.limits.temperature
    candidate = _ask(build_graph(run.learner, temperature), temperature, run, checks)
    expected = read_logits(checks.logits, len(run.labels), temperature)
    agreement = parity.compare(expected, candidate.answers, checks.names, run.labels)
    print(f"temperature {temperature:.2f}\nfloat32 file against the learner: {agreement}")
    if agreement.labels < 1 or agreement.difference > parity.MAX_DIFFERENCE:
        raise ExportError(f"the file does not say what the learner says: {agreement}. Nothing was written.")
    return candidate


def quantise(full: Candidate, run: TrainingRun, checks: Checks) -> Candidate:
    """The int8 graph, asked about the checked photos. Raises ExportError if it loses more than chance explains."""
    pixels = [decode(photo.path.read_bytes(), PREPROCESS) for photo in draw_evenly(run.learned, CALIBRATION_PHOTOS)]
    candidate = _ask(quantize(full.graph, pixels), full.temperature, run, checks)
    agreement = parity.compare(full.answers, candidate.answers, checks.names, run.labels)
    print(f"int8 file against the float32 one: {agreement}")
    before, after = (graph.answers[: len(run.targets)].labels == run.targets for graph in (full, candidate))
    if parity.loses_more_than_chance(before, after):
        raise ExportError(
            f"int8 names {before.sum() - after.sum()} of {len(before)} photos worse, more than chance explains. "
            "Export without --int8. Nothing was written."
        )
    if agreement.labels < parity.MIN_INT8_AGREEMENT:
        print(f"int8 names {1 - agreement.labels:.1%} of the photos otherwise: few photos or epochs?")
    apart, peaks = None, None
    if full.evidence and candidate.evidence:
        apart, peaks = parity.compare_evidence(full.evidence, candidate.evidence)
        print(f"int8 evidence: {apart:.1%} away from float32's, the same strongest cell on {peaks:.1%}")
    loss = Int8Loss(float(before.mean()), agreement.labels, agreement.difference, apart, peaks)
    return replace(candidate, int8=loss)


def measure(candidate: Candidate, run: TrainingRun, rule: Unsure) -> FileMetrics:
    """Everything that the card claims: what the file scores, or its folds' nets where it learned from all photos."""
    if run.held_out:
        judged = judge(run.photos, run.held_out, run.folder, run.recipe.split_seed, run.facts.breakdown)
        classifier = open_graph(candidate.graph, describe(run, rule))
        answers = candidate.answers[: len(run.held_out)]
        evaluation = evaluate_file(classifier, judged, run.recipe, candidate.temperature, answers)
        location = locate_evidence(classifier, run.held_out)
    else:
        evaluation, location = run.metrics.evaluation, None
    return FileMetrics(
        precision=INT8 if candidate.int8 else FLOAT32,
        temperature=candidate.temperature,
        evaluation=evaluation,
        int8=candidate.int8,
        left_out=run.left_out,
        location=location,
    )


def describe(
    run: TrainingRun, rule: Unsure, trained_on: TrainedOn | None = None, metrics: FileMetrics | None = None
) -> Contract:
    """The file's metadata; of a file which is only asked, without what people read."""
    return Contract(
        labels=run.labels,
        preprocess=PREPROCESS,
        unsure=rule,
        arch=run.recipe.arch,
        trained_on=write_json(trained_on) if trained_on else "{}",
        metrics=write_json(metrics) if metrics else "{}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def name_files(out: Path) -> tuple[Path, Path, Path]:
    """The model, NAME.json and its card."""
    return out, out.with_suffix(".json"), out.with_suffix(".md")


def write(graph: onnx.ModelProto, contract: Contract, out: Path) -> None:
    """The file, NAME.json and its card, which get their names together once all are written. Raises OSError.

    Ctrl-C while they get them raises KeyboardInterrupt when they have them, which says so.
    """
    data = finish(graph, contract)
    places = {name_part(file): file for file in name_files(out)}
    model, description, text = places
    is_whole = False
    try:
        with name_file(out):
            model.write_bytes(data)
            description.write_bytes(f"{describe_file(data, out.name, contract)}\n".encode())
            text.write_bytes(card.render(model, out.name).encode())
            is_whole = True
            replace_together(places)
    except KeyboardInterrupt as stop:
        if is_whole and not model.exists():
            raise KeyboardInterrupt(f": {out} and its card are written") from stop
        raise
    finally:
        for part in places:
            part.unlink(missing_ok=True)


def _ask(graph: onnx.ModelProto, temperature: float, run: TrainingRun, checks: Checks) -> Candidate:
    """Raises ExportError if the evidence does not add up to the probabilities."""
    rule = Unsure(0.0, 1.0 if run.outsiders else None)
    classifier = open_graph(graph, describe(run, rule))
    answers, evidence = parity.ask(classifier, [photo.pixels for photo in checks.photos])
    if evidence and evidence.error > parity.MAX_EVIDENCE_ERROR:
        raise ExportError(f"the evidence misses the probabilities by {evidence.error:.2g}. Nothing was written.")
    return Candidate(graph, temperature, answers, evidence)
