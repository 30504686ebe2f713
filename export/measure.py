"""What a file says of photos whose labels are known, for `pipeline` and for a file that is measured again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from bot.inference.classifier import Classifier
from bot.inference.contract import Contract
from bot.inference.decoding import decode
from export.graph.build import finish
from training.data.photos import DataError, LabelledPhoto
from training.evaluation.answers import Answers, ask_file
from training.evaluation.evaluate import Evaluation, JudgedModel, JudgedPhotos, evaluate
from training.evaluation.evidence import Location, find_boxes, find_pairs, measure_location
from training.evaluation.out_of_distribution import draw_unseen
from training.recipe import Recipe


def open_graph(graph: onnx.ModelProto, contract: Contract) -> Classifier:
    """The graph as the bot will run it: from a file of the contract, by the bot's own classifier."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(finish(graph, contract))
        return Classifier(file, threads=os.cpu_count() or 1)


def evaluate_file(
    classifier: Classifier, judged: JudgedPhotos, recipe: Recipe, temperature: float, answers: Answers | None = None
) -> Evaluation:
    """Every figure of a file, by its own rule; `answers` are those to the photos, if they were asked before."""
    contract = classifier.contract
    ask = ask_file(classifier)
    model = JudgedModel(ask, contract.labels, contract.unsure, temperature)
    if answers is None:
        answers = ask((photo.path.read_bytes() for photo in judged.photos), judged.photos)
    if contract.unsure.outsider is not None:
        try:
            judged = replace(judged, unseen=draw_unseen(recipe))
        except DataError as error:
            print(f"pictures of something else are not measured: {error}")
    return evaluate(model, judged, answers)


def locate_evidence(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> Location | None:
    """Where a file's evidence lies on the pairs among photos; None without pairs or evidence."""
    pairs, contract = find_pairs(photos), classifier.contract
    if not pairs or not classifier.explains:
        return None
    pixels = [
        [decode(photo.path.read_bytes(), contract.preprocess) for photo in (pair.plain, pair.drawn)] for pair in pairs
    ]
    classes = [contract.labels.index(pair.drawn.label) for pair in pairs]
    explained = zip(pixels, classes, strict=True)
    cells = np.array([classifier.explain(drawn)[1][number] for (_, drawn), number in explained])
    return measure_location(cells, [find_boxes(plain, drawn) for plain, drawn in pixels])
