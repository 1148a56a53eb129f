"""Pictures for reports: lines, bands and bars as inline SVG, without a library.

A picture is 480 × 260 units, so that its letters can be read where it is as wide as a phone.
Colours come from the page's style by class, so it is light or dark as the page is.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

from markupsafe import Markup

WIDTH: Final = 480
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 42
_TICKS: Final = 6
_TIME_STEPS_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip
_DAY_S: Final = 86_400

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`; `ticks` are (place, text); `name` says what and its unit."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    name: str


def nice_step(span: float, count: int = _TICKS) -> float:
    """1, 2 or 5 times a power of ten, so that at most `count` of them fill the span."""
    least = max(span, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= least * (1 - 1e-9))


def shares(low: float, high: float, name: str) -> Axis:
    """An axis of shares, written in percent, that begins and ends at a tick."""
    # What never changes is a line in the middle of something, not an axis of no height.
    low = max(0.0, min(low, high - 0.1))
    high = max(high, low + 0.1)
    step = nice_step(high - low)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [(i * step, f"{i * step:.{0 if step >= 0.01 else 1}%}") for i in range(first, last + 1)]
    return Axis(ticks[0][0], ticks[-1][0], ticks, name)


def counts(high: int, name: str) -> Axis:
    """An axis of whole numbers from 0."""
    step = max(1, round(nice_step(high)))
    ticks = [(float(i), f"{i:,}") for i in range(0, high + 1, step)]
    return Axis(0, max(1, high), ticks, name)


def times(low_ms: int, high_ms: int, name: str) -> Axis:
    """An axis of moments in UTC; places are epoch milliseconds."""
    high_ms = max(high_ms, low_ms + 1)
    span_s = (high_ms - low_ms) / 1000
    fitting = [step for step in _TIME_STEPS_S if span_s / step <= _TICKS]
    step_s = fitting[0] if fitting else max(1, round(nice_step(span_s / _DAY_S))) * _DAY_S
    pattern = "%d %b" if step_s >= _DAY_S else "%H:%M" if step_s >= 60 else "%H:%M:%S"
    first = -(-low_ms // (step_s * 1000))
    moments = range(first * step_s * 1000, high_ms + 1, step_s * 1000)
    ticks = [
        (float(ms), datetime.fromtimestamp(ms / 1000, UTC).strftime(pattern)) for ms in moments
    ]
    return Axis(low_ms, high_ms, ticks, name)


class Picture:
    """Drawn from the back to the front, then written out by `svg`.

    Args:
        title: said by a screen reader in place of the picture.
    """

    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self._title, self._x, self._y = title, x, y
        self._drawn: list[str] = []

    def line(self, points: Sequence[Point], css: str) -> None:
        """Straight from point to point."""
        if points:
            self._drawn.append(f'<polyline class="line {css}" points="{self._path(points)}"/>')

    def band(self, lower: Sequence[Point], upper: Sequence[Point], css: str) -> None:
        """The area between two lines."""
        if lower:
            path = self._path([*lower, *reversed(upper)])
            self._drawn.append(f'<polygon class="band {css}" points="{path}"/>')

    def bar(self, start: float, stop: float, height: float, css: str) -> None:
        """From the bottom up to `height`."""
        left, right, top = self._at_x(start), self._at_x(stop), self._at_y(height)
        self._drawn.append(_rect(left, top, right - left, HEIGHT - _BOTTOM - top, f"bar {css}"))

    def dot(self, x: float, y: float, css: str) -> None:
        """A point of its own."""
        at = f'cx="{self._at_x(x):.1f}" cy="{self._at_y(y):.1f}"'
        self._drawn.append(f'<circle class="dot {css}" {at} r="3.5"/>')

    def stretch(self, start: float, stop: float, css: str) -> None:
        """The whole height from `start` to `stop`."""
        left, right = self._at_x(start), self._at_x(stop)
        self._drawn.append(_rect(left, _TOP, right - left, HEIGHT - _BOTTOM - _TOP, css))

    def mark(self, x: float, text: str) -> None:
        """A vertical line with a word at its top."""
        at = self._at_x(x)
        anchor, gap = ("end", -4) if at > WIDTH / 2 else ("start", 4)
        self._drawn.append(
            f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
            f'<text class="mark" x="{at + gap:.1f}" y="{_TOP + 11}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def level(self, y: float) -> None:
        """A dashed horizontal line."""
        self.line([(self._x.low, y), (self._x.high, y)], "level")

    def svg(self) -> Markup:
        """The picture as an element of a page."""
        bottom = HEIGHT - _BOTTOM
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self._title)}">'
        ]
        for place, text in self._y.ticks:
            y = self._at_y(place)
            parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'
            )
        for place, text in self._x.ticks:
            x = self._at_x(place)
            # A word at the edge would be cut off.
            anchor = "end" if x > WIDTH - 2 * _RIGHT else "middle"
            at = min(x + _RIGHT, WIDTH - 1) if anchor == "end" else x
            parts.append(
                f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{escape(text)}</text>'
            )
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts += self._drawn
        parts.append(
            f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>'
            f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(self._x.name)}'
            "</text></svg>"
        )
        return Markup("".join(parts))  # numbers, and texts that are escaped

    def _path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{self._at_x(x):.1f},{self._at_y(y):.1f}" for x, y in points)

    def _at_x(self, x: float) -> float:
        share = (x - self._x.low) / (self._x.high - self._x.low)
        return _LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)

    def _at_y(self, y: float) -> float:
        share = (y - self._y.low) / (self._y.high - self._y.low)
        return HEIGHT - _BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - _BOTTOM - _TOP)


def histogram(
    title: str, edges: Sequence[float], columns: Mapping[str, Sequence[float]], name: str
) -> Markup:
    """Bars side by side, one colour a column of `columns` (class → values).

    Bin i holds the values in [edges[i], edges[i + 1]), the last one everything above as well;
    heights are shares of the column.
    """
    bins = len(edges) - 1
    heights = {css: _shares(values, edges) for css, values in columns.items()}
    top = max((max(column) for column in heights.values()), default=0.0)
    ticks = [(float(i), f"{edge:,g}") for i, edge in enumerate(edges[:-1])]
    every = math.ceil(bins / 9)
    picture = Picture(title, Axis(0, bins, ticks[::every], name), shares(0, top, ""))
    for at, (css, column) in enumerate(heights.items()):
        wide = 0.8 / len(heights)
        for i, height in enumerate(column):
            picture.bar(i + 0.1 + at * wide, i + 0.1 + (at + 1) * wide, height, css)
    return picture.svg()


def even_edges(values: Sequence[float], count: int = 20) -> list[float]:
    """Edges of bins equally wide, from 0 to where all but a hundredth of the values are."""
    if not values:
        return [0.0, 1.0]
    high = sorted(values)[int(0.99 * (len(values) - 1))]
    step = nice_step(high, count)
    return [round(i * step, 9) for i in range(max(1, math.ceil(high / step + 1e-9)) + 1)]


def growing_edges(values: Sequence[float]) -> list[float]:
    """0, then 1, 2, 5, 10, …: edges for what spans powers of ten."""
    edges = [0.0]
    high = max(values, default=1)
    for power in range(12):
        for times in (1, 2, 5):
            edges.append(float(times * 10**power))
            if edges[-1] > high:
                return edges
    return edges


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    found = [0] * (len(edges) - 1)
    for value in values:
        found[min(max(bisect_right(edges, value) - 1, 0), len(found) - 1)] += 1
    return [count / max(1, len(values)) for count in found]


def _rect(x: float, y: float, width: float, height: float, css: str) -> str:
    return (
        f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" '
        f'height="{max(0.0, height):.1f}"/>'
    )
