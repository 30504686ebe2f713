"""Measure a file again and write what it claims, metadata and card, from the file and the photos alone.

    python -m export remeasure artifacts/NAME.onnx --data DIR [--report NAME-report/] [--about FILE] [--relabel FILE]

The learner is not needed. Figures of left-out collections come from the report, if one is given, else they stay.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import onnx

from bot.errors import LabelgramError, describe_os_error
from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.classifier import Classifier
from bot.inference.names import show_path
from export.card import read_about
from export.commands import make_remeasure_parser
from export.measure import evaluate_file, locate_evidence
from export.metadata import read_metrics, read_trained_on, write_json
from export.pipeline import write
from export.verification.labelled import find_known
from training.data.photos import DataError
from training.evaluation.evaluate import FOLDS, judge
from training.recipe import read_fields
from training.report.figures import find_left_out


def main(arguments: list[str]) -> int:
    """Exit status: 0 file and card are written, 2 the file or the photos cannot be used."""
    options = make_remeasure_parser().parse_args(arguments)
    try:
        remeasure(options.model, options.data, options.report, options.about, options.relabel, options.class_folder)
    except (LabelgramError, OSError) as error:
        text = describe_os_error(error) if isinstance(error, OSError) else str(error)
        print(f"remeasure: {show_path(text)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"remeasure: stopped{show_path(str(stop) or ', nothing is written')}.", file=sys.stderr)
        return 130
    print(f"wrote {show_path(options.model)} and its card {show_path(options.model.with_suffix('.md'))}")
    return 0


def remeasure(  # noqa: PLR0913, PLR0917
    model: Path,
    data: Path,
    report: Path | None = None,
    about: Path | None = None,
    relabel: Path | None = None,
    class_folder: str = CLASS_FOLDERS[0],
) -> None:
    """Write the file with the same net and what it scores now. Raises ModelError, DataError, OSError."""
    classifier = Classifier(model, threads=2)
    contract = classifier.contract
    metrics, trained_on = read_metrics(contract), read_trained_on(contract)
    if metrics.evaluation.judged_by == FOLDS:
        raise DataError(
            f"{model} learned from all its photos. Its figures are of the folds' nets, which are not kept. "
            "Export it again."
        )
    photos = find_known(data, contract.labels, trained_on, relabel, class_folder)
    if not photos.complete:
        raise DataError(f"{data} lacks photos of the training run. --data names the folder that it was trained on.")
    recipe = read_fields(trained_on.recipe)
    left_out = find_left_out(report, photos.trained_on, data, contract.labels) if report else metrics.left_out
    held_out = [photo for photo in photos.trained_on if photo.held_out]
    told = {label: recall.photos for label, recall in metrics.evaluation.scores.recall.items()}
    if Counter(photo.label for photo in held_out) != told:  # also of older files, which do not list them by label
        raise DataError(
            f"the labels of held-out photos in {data} differ from the training's. "
            "Give its --relabel and its --class-folder."
        )
    judged = judge(photos.trained_on, held_out, data, recipe.split_seed, trained_on.breakdown)
    measured = replace(
        metrics,
        evaluation=evaluate_file(classifier, judged, recipe, metrics.temperature),
        left_out=left_out,
        location=locate_evidence(classifier, photos.held_out),
    )
    if about:
        trained_on = replace(trained_on, about=read_about(about))
    write(onnx.load(model), replace(contract, metrics=write_json(measured), trained_on=write_json(trained_on)), model)
