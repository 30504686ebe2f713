"""The model's card in the page's language: words from the catalogues around the figures of the file's metadata.

`python -m export` writes a longer card beside the model, in English. What it measured is in the metadata field
`metrics`, and this is the part of it that a newcomer needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.inference.contract import Contract
from bot.inference.names import show_path
from bot.texts.replies import Replies

MOST_GROUPS = 3
"""Groups of photos that are named: those of which the fewest are right."""
FEWEST = 50
"""Photos of a group that is named, at least."""
UNKNOWN = "unknown"
"""The export's group of photos whose trait nobody knows: it tells nobody which photos to mistrust."""


@dataclass(frozen=True)
class Card:
    headline: str
    """What to expect of a photo: one sentence."""
    markdown: str


def describe_card(name: str, contract: Contract, replies: Replies, language: str | None) -> Card | None:
    """The card of the model file `name`. None if `python -m export` did not write its `metrics`."""
    try:
        return _Writer(replies, language).write(name, contract, json.loads(contract.metrics))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # any JSON, or none, may stand there
        return None


@dataclass(frozen=True)
class _Writer:
    replies: Replies
    language: str | None

    def write(self, name: str, contract: Contract, metrics: Mapping[str, Any]) -> Card:
        evaluation, left_out = metrics["evaluation"], (metrics.get("left_out") or {}).get("collections") or {}
        collections = {key: value["scores"] for key, value in left_out.items()}
        headline, *rest = self._begin(evaluation["scores"], collections)
        about = show_path(", ".join([contract.arch, metrics["precision"], contract.created[:10]]))
        blocks = [
            f"# {_isolate(show_path(name))}",
            f"**{headline}** {' '.join(rest)}",
            self._say("neutral", share=_percent(evaluation["neutral"]["right"]["share"])),
            self._reject(contract, evaluation.get("rejection")),
            f"{self._say('knows', labels=self.replies.list_names(contract.labels, self.language))} {_isolate(about)}.",
            f"## {self._say('limits')}",
            _list([*self._list_weak(evaluation["groups"]), self._say("one-label"), self._say("no-device")]),
        ]
        if collections:
            blocks += [f"## {self._say('other-sources')}", self._tabulate(collections), self._say("other-nets")]
        own = {self._say("all"): evaluation["scores"]}
        own |= {key: value["scores"] for key, value in (evaluation.get("collections") or {}).items()}
        blocks += [f"## {self._say('own-sources')}", self._tabulate(own), self._say("sure")]
        return Card(headline, "\n\n".join(blocks))

    def _begin(self, own: Mapping[str, Any], collections: Mapping[str, Any]) -> list[str]:
        """Sentences, the headline first: what photos of other sources meet, where that was measured."""
        share, photos = _percent(own["right"]["share"]), own["right"]["photos"]
        said = [self._say("own", photos=_number(photos), share=share)]
        if not collections:
            return [*said, self._say("unknown")]
        worst = min(collections, key=lambda name: _check(collections[name]["right"]["share"]))
        right = collections[worst]["right"]
        expect = self._say("expect", share=_percent(right["share"]))
        told = self._say("told-by", photos=_number(right["photos"]), collection=_isolate(show_path(worst)))
        return [expect, told, *said]

    def _reject(self, contract: Contract, rejection: Mapping[str, Any] | None) -> str:
        if contract.unsure.outsider is None or not rejection:
            return self._say("no-outsiders")
        pictures = rejection["pictures"]
        return self._say("outsiders", photos=_number(pictures["photos"]), share=_percent(pictures["share"]))

    def _list_weak(self, groups: Sequence[Mapping[str, Any]]) -> list[str]:
        large = [group for group in groups if group["right"]["photos"] >= FEWEST and group["value"] != UNKNOWN]
        large.sort(key=lambda group: _check(group["right"]["share"]))
        return [
            self._say(
                "weak",
                group=f"`{show_path(group['trait'])}: {show_path(group['value'])}`",
                photos=_number(group["right"]["photos"]),
                share=_percent(group["right"]["share"]),
            )
            for group in large[:MOST_GROUPS]
        ]

    def _tabulate(self, rows: Mapping[str, Any]) -> str:
        source, photos, right, interval, no_label, sure = (
            self._say(f"head-{key}") for key in ("source", "photos", "right", "interval", "no-label", "sure")
        )
        return _table(
            [source, photos, f"{right} [{interval}]", no_label, sure],
            (
                [
                    _isolate(show_path(name)),
                    _number(scores["right"]["photos"]),
                    f"{_percent(scores['right']['share'])} {_interval(scores['right']['interval'])}",
                    _percent(scores["unsure"]["share"]),
                    _percent(scores["wrong_and_sure"]["share"]),
                ]
                for name, scores in rows.items()
            ),
        )

    def _say(self, key: str, **figures: str) -> str:
        return self.replies.text("card", key, self.language).format(**figures)


def _check(share: float) -> float:
    """A share of photos as it is, for JSON may have NaN, Infinity and any number. Raises ValueError or TypeError."""
    if isinstance(share, bool) or not 0 <= share <= 1:
        raise ValueError(f"{share} is not a share of photos")
    return share


def _percent(share: float) -> str:
    return _isolate(f"{100 * _check(share):.2f}\u00a0%")


def _interval(ends: Sequence[float]) -> str:
    return _isolate("[{:.1f},\u00a0{:.1f}]".format(*(100 * _check(end) for end in ends)))


def _number(count: int) -> str:
    if isinstance(count, bool) or count < 0:
        raise ValueError(f"{count} is not a number of photos")
    return _isolate(f"{count:d}")


def _isolate(text: str) -> str:
    """From left to right, between U+2066 and U+2069: else the parts of a figure change places in Arabic."""
    return f"\u2066{text}\u2069"


def _list(points: Iterable[str]) -> str:
    return "\n".join(f"- {point}" for point in points)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '¦') for cell in line)} |" for line in lines)
