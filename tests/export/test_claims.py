"""Claims that were changed: what does not fit is refused with one line, and a false one that fits is found out."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bot.inference.classifier import Classifier
from bot.inference.contract import ModelError
from export.card import make_card
from export.metadata import check_counts, read_metrics, read_trained_on
from export.verification.checks import check_new, check_own
from tests.support.paths import ROOT
from training.evaluation.intervals import make_share
from training.recipe import read_fields

CONTRACT = Classifier(ROOT / "artifacts" / "mask.onnx", threads=1).contract
METRICS, TRAINED_ON = json.loads(CONTRACT.metrics), json.loads(CONTRACT.trained_on)
FOUND = read_metrics(CONTRACT).evaluation
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**400,
    1e300,
    "",
    "abc",
    "\u00e9",
    "\ud800",
    "|`<b>",
    [],
    {},
    [1],
    {"a": 1},
    2**70,
    0.5,
)
"""What a value of the JSON becomes."""


def use(metrics: Any, trained_on: Any) -> None:
    """Everything that verify and the card do with claims."""
    contract = replace(CONTRACT, metrics=json.dumps(metrics), trained_on=json.dumps(trained_on))
    claims, told = read_metrics(contract), read_trained_on(contract)
    check_counts(claims, told)
    read_fields(told.recipe)
    for check in (*check_own(claims.evaluation, FOUND, exact=True), *check_new(claims, FOUND)):
        str(check)
    make_card(contract, "mask.onnx", 10**7, evidence=True)


def find_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and object within, and a key of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from find_places(value[key])


def test_whatever_the_metadata_says_it_is_used_or_refused() -> None:
    rng = random.Random(7)
    refused = []
    for _ in range(150):
        parts = [copy.deepcopy(METRICS), copy.deepcopy(TRAINED_ON)]
        part = rng.choice(parts)
        holder, key = rng.choice(list(find_places(part)))
        match rng.choice(["remove", "retype", "rename", "add"]):
            case "remove":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[f"{key} <b>"] = holder.pop(key)
            case "add" if isinstance(holder, dict):
                holder["another"] = copy.deepcopy(holder[key])
            case _:
                holder[key] = rng.choice(ODD)
        try:
            use(*parts)
        except ModelError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all(message.endswith("Make it with `python -m export`.") for message in refused)


def change(*path: Any, to: Any) -> Callable[[Any], None]:
    def apply(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return apply


SCORES = ("evaluation", "scores")
PADDED = METRICS["evaluation"]["padded"]


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (change(*SCORES, "right", "photos", to=100_000), "has the interval"),
        (change(*SCORES, "right", "interval", to=[0.0, 1.0]), "photos has the interval"),
        (change(*SCORES, "right", to={"photos": 20_000, "share": 0.98, "interval": [0.978, 0.9819]}), "different"),
        (change(*SCORES, "recall", "wolf", to=METRICS["evaluation"]["scores"]["recall"]["with_mask"]), "classes"),
        (change(*SCORES, "recall", to={}), "different numbers of photos"),
        (change("evaluation", "padded", to={"4.0": PADDED["2"]}), "copies in surroundings"),
        (change("evaluation", "padded", to={**PADDED, "1.5 <b>": PADDED["2"]}), "copies in surroundings"),
        (change("evaluation", "padded", to={}), "copies in surroundings"),
        (change("evaluation", "judged_by", to="me"), "judged by 'me'"),
        (change("int8", to=None), "precision int8"),
        (change("left_out", "collections", to={}), "left-out collection needs"),
        (change("temperature", to=float("nan")), "no number that figures can have"),
        (change("left_out", "recipes", "seed", "split_seed", to=-1), "split_seed"),
        (change("left_out", "recipes", "seed", "epochs", to=10**400), "epochs is too large"),
        (change("int8", "evidence_peaks", to=None), "one figure of evidence"),
    ],
)
def test_claims_that_do_not_fit_are_refused(apply: Callable[[Any], None], message: str) -> None:
    metrics = copy.deepcopy(METRICS)
    apply(metrics)
    with pytest.raises(ModelError, match=message):
        use(metrics, TRAINED_ON)


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (change("learned", to="abc"), "Incorrect padding"),
        (change("learned", to="\u00e9"), "ASCII"),
        (change("held_out", to="AAAA"), "cut short"),
        (change("held_out", to=""), None),  # of an older version
        (change("held_out", to="AAAAAAA="), "figures of 1593 photos and lists 1"),
        (change("recipe", "split_seed", to=-1), "split_seed"),
        (change("recipe", "split_seed", to=2**70), "split_seed"),
    ],
)
def test_a_training_that_does_not_fit_is_refused(apply: Callable[[Any], None], message: str | None) -> None:
    trained_on = copy.deepcopy(TRAINED_ON)
    apply(trained_on)
    if message is None:
        use(METRICS, trained_on)
        return
    with pytest.raises(ModelError, match=message):
        use(METRICS, trained_on)


def test_metadata_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ModelError, match="nested too deeply"):
        read_metrics(replace(CONTRACT, metrics="[" * 100_000))


def test_true_claims_hold_and_false_ones_do_not() -> None:
    """Of as many photos as there are, and of answers that are wrong and sure."""
    claims = read_metrics(CONTRACT)
    assert all(check.holds for check in check_own(claims.evaluation, FOUND, exact=True))
    modest = replace(FOUND.scores, wrong_and_sure=make_share(0, FOUND.scores.right.photos))
    sure = replace(claims.evaluation, scores=modest)
    failed = [check.name for check in check_own(sure, FOUND, exact=True) if not check.holds]
    assert failed == ["wrong and sure"]
    fewer = replace(FOUND.scores, right=make_share(1000, 1100), unsure=make_share(50, 1100))
    other = replace(claims.evaluation, scores=fewer)
    failed = [check.name for check in check_own(other, FOUND, exact=True) if not check.holds]
    assert failed == [
        "accuracy, of 1100 photos instead of 1593",
        "no label, of 1100 photos instead of 1593",
    ]


def test_a_class_of_which_there_is_no_photo_is_no_traceback() -> None:
    none = replace(FOUND.scores, recall=FOUND.scores.recall | {"wolf": make_share(0, 0)})
    assert all(check.holds for check in check_own(replace(FOUND, scores=none), FOUND, exact=True))
