"""What was measured -> BENCHMARKS.md, and its pictures in docs/benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.benchmark.measure import FORWARD, TOTAL
from bot.benchmark.results.page import STYLE, draw_ratios, draw_times
from bot.benchmark.results.table import describe_machine, make_table

MB = 1_000_000
HEAVY = re.compile("nvidia-|triton|cuda-")
"""Of what PyTorch needs, the part that its build for the CPU does without."""
INT8 = re.compile("vnni|amx_int8|asimddp|i8mm")
"""Instruction sets that multiply int8 several times as fast as float32. fastai's net gains nothing by them."""


@dataclass(frozen=True)
class Bounds:
    """What is to be reached on one kind of processor, where kinds differ."""

    kind: str
    variant: float
    """Times less than fastai, for the PhotoSize that the bot fetches."""
    photo: float
    """The same for the photo of 1280 pixels itself."""
    cpu: float
    """The same for processor time, with that PhotoSize."""
    rest: float
    """Processor's milliseconds of a photo beside net and decoding."""
    forward: tuple[float, float]
    """Times as long as OpenVINO's forward pass, on one thread and on two."""


WITH_INT8 = Bounds("a processor with int8 instructions", 6, 5, 7, 4, (1.15, 1.4))
WITH_AMX = replace(WITH_INT8, kind="a processor with AMX", forward=(1.4, 1.4))
WITHOUT = Bounds("a processor without int8 instructions", 4, 3, 4, 10, (1.15, 1.4))
LEAST_SHARES = {1: 0.75, 2: 0.65}
"""Photos a second under load, as a share of what the forward pass alone allows, by threads a photo."""


@dataclass(frozen=True)
class Goal:
    """A figure beside what it is compared to. `ratio` is theirs / ours for times, and what the goal is set for."""

    what: str
    ours: str
    theirs: str
    figure: float
    text: str
    bound: float
    at_least: bool = False

    @property
    def row(self) -> str:
        met = self.figure >= self.bound if self.at_least else self.figure <= self.bound
        bound = f"{'≥' if self.at_least else '≤'} {self.bound:g}"
        return f"| {self.what} | {self.ours} | {self.theirs} | {self.text} | {bound} | {'yes' if met else '**no**'} |"


def write(found: dict[str, Any], root: Path) -> None:
    pictures = root / "docs" / "benchmarks"
    pictures.mkdir(exist_ok=True)
    rows, workloads = found["engines"]["rows"], found["engines"]["workloads"]
    for kind in workloads:
        (pictures / f"{_slug(kind)}.svg").write_text(_stand_alone(draw_times(rows, kind["name"])))
    (pictures / "ratios.svg").write_text(_stand_alone(draw_ratios(rows, workloads[:1])))
    (root / "BENCHMARKS.md").write_text("\n".join(_page(found)) + "\n")


def _page(found: dict[str, Any]) -> Iterator[str]:
    engines, footprints, many, sizes = found["engines"], found["footprints"], found["many"], found["sizes"]
    workloads = engines["workloads"]
    yield from (
        "# Benchmarks",
        "",
        f"`make bench` measured all of this in one run on {datetime.now(UTC):%Y-%m-%d}, and wrote this page.",
        "",
        *(f"- {line}" for line in describe_machine(engines)[:3]),
        "",
        "Ratios come from that run, and hold on other machines better than times do. The tutorials' way is fastai's",
        f"`learn.predict` on the same net. The goals are those for {_choose_bounds(engines).kind}.",
        "The last column says which of them were missed.",
        "",
        "| | Labelgram | compared to | ratio or figure | goal | met |",
        "| --- | --- | --- | --- | --- | --- |",
        *(goal.row for goal in _find_goals(found)),
        "",
        "## Photo to label",
        "",
        "`python -m bot benchmark --threads 1,2 --against fastai,torch,openvino --learner ...`, in the training",
        "environment. Bars: p50; lines: p95. Green: decode, yellow: preprocess, blue: forward, grey: total.",
        "",
        *(f"![{kind['name']}](docs/benchmarks/{_slug(kind)}.svg)\n" for kind in workloads),
        f"Times as long as {engines['rows'][0]['title']}, with 95 % intervals, {workloads[0]['name']}:",
        "",
        "![ratios](docs/benchmarks/ratios.svg)",
        "",
        "```",
        make_table(engines),
        "```",
        "",
        "## The bot's process",
        "",
        "`python -m tests.measure.footprint` runs the bot as it is deployed, against the double of the Bot API on the",
        "same machine. Figures are medians of several starts. Memory is resident; megabytes are millions of bytes.",
        "",
        "| | Labelgram | with aiogram's own import | ratio |",
        "| --- | --- | --- | --- |",
        *_compare(footprints["deferred"], footprints["plain"]),
        "",
        f"Over the second half of {many['photos']:,} photos memory grew by {many['bytes_per_photo']:.0f} bytes a",
        f"photo. At rest it was {many['rest_rss_mb']:.1f} MB then.",
        "",
        "## Under load",
        "",
        "`python -m tests.measure.footprint.load`: photos that wait, Telegram's limits lifted, bot and double on",
        "the same two cores. The share is of what the forward pass alone allows on as many threads.",
        "",
        "| threads | photos/s | forward alone | share | CPU ms a photo | net | decoding | the rest | the double's |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {one['threads']:.0f} | {one['rate']:.1f} | {one['forward_rate']:.1f} "
            f"| {one['share']:.0%} | {one['cpu_ms']:.1f} | {one['forward_cpu_ms']:.1f} | {one['decode_cpu_ms']:.1f} "
            f"| {one['rest_cpu_ms']:.1f} | {one['double_cpu_ms']:.1f} |"
            for one in found["loads"]
        ),
        "",
        "## What is deployed",
        "",
        f"`make slug`: {sizes['slug'] / MB:.1f} MB, {sizes['archive'] / MB:.1f} MB packed, model and bytecode in it.",
        f"fastai, PyTorch, aiogram and all that they need: {_weigh(found, heavy=True) / MB:,.0f} MB, or",
        f"{_weigh(found, heavy=False) / MB:,.0f} MB without what is for GPUs.",
    )


def _find_goals(found: dict[str, Any]) -> Iterator[Goal]:
    rows = {(row["engine"], row["threads"]): row for row in found["engines"]["rows"]}
    phone, variant = (kind["name"] for kind in found["engines"]["workloads"])
    ours, fastai = rows["onnxruntime", 2]["workloads"], rows["fastai", 2]["workloads"]
    theirs = fastai[phone]["seconds"][TOTAL]["p50"]
    bounds = _choose_bounds(found["engines"])
    for what, kind, least in (
        ("the PhotoSize that the bot fetches", variant, bounds.variant),
        ("the photo itself", phone, bounds.photo),
    ):
        mine = ours[kind]["seconds"][TOTAL]["p50"]
        name = f"1280x960 photo to label, 2 threads, {what}"
        yield _times(name, mine, theirs, least, "fastai")
    cpu = fastai[phone]["cpu_seconds"]
    yield _times("CPU time of it, with that PhotoSize", ours[variant]["cpu_seconds"], cpu, bounds.cpu, "fastai")
    for threads, most in enumerate(bounds.forward, 1):
        mine, other = (
            rows[engine, threads]["workloads"][variant]["seconds"][FORWARD]["p50"]
            for engine in ("onnxruntime", "openvino")
        )
        name = f"forward pass, same int8 file, {threads} thread{'s' * (threads > 1)}"
        times = f"{mine / other:.2f} times as long"
        yield Goal(name, f"{mine * 1000:.1f} ms", f"OpenVINO {other * 1000:.1f} ms", mine / other, times, most)
    deferred, plain = found["footprints"]["deferred"], found["footprints"]["plain"]
    fastai_start = rows["fastai", 2]["start_seconds"]
    for what, key, unit, bound, other in (
        ("start to the first getUpdates", "start_seconds", "s", 0.9, f"fastai, without a bot: {fastai_start:.1f} s"),
        ("from there to the first answer", "first_answer_seconds", "s", 0.2, None),
        ("memory at rest after the photos", "rest_rss_mb", "MB", 125, _memory(rows["fastai", 2])),
        ("CPU when idle", "idle_percent", "% of a core", 0.5, None),
    ):
        digits = 2 if unit == "s" else 1
        there = other or f"plain import: {plain[key]:.{digits}f} {unit}"
        yield Goal(
            what, f"{deferred[key]:.{digits}f} {unit}", there, deferred[key], f"{deferred[key]:.{digits}f}", bound
        )
    for one in found["loads"]:
        share = one["share"]
        name = f"photos/s end to end, {one['threads']:.0f} thread{'s' * (one['threads'] > 1)} a photo"
        alone = f"forward alone {one['forward_rate']:.0f}"
        yield Goal(
            name, f"{one['rate']:.0f}", alone, share, f"{share:.0%} of it", LEAST_SHARES[one["threads"]], at_least=True
        )
    alone = found["loads"][0]
    rest, whole = alone["rest_cpu_ms"], f"all in all {alone['cpu_ms']:.1f} ms"
    yield Goal("CPU time of a photo beside net and decoding", f"{rest:.1f} ms", whole, rest, f"{rest:.1f}", bounds.rest)
    slug, archive = found["sizes"]["slug"] / MB, found["sizes"]["archive"] / MB
    tutorials = _weigh(found, heavy=False) / MB
    times = f"{tutorials / slug:.0f} times smaller"
    yield Goal("deployed", f"{slug:.0f} MB", f"with fastai, no GPU: {tutorials:,.0f} MB", slug, times, 123)
    yield Goal("deployed, packed", f"{archive:.0f} MB", "Heroku's limit: 500 MB", archive, f"{archive:.0f}", 36)


def _choose_bounds(engines: dict[str, Any]) -> Bounds:
    flags = engines["machine"]["instruction_sets"]
    if "amx_int8" in flags:
        return WITH_AMX
    return WITH_INT8 if any(map(INT8.search, flags)) else WITHOUT


def _times(what: str, mine: float, theirs: float, bound: float, name: str) -> Goal:
    ratio = theirs / mine
    there = f"{name} {theirs * 1000:.0f} ms"
    return Goal(what, f"{mine * 1000:.1f} ms", there, ratio, f"{ratio:.1f} times less", bound, at_least=True)


def _memory(row: dict[str, Any]) -> str:
    return f"fastai, without a bot: {row['peak_bytes'] / MB:,.0f} MB"


def _compare(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for name, value in ours.items():
        other = theirs[name]
        if isinstance(value, float) and name != "bytes_per_photo":
            ratio = f"{other / value:.1f}" if value else ""
            yield f"| `{name}` | {value:.2f} | {other:.2f} | {ratio} |"


def _weigh(found: dict[str, Any], heavy: bool) -> float:
    sizes: dict[str, int] = found["packages"]
    return sum(size for name, size in sizes.items() if heavy or not HEAVY.match(name))


def _slug(kind: dict[str, Any]) -> str:
    return str(kind["name"]).replace(" ", "-")


def _stand_alone(plot: str) -> str:
    """A plot of the page as a file of its own, which a browser shows in light and dark."""
    picture = re.findall("<svg(.*?</svg>)", plot, re.DOTALL)[-1]
    style = STYLE.replace(" min-width: 40rem;", "")
    return f'<svg xmlns="http://www.w3.org/2000/svg"{picture}\n'.replace(">", f"><style>{style}</style>", 1)
