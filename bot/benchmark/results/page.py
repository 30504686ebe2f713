"""Results -> one HTML page that holds all it shows: no scripts, no requests, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from bot.benchmark.measure import FORWARD, STAGES, TOTAL
from bot.benchmark.results.plots import Bar, Point, draw_bars, draw_points
from bot.benchmark.results.table import describe_machine, make_table, show_ratio, show_size


def make_page(results: dict[str, Any]) -> str:
    """The whole page, from what the JSON file holds. All names are text and get escaped."""
    rows, workloads = results["rows"], results["workloads"]
    sections = [
        (f"From bytes to label: {show_size(workload)}", draw_times(rows, workload["name"])) for workload in workloads
    ]
    if len(rows) > 1:
        sections.append((f"Times as long as {rows[0]['title']}", draw_ratios(rows, workloads)))
    sections += [
        (f"Photos a second, {results['concurrency']} at once", _draw_throughput(rows, workloads)),
        ("Memory", _draw_memory(rows)),
        ("Start", _draw_start(rows)),
    ]
    if any(row["accuracy"] for row in rows):
        sections.append(("Accuracy", _draw_accuracy(rows)))
    sections.append(("All figures", f"<pre>{escape(make_table(results))}</pre>"))
    body = "".join(f"<section><h2>{escape(title)}</h2>{content}</section>" for title, content in sections)
    facts = "".join(f"<li>{escape(line)}</li>" for line in describe_machine(results))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Benchmark: {escape(rows[0]['model'])}</title><style>{STYLE}</style></head><body>"
        f"<h1>Benchmark</h1><ul class=facts>{facts}</ul>{_cards(rows, workloads)}<main>{body}</main></body></html>\n"
    )


def _cards(rows: Sequence[dict[str, Any]], workloads: Sequence[dict[str, Any]]) -> str:
    """The quickest row's figures."""
    names = [workload["name"] for workload in workloads]
    best = min(rows, key=lambda row: float(row["workloads"][names[0]]["seconds"][TOTAL]["p50"]))
    cards = [
        (
            f"{1000 * best['workloads'][workload['name']]['seconds'][TOTAL]['p50']:.1f} ms",
            f"photo to label, {workload['name']}",
        )
        for workload in workloads
    ]
    cards += [
        (
            f"{best['workloads'][workloads[-1]['name']]['photos_per_second']:.0f}",
            f"photos a second, {workloads[-1]['name']}",
        ),
        (f"{best['peak_bytes'] / 1e6:.0f} MB", "memory at most"),
        (f"{best['start_seconds']:.2f} s", "from start to ready"),
    ]
    figures = "".join(
        f"<div class=card><div class=large>{escape(figure)}</div>{escape(what)}</div>" for figure, what in cards
    )
    return f"<p class=lead>Quickest: <b>{escape(best['title'])}</b></p><div class=cards>{figures}</div>"


def draw_times(rows: Sequence[dict[str, Any]], workload: str) -> str:
    def bar(stage: str, found: dict[str, float]) -> Bar:
        p50, p95, p99 = (1000 * value for value in found.values())
        hint = f"{stage}: p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f} ms"
        return Bar(p50, stage, f"{p50:.1f}", hint, whisker=p95)

    groups = [
        (row["title"], [bar(stage, found) for stage, found in row["workloads"][workload]["seconds"].items()])
        for row in rows
    ]
    return _legend({stage: stage for stage in STAGES}, "bar: p50, line: p95") + draw_bars(groups, "ms")


def draw_ratios(rows: Sequence[dict[str, Any]], workloads: Sequence[dict[str, Any]]) -> str:
    parts = [_legend({FORWARD: FORWARD, TOTAL: TOTAL}, "95 % interval over the rounds, paired; left of 1 is quicker")]
    for workload in workloads:
        points = [
            Point(row["title"] if stage == TOTAL else "", one["value"], one["low"], one["high"], show_ratio(one), stage)
            for row in rows[1:]
            for stage in (TOTAL, FORWARD)
            if (one := row["workloads"][workload["name"]]["ratio"].get(stage))
        ]
        parts += [f"<h3>{escape(workload['name'])}</h3>", draw_points(points, "times", logarithmic=True, mark=1)]
    return "".join(parts)


def _draw_throughput(rows: Sequence[dict[str, Any]], workloads: Sequence[dict[str, Any]]) -> str:
    colors = dict(zip([workload["name"] for workload in workloads], ("decode", "preprocess"), strict=False))

    def bar(row: dict[str, Any], workload: str) -> Bar:
        found, alone = row["workloads"][workload]["photos_per_second"], row["forward_per_second"]
        text = f"{found:.0f}" + ("" if alone is None else f" of {alone:.0f}")
        hint = f"{workload}: {found:.1f} photos/s" + ("" if alone is None else f", forward alone {alone:.1f}")
        return Bar(found, colors[workload], text, hint, behind=alone)

    groups = [(row["title"], [bar(row, workload) for workload in colors]) for row in rows]
    legend = _legend(
        {color: workload for workload, color in colors.items()}, "pale: what the forward pass alone would allow"
    )
    return legend + draw_bars(groups, "photos/s")


def _draw_memory(rows: Sequence[dict[str, Any]]) -> str:
    def bar(row: dict[str, Any]) -> Bar:
        ready, peak = row["ready_bytes"] / 1e6, row["peak_bytes"] / 1e6
        return Bar(
            ready, FORWARD, f"{ready:.0f} to {peak:.0f}", f"ready {ready:.0f} MB, at most {peak:.0f} MB", behind=peak
        )

    legend = _legend({FORWARD: "when ready"}, "pale: the most, with many photos at once")
    return legend + draw_bars([(row["title"], [bar(row)]) for row in rows], "MB")


def _draw_start(rows: Sequence[dict[str, Any]]) -> str:
    def bar(row: dict[str, Any]) -> Bar:
        load, start = row["load_seconds"], row["start_seconds"]
        hint = f"model {load:.3f} s, all {start:.2f} s, then the first photo in {row['first_photo_seconds']:.3f} s"
        return Bar(load, FORWARD, f"{load:.2f} of {start:.2f}", hint, behind=start)

    legend = _legend({FORWARD: "the model's part"}, "pale: from the process's start until it is ready")
    return legend + draw_bars([(row["title"], [bar(row)]) for row in rows], "s")


def _draw_accuracy(rows: Sequence[dict[str, Any]]) -> str:
    accuracies = {f"{row['engine']}, {row['model']}": row["accuracy"] for row in rows if row["accuracy"]}
    points = [
        Point(title, accuracy["accuracy"], low, high, f"{accuracy['accuracy']:.2%} of {accuracy['photos']:,}")
        for title, accuracy in accuracies.items()
        for low, high in [accuracy["interval"]]
    ]
    return _legend({TOTAL: "labels that are right"}, "95 % interval (Wilson)") + draw_points(points, "right")


def _legend(colors: dict[str, str], note: str) -> str:
    keys = "".join(f'<span><i class="key {workload}"></i>{escape(name)}</span>' for workload, name in colors.items())
    return f"<p class=legend>{keys}<span>{escape(note)}</span></p>"


STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --page: #f6f7f9; --card: #fff; --line: #e3e7ec;
  --decode: #2a9d8f; --preprocess: #e0a030; --forward: #2f6fd0; --total: #59636e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4ae; --page: #14171a; --card: #1d2126;
  --line: #31373e; --decode: #4fc0b0; --preprocess: #e9b85c; --forward: #7fb2ff; --total: #aab4bf; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; } h2 { margin: 0 0 .6rem; font-size: 1.2rem; overflow-wrap: anywhere; }
h3 { margin: 1rem 0 .3rem; font-size: .95rem; color: var(--soft); font-weight: 500; }
.facts { margin: .4rem 0 1rem; padding: 0; list-style: none; color: var(--soft); font-size: .9rem; }
.lead { margin: 0 0 .6rem; } .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr));
  gap: .8rem; } .card { padding: .8rem 1rem; color: var(--soft); font-size: .87rem; }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.large { color: var(--ink); font-size: 1.6rem; font-variant-numeric: tabular-nums; }
section { margin-top: 1.2rem; padding: 1.2rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: 0 0 .6rem; color: var(--soft); font-size: .87rem; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
.decode { fill: var(--decode); stroke: var(--decode); } .preprocess { fill: var(--preprocess);
  stroke: var(--preprocess); } .forward { fill: var(--forward); stroke: var(--forward); }
.total { fill: var(--total); stroke: var(--total); }
.key.decode { background: var(--decode); } .key.preprocess { background: var(--preprocess); }
.key.forward { background: var(--forward); } .key.total { background: var(--total); }
.wide { overflow-x: auto; } svg { display: block; width: 100%; min-width: 40rem; }
rect { stroke: none; } .pale { opacity: .28; } .whisker { fill: none; stroke: var(--ink); stroke-width: 1.3;
  opacity: .65; } .span { stroke-width: 2.5; }
text { fill: var(--ink); font: 12.5px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.name, .unit, .end { text-anchor: end; } .tick { text-anchor: middle; }
.tick, .unit, .figure { fill: var(--soft); font-size: 11.5px; } .grid { stroke: var(--line); }
.mark { stroke: var(--soft); stroke-dasharray: 4 3; }
pre { margin: 0; overflow-x: auto; font-size: .78rem; line-height: 1.5; }
"""
