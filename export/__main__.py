"""Turn a trained learner into one ONNX file that the bot runs.

    python -m export artifacts/NAME.pkl --out artifacts/NAME.onnx [--int8]

The file is checked against the learner, photo by photo, before it is written; if they differ nothing is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import softmax

from bot.classifier import Classifier
from bot.contract import SIZE, Contract, ModelError, Preprocess, Unsure
from bot.photo import PhotoError, decode, find_photos, read
from export import verify
from export.calibrate import choose_unsure, fit_temperature
from export.graph import OPSET, build_graph, finish
from export.quantize import CALIBRATION_PHOTOS, quantize
from export.source import ExportError, Source, load
from export.verify import Photo
from training.learner import compute_logits
from training.neutral import copy_held_out

# What fastai's RandomResizedCrop(224) does to a validation photo; the same decoder and filter make the same pixels.
PREPROCESS = Preprocess(size=SIZE, resize=256)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _run(options.pickle, options.out, options.data, options.photos, options.int8)
    except (ExportError, ModelError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("export: stopped, nothing is written.", file=sys.stderr)
        return 130
    return 0


def _run(pickle: Path, out: Path, data: Path | None, more: Path | None, int8: bool) -> None:
    source = load(pickle, data)
    held_out = [_read(photo.path) for photo in source.held_out]
    given = list(_given(more)) if more else []
    photos = verify.top_up([*held_out, *given], verify.MIN_PHOTOS)
    print(f"checking on {len(photos)} photos, {len(held_out)} of them held out from training")

    logits = compute_logits(source.learner, [photo.data for photo in photos])
    targets = np.array([source.labels.index(photo.label) for photo in source.held_out])
    temperature = fit_temperature(logits[: len(held_out)], targets)
    expected = softmax(logits / temperature, axis=1)
    graph = build_graph(source.learner, temperature)
    print(f"opset {OPSET}, temperature {temperature:.2f}")

    classifier = _open(graph, source)
    found = verify.classify(classifier, photos)
    agreement = verify.compare(expected, found, photos, source.labels)
    print(f"float32 file against the learner: {agreement}")
    if agreement.labels < 1 or agreement.difference > verify.MAX_DIFFERENCE:
        raise ExportError(f"the file does not say what the learner says: {agreement}. Nothing was written.")
    facts: dict[str, object] = {"precision": "float32"}
    if int8:
        graph = quantize(graph, _calibration_pixels(source))
        classifier = _open(graph, source)
        quantized = verify.classify(classifier, photos)
        agreement = verify.compare(found, quantized, photos, source.labels)
        print(f"int8 file against the float32 one: {agreement}")
        lost = _count_right(found, targets) - _count_right(quantized, targets)
        if lost > max(1, verify.MAX_INT8_LOSS * len(held_out)):
            raise ExportError(f"int8 names {lost} held-out photos worse. Export without --int8. Nothing was written.")
        facts = {"precision": "int8", "label_agreement_with_float32": agreement.labels}
        found = quantized

    measured = found[: len(held_out)]
    unsure = choose_unsure(measured.max(axis=1))
    copies = [Photo("neutral copy", copy) for copy in copy_held_out(source.photos, source.metrics["recipe"]["seed"])]
    neutral = _figures(verify.classify(classifier, copies), targets, unsure, source.labels)
    facts |= {"held_out": len(held_out), **_figures(measured, targets, unsure, source.labels)}
    facts |= {"neutral": neutral, "size_only_accuracy": source.metrics["size_only_accuracy"]}
    _write(finish(graph, _contract(source, unsure, facts)), out)
    print(f"accuracy {facts['accuracy']:.2%} on the {len(held_out)} held-out photos, unsure below {unsure.threshold}")
    print(f"accuracy {neutral['accuracy']:.2%} on neutral copies of them (`python -m training.neutral`)")
    print(f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB")


def _open(graph: onnx.ModelProto, source: Source) -> Classifier:
    """The graph as the bot will run it: from a file of the contract, by the bot's own classifier."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(finish(graph, _contract(source, Unsure(0.0), {})))
        return Classifier(file, threads=os.cpu_count() or 1)


def _contract(source: Source, unsure: Unsure, facts: dict[str, object]) -> Contract:
    trained_on = {"photos": dict(Counter(photo.label for photo in source.trained_on)), **source.metrics["split"]}
    return Contract(
        labels=source.labels,
        preprocess=PREPROCESS,
        unsure=unsure,
        arch=source.metrics["recipe"]["arch"],
        trained_on=json.dumps(trained_on, ensure_ascii=False),
        metrics=json.dumps(facts, ensure_ascii=False),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _figures(
    probabilities: NDArray[np.float32], targets: NDArray[np.int64], unsure: Unsure, labels: tuple[str, ...]
) -> dict[str, object]:
    """What this very file scores on the held-out photos. Unsure answers count by their best class."""
    right = probabilities.argmax(1) == targets
    recall = {label: round(float(right[targets == index].mean()), 4) for index, label in enumerate(labels)}
    return {
        "accuracy": round(float(right.mean()), 4),
        "recall": recall,
        "unsure": round(float((probabilities.max(1) < unsure.threshold).mean()), 4),
    }


def _count_right(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> int:
    """Of the held-out photos, which come first; `probabilities` may go on with others."""
    return int((probabilities[: len(targets)].argmax(1) == targets).sum())


def _calibration_pixels(source: Source) -> list[NDArray[np.uint8]]:
    """Pixels of training photos, evenly spread over the folders' order."""
    photos = source.trained_on
    chosen = [
        photos[index] for index in np.linspace(0, len(photos) - 1, min(CALIBRATION_PHOTOS, len(photos)), dtype=int)
    ]
    return [decode(photo.path.read_bytes(), PREPROCESS) for photo in chosen]


def _given(folder: Path) -> Iterator[Photo]:
    files = find_photos(folder)
    if not files:
        raise ExportError(f"there is no photo in {folder}. --photos names a folder of photos to check on.")
    for file in files:
        try:
            yield _read(file)
        except ExportError as error:
            print(f"skipped {error}")


def _read(path: Path) -> Photo:
    photo = Photo(str(path), path.read_bytes())
    try:
        read(photo.data)
    except PhotoError as error:
        raise ExportError(f"{path}: {error}") from error
    return photo


def _write(data: bytes, out: Path) -> None:
    """Under a temporary name first, so that a killed export leaves no half file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    part.write_bytes(data)
    part.replace(out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export", description="Turn a trained learner into one ONNX file.", allow_abbrev=False
    )
    parser.add_argument("pickle", type=Path, metavar="artifacts/NAME.pkl", help="what `python -m training` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="artifacts/NAME.onnx", help="the file to write")
    parser.add_argument(
        "--int8", action="store_true", help="quantise: a quarter of the size, about three times as fast"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the training photos, if they are not where they were")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="more photos to check on")
    return parser


if __name__ == "__main__":
    sys.exit(main())
