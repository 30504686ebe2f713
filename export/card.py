"""A model file -> its card, the page that says what it is, how good and with what limits.

Nothing in it is written by hand: it is made from the file's own metadata alone, so that anyone can make it again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import onnx
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.inference.contract import EVIDENCE, Contract
from export.metadata import INT8, LICENCE, FileMetrics, PhotoOptions, read_metrics, read_trained_on
from training.data.photos import DataError
from training.evaluation.evaluate import FOLDS, HELD_OUT, SURE, Scores
from training.evaluation.intervals import Share
from training.evaluation.left_out.figures import LeftOut
from training.evaluation.subgroups import MEANINGS, MIN_GROUP, Group
from training.recipe import write_command, write_options
from training.records import escape_bytes

TEMPLATES = Path(__file__).parent / "templates"
BAR = "\\|"
"""A | that parts no cells of a table."""
MOST_LABELS = 6
"""Labels whose recall has a column."""


def read_about(file: Path) -> str:
    """What a person wrote of the photos, Markdown. Raises DataError."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}. --about names a text in UTF-8 about the photos.") from error


def render(model: Path, name: str = "") -> str:
    """The card of a file that `python -m export` wrote, as Markdown. Raises ModelError for another file.

    `name` is what it will be called, if that is not its name yet.
    """
    graph = onnx.load(model, load_external_data=False)
    contract = Contract.from_metadata({entry.key: entry.value for entry in graph.metadata_props})
    outputs = [output.name for output in graph.graph.output]
    return make_card(contract, name or model.name, model.stat().st_size, evidence=EVIDENCE in outputs)


def make_card(contract: Contract, name: str, size: int, evidence: bool) -> str:
    """The card of a file with this name and size in bytes; `evidence`: it has that output. Raises ModelError."""
    stem = Path(name).stem
    metrics, trained_on = read_metrics(contract), read_trained_on(contract)
    evaluation, left_out = metrics.evaluation, metrics.left_out
    labels = list(contract.labels) if len(contract.labels) <= MOST_LABELS else []
    text = (
        _make_environment()
        .get_template("card.md")
        .render(
            model=name,
            name=stem,
            licence=LICENCE,
            labels=contract.labels,
            arch=contract.arch,
            created=contract.created[:10],
            rule=contract.unsure,
            metrics=metrics,
            evaluation=evaluation,
            scores=evaluation.scores,
            judged="kept out of training" if evaluation.judged_by == HELD_OUT else "each judged by a fold's net",
            trained_on=trained_on,
            learned=sum(trained_on.photos.values()),
            recall_head=[f"recall {_code(label)}" for label in labels],
            transfers=left_out is not None and left_out.transfers(trained_on.recipe),
            changes=left_out.find_changes(trained_on.recipe) if left_out else {},
            left_out_rows=_list_left_out(left_out, labels) if left_out else [],
            left_out_groups=_list_left_out_groups(left_out, labels) if left_out else [],
            left_out_locations={
                name: part.location
                for name, part in (left_out.collections if left_out else {}).items()
                if part.location
            },
            own_rows=_list_own(metrics, labels),
            checked_right=evaluation.scores.right.share,
            sure=SURE,
            kind_rows=[
                [_code(kind), *_list_share(share)]
                for kind, share in (evaluation.rejection.kinds if evaluation.rejection else {}).items()
            ],
            evidence=evidence,
            min_group=MIN_GROUP,
            group_rows=[_list_group(group, labels) for group in evaluation.groups],
            meanings="; ".join(
                f"{_code(trait)}: {MEANINGS[trait]}"
                for trait in dict.fromkeys(group.trait for group in evaluation.groups)
                if trait in MEANINGS
            ),
            size=f"{size / 1e6:.1f} MB",
            command=write_command(stem, trained_on.recipe, None, **asdict(trained_on.options)),
            export=_write_export(stem, metrics.precision),
            verify=_write_verify(stem, trained_on.options, evaluation.judged_by),
        )
    )
    return escape_bytes(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")


def _write_export(stem: str, precision: str) -> str:
    words = ["python", "-m", "export", f"artifacts/{stem}.pkl", "--out", f"artifacts/{stem}.onnx"]
    return shlex.join([*words, "--int8"] if precision == INT8 else words)


def _write_verify(stem: str, options: PhotoOptions, judged_by: str) -> str:
    """The command that measures the claims again. What training left out is among the photos that it is given.

    A file that learned from all photos of the training can be judged by others alone.
    """
    words = ["python", "-m", "export", "verify", f"artifacts/{stem}.onnx"]
    if judged_by == FOLDS:
        return f"{shlex.join([*words, '--data', 'OTHER'])}   # it learned from all of DIR: OTHER holds other photos"
    given = {"data": "DIR"} | {name: text for name, text in asdict(replace(options, leave_out=None)).items() if text}
    return f"{shlex.join(words + write_options(given))}   # measures the claims above again"


def _list_left_out(left_out: LeftOut, labels: Sequence[str]) -> list[list[str]]:
    return [
        [_code(name), *_list_scores(part.scores, labels), _percent(part.calibration_error)]
        for name, part in left_out.collections.items()
    ]


def _list_left_out_groups(left_out: LeftOut, labels: Sequence[str]) -> list[list[str]]:
    return [
        [_code(name), *_list_group(group, labels)]
        for name, part in left_out.collections.items()
        for group in part.groups
    ]


def _list_own(metrics: FileMetrics, labels: Sequence[str]) -> list[list[str]]:
    """The rows of the file's own photos and of their copies."""
    evaluation = metrics.evaluation
    rows = [("photos as they are", evaluation.scores)]
    rows += [(f"of them {_code(name)}", part.scores) for name, part in evaluation.collections.items()]
    rows += [("neutral copies", evaluation.neutral)]
    rows += [(f"in surroundings {factor} times as wide", one.scores) for factor, one in evaluation.padded.items()]
    shown = [[name, *_list_scores(scores, labels)] for name, scores in rows]
    return [[row[0], *row[2:]] for row in shown]  # how many photos there are is said above


def _list_scores(scores: Scores, labels: Sequence[str]) -> list[str]:
    recall = [_percent(scores.recall[label].share) if label in scores.recall else "-" for label in labels]
    return [*_list_share(scores.right), *recall, _percent(scores.unsure.share), _percent(scores.wrong_and_sure.share)]


def _list_group(group: Group, labels: Sequence[str]) -> list[str]:
    recall = [
        f"{_percent(group.recall[label].share)} of {group.recall[label].photos}" if label in group.recall else "-"
        for label in labels
    ]
    return [_code(group.trait), _code(group.value), *_list_share(group.right), *recall]


def _list_share(share: Share) -> list[str]:
    return [str(share.photos), _percent(share.share), _ends(share.interval)]


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "ends": _ends, "code": _code}
    environment.globals["table"] = _table
    return environment


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |" for line in lines)


def _code(text: object) -> str:
    """Text as it is, in Markdown: between more backticks than it holds in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", str(text))), default=0))
    blank = " " if len(fence) > 1 else ""  # else its own backticks would belong to the fence
    return f"{fence}{blank}{text}{blank}{fence}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _ends(interval: Sequence[float]) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
