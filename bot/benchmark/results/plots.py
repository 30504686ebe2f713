"""Figures -> SVG to be put into a page, whose style sheet colours it: light and dark. Tooltips are `<title>`s."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABELS, MARGIN = 920, 250, 170
"""Of a plot, of the titles at its left, and of what is kept free at its right for figures. SVG user units."""
BAR, GAP, AXIS = 15, 16, 26
LETTER = 6.9
"""Mean width of a title's letter."""


@dataclass(frozen=True)
class Bar:
    value: float
    workload: str
    """Its colour: a class of the style sheet."""
    text: str
    """Shown behind it."""
    hint: str
    """Shown under the pointer."""
    whisker: float | None = None
    behind: float | None = None
    """A paler bar behind it."""

    @property
    def end(self) -> float:
        return max(self.value, self.whisker or 0, self.behind or 0)


@dataclass(frozen=True)
class Point:
    title: str
    value: float
    low: float
    high: float
    text: str
    """Shown at the right."""
    workload: str = "total"


def draw_bars(groups: Sequence[tuple[str, Sequence[Bar]]], unit: str) -> str:
    """Bars from zero, in groups with a title each."""
    most = max(bar.end for _, bars in groups for bar in bars)
    ticks = _ticks(most)
    scale = _linear(0, most)
    parts, top = [], 4.0
    for title, bars in groups:
        parts.append(_title(title, top + BAR * len(bars) / 2))
        for bar in bars:
            parts.append(_draw_bar(bar, top, scale))
            top += BAR
        top += GAP
    return _svg([_axis(ticks, [f"{tick:g}" for tick in ticks], scale, top, unit), *parts], top + AXIS)


def draw_points(points: Sequence[Point], unit: str, *, logarithmic: bool = False, mark: float | None = None) -> str:
    """Points with their intervals, and a line through `mark`. Logarithmic: equal factors are equally far apart."""
    ends = [end for point in points for end in (point.low, point.high)] + ([] if mark is None else [mark])
    low, high = min(ends), max(ends)
    if logarithmic:
        low, high = low / 1.1, high * 1.1
        ticks = [tick for tick in _doublings(low, high) if low <= tick <= high]
        linear = _linear(math.log(low), math.log(high))
        scale: Callable[[float], float] = lambda value: linear(math.log(value))  # noqa: E731
    else:
        spare = (high - low) / 10 or 0.01
        low, high = low - spare, min(high + spare, max(1.0, high))
        ticks, scale = [low, (low + high) / 2, high], _linear(low, high)
    height = 4 + 24 * len(points)
    names = [f"{tick:g}" if logarithmic else f"{tick:.1%}" for tick in ticks]
    parts = [_axis(ticks, names, scale, height, unit)]
    if mark is not None:
        parts.append(f'<line class="mark" x1="{scale(mark):.1f}" x2="{scale(mark):.1f}" y1="0" y2="{height}"/>')
    for number, point in enumerate(points):
        middle = 16 + 24 * number
        start, at, end = scale(point.low), scale(point.value), scale(point.high)
        parts += [
            _title(point.title, middle),
            f'<g class="{point.workload}"><title>{escape(point.text)}</title>'
            f'<line class="span" x1="{start:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<circle cx="{at:.1f}" cy="{middle}" r="5"/></g>',
            f'<text class="figure end" x="{WIDTH - 4}" y="{middle + 4}">{escape(point.text)}</text>',
        ]
    return _svg(parts, height + AXIS)


def _draw_bar(bar: Bar, top: float, scale: Callable[[float], float]) -> str:
    def draw(value: float, workload: str = "") -> str:
        return (
            f'<rect{workload} x="{LABELS}" y="{top + 1:.1f}" width="{scale(value) - LABELS:.1f}" height="{BAR - 2}"/>'
        )

    parts = [f"<title>{escape(bar.hint)}</title>"]
    if bar.behind is not None:
        parts.append(draw(bar.behind, ' class="pale"'))
    parts.append(draw(bar.value))
    if bar.whisker is not None:
        start, end, middle = scale(bar.value), scale(bar.whisker), top + BAR / 2
        parts.append(f'<path class="whisker" d="M{start:.1f} {middle:.1f}H{end:.1f}m0 -4v8"/>')
    text = f'<text class="figure" x="{scale(bar.end) + 6:.1f}" y="{top + BAR / 2 + 4:.1f}">{escape(bar.text)}</text>'
    return f'<g class="{bar.workload}">{"".join(parts)}</g>{text}'


def _axis(
    ticks: Sequence[float], names: Sequence[str], scale: Callable[[float], float], height: float, unit: str
) -> str:
    marks = "".join(
        f'<line class="grid" x1="{scale(tick):.1f}" x2="{scale(tick):.1f}" y1="0" y2="{height - 4:.1f}"/>'
        f'<text class="tick" x="{scale(tick):.1f}" y="{height + 12:.1f}">{name}</text>'
        for tick, name in zip(ticks, names, strict=True)
    )
    return f'{marks}<text class="unit" x="{WIDTH - 4}" y="{height + 12:.1f}">{escape(unit)}</text>'


def _title(text: str, middle: float) -> str:
    """At the left, cut where the room ends; whole under the pointer."""
    most = int((LABELS - 12) / LETTER)
    shown = text if len(text) <= most else f"…{text[1 - most :]}"
    return (
        f'<text class="name" x="{LABELS - 12}" y="{middle + 4:.1f}">{escape(shown)}<title>{escape(text)}</title></text>'
    )


def _svg(parts: Sequence[str], height: float) -> str:
    return f'<div class="wide"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(parts)}</svg></div>'


def _linear(low: float, high: float) -> Callable[[float], float]:
    width = WIDTH - LABELS - MARGIN
    return lambda value: LABELS + width * (value - low) / (high - low or 1)


def _ticks(most: float) -> list[float]:
    """Four to ten round numbers from 0 to `most`."""
    power = 10 ** math.floor(math.log10(most or 1))
    step = next(power * part for part in (0.1, 0.2, 0.5, 1, 2) if most / (power * part) <= 8)
    return [step * number for number in range(int(most / step) + 1)]


def _doublings(low: float, high: float) -> list[float]:
    """Powers of 2, or the tenths where they would be too few."""
    if high / low > 4:
        each = 1 + int(math.log2(high / low) / 8)  # of many, every other one; 1 is always among them
        return [
            2.0 ** (each * power) for power in range(int(math.log2(low) / each) - 1, int(math.log2(high) / each) + 2)
        ]
    step = 0.2 if high - low > 0.8 else 0.1 if high - low > 0.3 else 0.05
    return [round(step * number, 2) for number in range(int(low / step), int(high / step) + 2)]
