"""The picture of a comparison: accuracy against labels, a panel a stream, as one SVG file.

With several rates a line goes from rate to rate, and its band is the 95 % interval of the mean
over the seeds. With one rate it goes along the stream: accuracy since the start against labels
asked for since the start, mean over the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from stream_cl.cli.compare_cells import Cell
from stream_cl.cli.compare_table import CONTROL, Line
from stream_cl.cli.pictures import HEIGHT, WIDTH, Picture, counts, shares

_COLOURS: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3b08", "#542788",
)  # fmt: skip
"""Okabe and Ito 2008 but for the last two: told apart by most people who see fewer colours."""
_CONTROL_COLOUR: Final = "#777"
_HEAD, _KEY = 24, 18
_STYLE: Final = (
    "text{font:11px sans-serif;fill:#222}.title{font-weight:bold}.grid{stroke:#ddd}"
    ".axis{stroke:#888}.line{fill:none;stroke-width:1.8}.band{opacity:.15;stroke:none}"
)

Series = list[tuple[float, float, float]]
"""Labels, accuracy, half the width of its interval."""


def picture(found: Sequence[Line], cells: Sequence[tuple[Cell, Mapping[str, Any]]]) -> str:
    """The whole file."""
    streams = list(dict.fromkeys(line.stream for line in found))
    several = len({line.rate for line in found}) > 1
    panels = [_rates(found, stream) if several else _along(cells, stream) for stream in streams]
    names = list(dict.fromkeys(name for panel in panels for name in panel))
    css = {name: f"s{i}" for i, name in enumerate(names)}
    across = min(2, len(streams))
    down = math.ceil(len(streams) / across)
    width, height = across * WIDTH, down * (HEIGHT + _HEAD) + (len(names) + 1) * _KEY
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><style>{_STYLE}{_colours(css)}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    ]
    for i, (stream, panel) in enumerate(zip(streams, panels, strict=True)):
        x, y = (i % across) * WIDTH, (i // across) * (HEIGHT + _HEAD)
        title = f"{escape(stream)}: accuracy"
        parts.append(f'<text class="title" x="{x + 46}" y="{y + 16}">{title}</text>')
        place = f'<svg x="{x}" y="{y + _HEAD}" width="{WIDTH}" height="{HEIGHT}" '
        # As a plain text: what takes the place of a part of markup would be escaped.
        parts.append(str(_panel(stream, panel, css)).replace("<svg ", place, 1))
    top = down * (HEIGHT + _HEAD) + _KEY
    for i, name in enumerate(names):
        y = top + i * _KEY
        parts.append(
            f'<polyline class="line {css[name]}" points="46,{y - 4} 76,{y - 4}"/>'
            f'<text x="82" y="{y}">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>\n"])


def _colours(css: Mapping[str, str]) -> str:
    rules, used = [], 0
    for name, style in css.items():
        dashes = f"stroke-dasharray:{2 + 3 * (used // len(_COLOURS))} 3" if _dashed(used) else ""
        colour = _COLOURS[used % len(_COLOURS)]
        if name.split(" ")[0] == CONTROL:
            colour, dashes = _CONTROL_COLOUR, "stroke-dasharray:6 3"
        else:
            used += 1
        rules.append(f".line.{style}{{stroke:{colour};{dashes}}}.band.{style}{{fill:{colour}}}")
    return "".join(rules)


def _dashed(used: int) -> bool:
    return used >= len(_COLOURS)


def _name(strategy: str, budget: str) -> str:
    return f"{strategy} · {budget}"


def _rates(found: Sequence[Line], stream: str) -> dict[str, Series]:
    panel: dict[str, Series] = {}
    for line in found:
        if line.stream == stream:
            point = (line.labels, line.accuracy.value, line.accuracy.half or 0.0)
            panel.setdefault(_name(line.strategy, line.budget), []).append(point)
    return {name: sorted(series) for name, series in panel.items()}


def _along(cells: Sequence[tuple[Cell, Mapping[str, Any]]], stream: str) -> dict[str, Series]:
    runs: dict[str, list[Any]] = {}
    for cell, figures in cells:
        if cell.stream == stream:
            runs.setdefault(_name(cell.strategy, cell.budget), []).append(figures["curve"])
    return {
        name: [(float(x), float(y), 0.0) for _, x, y in np.mean(curves, axis=0)]
        for name, curves in runs.items()
    }


def _panel(stream: str, panel: Mapping[str, Series], css: Mapping[str, str]) -> str:
    points = [point for series in panel.values() for point in series]
    # The first points of a curve along the stream are of few events, and would squeeze the rest.
    kept = [y for series in panel.values() for _, y, _ in series[len(series) // 10 :]]
    half = max((half for _, _, half in points), default=0.0)
    y = shares(max(0.0, min(kept) - half), min(1.0, max(kept) + half), "accuracy")
    x = counts(math.ceil(max(point[0] for point in points)), "labels asked for")
    drawn = Picture(f"accuracy against labels, {stream}", x, y)
    for name, series in panel.items():
        if len(series) > 1 and any(half for _, _, half in series):
            lower = [(a, b - half) for a, b, half in series]
            drawn.band(lower, [(a, b + half) for a, b, half in series], css[name])
    for name, series in panel.items():
        drawn.line([(a, b) for a, b, _ in series], css[name])
    return drawn.svg()
