"""A model file -> its card, the page that says what it is, how good and with what limits.

Nothing in it is written by hand: it is made from the file's own metadata alone, so that anyone can make it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from bot.inference.contract import Contract, Unsure
from training.evaluation.subgroups import MEANINGS, MIN_GROUP
from training.recipe import write_command

Facts = Mapping[str, Any]


def render(model: Path) -> str:
    """The card of a file that `python -m export` wrote, as Markdown."""
    properties = onnx.load(model, load_external_data=False).metadata_props
    contract = Contract.from_metadata({entry.key: entry.value for entry in properties})
    facts, source = json.loads(contract.metrics), json.loads(contract.trained_on)
    sections = [
        _headline(model, contract, facts),
        _data(facts, source),
        _accuracy(facts),
        _calibration(facts, contract.unsure),
        _rejection(facts, contract.unsure),
        _fairness(facts),
        _size(model, facts),
        _limits(contract, facts),
        _reproduce(model, source, facts["precision"]),
    ]
    return "\n\n".join(sections) + "\n"


def _headline(model: Path, contract: Contract, facts: Facts) -> str:
    names = ", ".join(f"`{label}`" for label in contract.labels)
    return (
        f"# {model.name}\n\n"
        f"Names photos: {names}. {contract.arch}, {facts['precision']}, made {contract.created[:10]}. "
        f"{_share(facts['accuracy'])} right {_ends(facts['interval'])} on {facts['held_out']} photos kept out of "
        f"training, {_share(facts['neutral']['accuracy'])} on copies of them whose size says nothing.\n\n"
        "This card is made by `python -m export` from what the file itself scored, never by hand; brackets are 95 % "
        "intervals (Wilson)."
    )


def _data(facts: Facts, source: Facts) -> str:
    photos = source["photos"]
    counts = ", ".join(f"{count} `{label}`" for label, count in photos.items())
    about = source["about"] or "Nobody has said where the photos come from, nor under what licence (`--about FILE`)."
    return (
        f"## Photos\n\n{about}\n\n"
        f"Trained on {sum(photos.values())} photos ({counts}), judged on {facts['held_out']} others. Near-duplicates "
        f"({source['near_duplicates']} photos, by {source['grouped_by']}) never stand on both sides of the split; "
        f"a naive random split would have judged on {source['naive_twins']} of {source['naive_held_out']} photos whose "
        "near-duplicate it had trained on. No epoch was chosen by the held-out photos; the temperature and the limits "
        "of the unsure rule were."
    )


def _accuracy(facts: Facts) -> str:
    rows = [("photos as they are", facts), ("neutral copies", facts["neutral"])]
    labels = list(facts["recall"])
    head = ["held-out photos", "right", "95 % interval", *(f"recall `{label}`" for label in labels)]
    head, labels = (head[:3], []) if len(labels) > 6 else (head, labels)
    cells = [
        [name, _share(one["accuracy"]), _ends(one["interval"]), *(_share(one["recall"][label]) for label in labels)]
        for name, one in rows
    ]
    text = (
        "## Accuracy\n\n"
        + _table(head, cells)
        + "\n\nNeutral copies are squished to sizes drawn without looking at labels: width and "
        f"height alone tell the label of {_share(facts['size_only_accuracy'])} of all photos. Photos answered with "
        '"I am not sure" count by their best class.'
    )
    if "float32" in facts:
        full = facts["float32"]
        text += (
            f"\n\nint8 against float32: {_share(facts['accuracy'])} and {_share(full['accuracy'])} right, "
            f"the same label on {_share(full['label_agreement'])}, probabilities within {full['difference']:.3f}."
        )
    return text


def _calibration(facts: Facts, rule: Unsure) -> str:
    one = facts["calibration"]
    text = (
        f"## Calibration\n\nExpected calibration error {_share(one['error'])} ({one['bins']} bins of equal width) with "
        f"a temperature of {facts['temperature']}, which is folded into the graph"
    )
    if "error_cross_fitted" in one:
        text += f"; {_share(one['error_cross_fitted'])} where each half's temperature comes from the other half"
    return f'{text}. Below a best probability of {rule.threshold:.2f} the answer is "I am not sure".'


def _rejection(facts: Facts, rule: Unsure) -> str:
    if "rejection" not in facts:
        return (
            "## Photos of something else\n\nIt was trained without outsiders: a photo of anything gets the label that "
            f"fits least badly, unless its best probability is below {rule.threshold:.2f}. "
            f"{_share(facts['unsure'])} of the held-out photos get no label."
        )
    one = facts["rejection"]
    rows = [[kind, str(found["pictures"]), _share(found["rejected"])] for kind, found in one["kinds"].items()]
    return (
        f"## Photos of something else\n\nA second output, `outsider`, tells pictures of none of the classes; above "
        f'{rule.outsider:.2f} the answer is "I am not sure". Of {one["pictures"]} pictures of kinds that it was never '
        f"trained on, {_share(one['rejected'])} {_ends(one['interval'])} get no label, and of the held-out photos "
        f"{_share(facts['unsure'])} ({_share(facts['neutral']['unsure'])} of their neutral copies).\n\n"
        + _table(["kind never trained on", "pictures", "no label"], rows)
    )


def _fairness(facts: Facts) -> str:
    one = facts["fairness"]
    rows = [
        [group["trait"], group["value"], str(group["photos"]), _share(group["accuracy"]), _ends(group["interval"])]
        for group in one["groups"]
    ]
    traits = dict.fromkeys(group["trait"] for group in one["groups"])
    notes = "; ".join(f"{trait}: {MEANINGS[trait]}" for trait in traits if trait in MEANINGS)
    worst = one["worst"]
    verdict = f"No group has {MIN_GROUP} photos."
    if worst:
        where = "below" if worst["gap"] > 0 else "above"
        verdict = (
            f"Worst group of at least {MIN_GROUP} photos: **{worst['trait']} {worst['value']}**, "
            f"{_share(worst['accuracy'])} of {worst['photos']}, {abs(worst['gap']):.1f} points {where} all photos."
        )
    return (
        f"## Groups\n\n{verdict}\n\n"
        + _table(["trait", "group", "photos", "right", "95 % interval"], rows)
        + f"\n\n{notes}."
    )


def _size(model: Path, facts: Facts) -> str:
    return f"## Size\n\n{model.stat().st_size / 1e6:.1f} MB, {facts['precision']}, one file without external data."


def _limits(contract: Contract, facts: Facts) -> str:
    lines = [
        "The held-out photos come from the same collections as the training photos: on photos of another kind it may "
        "do worse, and only a test on those tells how much.",
        "It gives one label to a whole photo. Several things in it, or a small one far away, get one answer.",
        f"It knows {len(contract.labels)} classes and nothing else. What looks like one of them is called so.",
        "Apparent skin tone, where it is listed, is estimated from pixels; it is no statement about a person.",
        "It is no safety device and no medical one. Nobody should be let in, kept out or watched on its word.",
    ]
    if facts["size_only_accuracy"] > 0.9:
        lines.insert(0, "In these photos the size gives the label away: trust the neutral copies' figure more.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _reproduce(model: Path, source: Facts, precision: str) -> str:
    name = model.stem
    steps = [write_command(name, source["recipe"], None)]
    int8 = " --int8" if precision == "int8" else ""
    steps.append(f"python -m export artifacts/{name}.pkl --out artifacts/{name}.onnx{int8}")
    steps.append(f"python -m export verify artifacts/{name}.onnx --data DIR   # measures the claims above again")
    return "## How to make it again\n\n```sh\n" + "\n".join(steps) + "\n```"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(share: float) -> str:
    return f"{100 * share:.2f} %"


def _ends(interval: Sequence[float]) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
