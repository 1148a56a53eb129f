"""The table of a comparison: one line for each stream, budget, rate and strategy.

Accuracy is the mean over the seeds with its 95 % t interval. The difference to `random` is paired:
same stream, budget, rate and seed. p is of the paired t test, adjusted after Holm over all lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stream_cl.cli.compare_cells import Cell
from stream_cl.cli.compare_statistics import LEVEL, Mean, holm, mean

CONTROL: Final = "random"
_HEAD: Final = (
    "stream", "budget", "rate", "strategy", "seeds", "events", "labels", "accuracy",
    "accuracy_half", "over_random", "over_random_half", "p_holm", "verdict",
)  # fmt: skip


@dataclass(slots=True)
class Line:
    """One line. `gain` is the accuracy above that of `random`, None in the line of `random`;
    `p` is the adjusted one, None where there is one seed."""

    stream: str
    budget: str
    rate: float | None
    strategy: str
    seeds: int
    events: int
    labels: float
    accuracy: Mean
    gain: Mean | None
    p: float | None = None

    @property
    def verdict(self) -> str:
        """above or below where the difference is significant, else nothing."""
        if self.gain is None or self.p is None or self.p >= LEVEL:
            return ""
        return "above" if self.gain.value > 0 else "below"


Group = tuple[str, str, float | None]
Figures = Mapping[str, Any]


def lines(found: Sequence[tuple[Cell, Figures]]) -> list[Line]:
    """The lines in the order of their first cells."""
    groups: dict[tuple[Group, str], dict[int, Figures]] = {}
    for cell, figures in found:
        group = (cell.stream, cell.budget, cell.rate)
        groups.setdefault((group, cell.strategy), {})[cell.seed] = figures
    made = [
        _line(group, strategy, seeds, groups.get((group, CONTROL), {}))
        for (group, strategy), seeds in groups.items()
    ]
    raw = [line.gain.p if line.gain else None for line in made]
    for line, p in zip(made, holm(raw), strict=True):
        line.p = p
    return made


def _line(
    group: Group, strategy: str, seeds: Mapping[int, Figures], control: Mapping[int, Figures]
) -> Line:
    common = sorted(seeds.keys() & control.keys())
    gains = [seeds[seed]["accuracy"] - control[seed]["accuracy"] for seed in common]
    runs = list(seeds.values())
    return Line(
        *group,
        strategy,
        len(runs),
        runs[0]["events"],
        mean([run["labels_asked"] for run in runs]).value,
        mean([run["accuracy"] for run in runs]),
        mean(gains) if gains and strategy != CONTROL else None,
    )


def markdown(found: Sequence[Line]) -> str:
    """A table for people: accuracies and differences in percent."""
    head = ["stream", "budget", "rate", "strategy", "labels", "accuracy %", "over random", "p", ""]
    rows = [
        [
            line.stream,
            line.budget,
            "–" if line.rate is None else f"{line.rate:.1%}",
            line.strategy,
            f"{line.labels:,.0f}",
            percent(line.accuracy),
            percent(line.gain, "+") if line.gain else "–",
            "–" if line.p is None else f"{line.p:.3f}" if line.p >= 0.001 else "< 0.001",
            line.verdict,
        ]
        for line in found
    ]
    rules = ["---" if i in (0, 1, 3, 8) else "---:" for i in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rules, *rows])


def percent(figure: Mean, sign: str = "") -> str:
    """A share in percent, with half the width of its interval."""
    half = "" if figure.half is None else f" ± {100 * figure.half:.2f}"
    return f"{100 * figure.value:{sign}.2f}{half}"


def comma_separated(found: Sequence[Line]) -> str:
    """The same for programs: fractions, and nothing where there is no value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEAD)
    for line in found:
        gain = line.gain
        row = (
            line.stream, line.budget, line.rate, line.strategy, line.seeds, line.events,
            line.labels, line.accuracy.value, line.accuracy.half, gain and gain.value,
            gain and gain.half, line.p, line.verdict,
        )  # fmt: skip
        writer.writerow(["" if value is None else value for value in row])
    return out.getvalue()
