"""Turn a trained learner into one ONNX file that the bot runs, and measure such a file again.

    python -m export artifacts/NAME.pkl --out artifacts/NAME.onnx [--int8]
    python -m export verify artifacts/NAME.onnx --data DIR

The file is checked against the learner, photo by photo, before it is written; if they differ nothing is written. Beside
it goes its card, NAME.md, made from what the file itself scored.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import softmax

from bot.inference.classifier import Classifier
from bot.inference.contract import SIZE, Contract, ModelError, Preprocess, Unsure
from bot.inference.decoding import PhotoError, decode, read
from bot.inference.photo_files import find_photos, read_photo
from export import card, parity, verify
from export import metrics as figures
from export.graph import OPSET, build_graph, finish
from export.metrics import Answers
from export.parity import Photo
from export.quantize import CALIBRATION_PHOTOS, quantize
from export.thresholds import choose_unsure
from export.training_run import ExportError, Source, digest, load
from training.data.photos import DataError
from training.evaluation.calibration import fit_temperature
from training.evaluation.out_of_distribution import draw_unseen
from training.evaluation.size_shortcut import copy_held_out
from training.evaluation.subgroups import find_traits
from training.fitting.learner import compute_logits

# What fastai's RandomResizedCrop(224) does to a validation photo; the same decoder and filter make the same pixels.
PREPROCESS = Preprocess(size=SIZE, resize=256)


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["verify"]:
        return verify.main(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (ExportError, ModelError, DataError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("export: stopped, nothing is written.", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    about = _read_about(options.about)
    source = load(options.pickle, options.data)
    held_out = [_read(photo.path) for photo in source.held_out]
    given = list(_given(options.photos)) if options.photos else []
    photos = parity.top_up([*held_out, *given], parity.MIN_PHOTOS)
    print(f"checking on {len(photos)} photos, {len(held_out)} of them held out from training")

    logits = compute_logits(source.learner, [photo.data for photo in photos])
    labels = len(source.labels)
    temperature = fit_temperature(logits[: len(held_out), :labels], source.targets)
    graph = build_graph(source.learner, temperature)
    print(f"opset {OPSET}, temperature {temperature:.2f}")

    classifier = _open(graph, source)
    found = figures.ask(classifier, [photo.data for photo in photos])
    agreement = parity.compare(_say(logits, labels, temperature), found, photos, source.labels)
    print(f"float32 file against the learner: {agreement}")
    if agreement.labels < 1 or agreement.difference > parity.MAX_DIFFERENCE:
        raise ExportError(f"the file does not say what the learner says: {agreement}. Nothing was written.")
    facts: dict[str, Any] = {"precision": "float32", "temperature": round(temperature, 4)}
    if options.int8:
        graph = quantize(graph, _calibration_pixels(source))
        classifier = _open(graph, source)
        quantized = figures.ask(classifier, [photo.data for photo in photos])
        facts |= {"precision": "int8", "float32": _compare_int8(found, quantized, photos, source)}
        found = quantized

    measured = found[: len(held_out)]
    rule = choose_unsure(measured)
    facts = _measure(classifier, measured, rule, source) | facts
    _write(finish(graph, _contract(source, rule, facts, about)), options.out)
    _write(card.render(options.out).encode(), options.out.with_suffix(".md"))
    _describe(facts, options.out)


def _say(logits: NDArray[np.float32], labels: int, temperature: float) -> Answers:
    """The learner's answers, as the graph has to give them, from its logits `[photos, outputs]`."""
    probabilities = softmax(logits[:, :labels] / temperature, axis=1)
    more = softmax(logits, axis=1)[:, -1] if logits.shape[1] > labels else np.full(len(logits), np.nan)
    return Answers(probabilities.astype(np.float32), more.astype(np.float32))


def _compare_int8(found: Answers, quantized: Answers, photos: list[Photo], source: Source) -> dict[str, Any]:
    """How int8 answers against float32. Raises ExportError if it names too many held-out photos worse."""
    agreement = parity.compare(found, quantized, photos, source.labels)
    print(f"int8 file against the float32 one: {agreement}")
    count = len(source.held_out)
    before, after = (int((one[:count].labels == source.targets).sum()) for one in (found, quantized))
    if before - after > max(1, parity.MAX_INT8_LOSS * count):
        raise ExportError(
            f"int8 names {before - after} held-out photos worse. Export without --int8. Nothing was written."
        )
    if agreement.labels < parity.MIN_INT8_AGREEMENT:
        print(
            f"int8 names more than {1 - parity.MIN_INT8_AGREEMENT:.1%} of the photos otherwise: few photos or epochs?"
        )
    return {
        "accuracy": round(before / count, figures.DIGITS),
        "label_agreement": round(agreement.labels, figures.DIGITS),
        "difference": round(agreement.difference, figures.DIGITS),
    }


def _measure(classifier: Classifier, answers: Answers, rule: Unsure, source: Source) -> dict[str, Any]:
    """Everything that the card claims, from the file's own answers to the held-out photos and to outsiders."""
    targets, labels = source.targets, source.labels
    copies = figures.ask(classifier, copy_held_out(source.photos, source.recipe.split_seed))
    traits = find_traits(source.held_out, source.folder, source.breakdown)
    facts: dict[str, Any] = {
        "held_out": len(targets),
        **figures.score(answers, targets, rule, labels),
        "neutral": figures.score(copies, targets, rule, labels),
        "size_only_accuracy": round(source.metrics["size_only_accuracy"], figures.DIGITS),
        "calibration": figures.calibration(answers, targets, [photo.group for photo in source.held_out]),
        "fairness": figures.fairness(answers, targets, labels, traits),
    }
    if rule.outsider is not None:
        unseen = {kind: figures.ask(classifier, pictures) for kind, pictures in draw_unseen(source.recipe).items()}
        facts["rejection"] = figures.rejection(unseen, rule)
    return facts


def _describe(facts: dict[str, Any], out: Path) -> None:
    neutral, unsure = facts["neutral"], f"{facts['unsure']:.2%} of them unsure"
    print(f"accuracy {facts['accuracy']:.2%} on the {facts['held_out']} held-out photos, {unsure}")
    print(
        f"accuracy {neutral['accuracy']:.2%} on neutral copies of them (`python -m training.evaluation.size_shortcut`)"
    )
    print(f"expected calibration error {facts['calibration']['error']:.2%}")
    if "rejection" in facts:
        one = facts["rejection"]
        print(f"{one['rejected']:.1%} of {one['pictures']} outsiders of kinds it was not trained on are turned away")
    print(f"wrote {out}, {out.stat().st_size / 1e6:.1f} MB, and its card {out.with_suffix('.md')}")


def _open(graph: onnx.ModelProto, source: Source) -> Classifier:
    """The graph as the bot will run it: from a file of the contract, by the bot's own classifier."""
    never = Unsure(0.0, 1.0 if len(source.learner.dls.vocab) > len(source.labels) else None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(finish(graph, _contract(source, never, {})))
        return Classifier(file, threads=os.cpu_count() or 1)


def _contract(source: Source, unsure: Unsure, facts: dict[str, Any], about: str = "") -> Contract:
    trained_on = {
        "photos": dict(Counter(photo.label for photo in source.trained_on)),
        **source.metrics["split"],
        "held_out": digest(source.held_out, source.folder),
        "recipe": asdict(source.recipe),
        "split_seed": source.recipe.split_seed,
        "about": about,
    }
    return Contract(
        labels=source.labels,
        preprocess=PREPROCESS,
        unsure=unsure,
        arch=source.recipe.arch,
        trained_on=json.dumps(trained_on, ensure_ascii=False),
        metrics=json.dumps(facts, ensure_ascii=False),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


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


def _read_about(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"cannot read {file}: {error}. --about names a text about the photos.") from error


def _read(path: Path) -> Photo:
    try:
        photo = Photo(str(path), read_photo(path))
        read(photo.data)
    except (PhotoError, OSError) as error:
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
        prog="python -m export",
        description="Turn a trained learner into one ONNX file, with a card.",
        epilog="`python -m export verify --help`: measure such a file again.",
        allow_abbrev=False,
    )
    parser.add_argument("pickle", type=Path, metavar="artifacts/NAME.pkl", help="what `python -m training` wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="artifacts/NAME.onnx", help="the file to write")
    parser.add_argument(
        "--int8", action="store_true", help="quantise: a quarter of the size, about three times as fast"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the training photos, if they are not where they were")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="more photos to check on")
    parser.add_argument(
        "--about",
        type=Path,
        metavar="FILE",
        help="Markdown for the card: the photos' origin and licence",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
