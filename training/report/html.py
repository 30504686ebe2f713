"""Pieces of an HTML page: text, tables and pictures. Whatever is not `Html` is text and gets escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from PIL import Image

LARGE = 150_000
"""Bytes from which on a picture is embedded as WebP instead of PNG."""


class Html(str):
    """A piece of the page, escaped already."""

    __slots__ = ()


def show_percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def show_range(interval: Sequence[float] | None) -> str:
    return f"{100 * interval[0]:.1f} – {100 * interval[1]:.1f} %" if interval else ""


def make_paragraph(text: str, kind: str = "text") -> Html:
    return Html(f"<p class={kind}>{escape(text)}</p>")


def make_table(head: Sequence[str], rows: Iterable[Sequence[object]], marked: Sequence[bool] = ()) -> Html:
    def cells(row: Sequence[object]) -> str:
        shown = [(cell, cell if isinstance(cell, Html) else escape(_show(cell))) for cell in row]
        return "".join(f"<td class={'n' if _is_number(cell) else 't'}>{text}</td>" for cell, text in shown)

    top = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>" if any(head) else ""
    lines = [
        f"<tr{' class=bad' if number < len(marked) and marked[number] else ''}>{cells(row)}</tr>"
        for number, row in enumerate(rows)
    ]
    return Html(f"<div class=wide><table>{top}{''.join(lines)}</table></div>")


def _show(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int) or (isinstance(cell, str) and cell[:1].isdigit() and cell.endswith("%"))


def make_picture(pictures: Mapping[str, bytes], name: str) -> Html:
    if name not in pictures:
        return make_paragraph(f"{name} is not there.")
    alt = escape(name.removesuffix(".png").replace("-", " "))
    return Html(f'<img class=picture alt="{alt}" src="{embed(pictures[name])}">')


def embed(picture: bytes) -> str:
    """A `data:` address of a PNG or JPEG; a large one, with photos in it, as WebP of a tenth of the bytes."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    if len(picture) > LARGE:
        Image.open(io.BytesIO(picture)).convert("RGB").save(buffer := io.BytesIO(), "WEBP", quality=85)
        kind, picture = "webp", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --page: #f6f7f9; --card: #fff; --line: #dfe3e8;
  --accent: #2266cc; --bar: #a9c7f0; --bad: #fde8e4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4ae; --page: #14171a; --card: #1d2126;
  --line: #343a41; --accent: #7fb2ff; --bar: #35588c; --bad: #4a2620; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; overflow-wrap: anywhere; } h2 { margin: 0 0 .8rem; font-size: 1.25rem; }
h3 { margin: 1.6rem 0 .4rem; font-size: 1rem; } a { color: var(--accent); text-decoration: none; }
.lead { margin: .2rem 0 1rem; color: var(--soft); } nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
section { margin-top: 1.2rem; padding: 1.2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
p { margin: .2rem 0 .8rem; max-width: 48rem; } .note { color: var(--soft); font-size: .87rem; }
.callout { padding: .6rem .9rem; border-left: 4px solid var(--accent); background: var(--page); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .8rem;
  margin-bottom: .8rem; }
.card { padding: .8rem; border: 1px solid var(--line); border-radius: 8px; } .name { font-weight: 600; }
.figure { font-size: 1.65rem; font-variant-numeric: tabular-nums; } .range { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th { text-align: left; color: var(--soft); font-weight: 500; vertical-align: bottom; }
th, td { padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); } tr.bad td { background: var(--bad); }
td { overflow-wrap: anywhere; } .n { white-space: nowrap; font-variant-numeric: tabular-nums; }
td:first-child { min-width: 8rem; } tr.bad td:first-child { box-shadow: -4px 0 #d0452e; }
.track { position: relative; width: 9rem; height: .8rem; background: var(--page); border-radius: 3px; }
.track i, .track b { position: absolute; top: 0; height: 100%; border-radius: 3px; background: var(--bar); }
.track b { width: 3px; background: var(--accent); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1.2rem; }
.picture { max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .8rem; }
figure { margin: 0; font-size: .82rem; } figure img { width: 100%; height: 9rem; object-fit: contain;
  background: var(--page); border-radius: 6px; } figcaption, code { overflow-wrap: anywhere; }
pre { padding: .8rem; background: var(--page); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
summary { margin: .8rem 0; cursor: pointer; color: var(--accent); }
"""
