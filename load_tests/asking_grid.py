"""`grid` and `reach`: the default way of asking against `random`, on every stream.

grid: at 1, 5 and 10 % of the labels, spend equal, paired over the seeds, p adjusted after Holm over
all cells. reach: how many labels it takes to be as accurate as `random` is with 10 % of them, from
1, 2, 3, 5, 7 and 10 %, linear between two of them.

Runs are over arrays (`asking_arrays`), which give what the pipeline gives, event for event, in a
twentieth of its time; `grid` says so of one run of each stream, which goes through the pipeline.

Every run is kept in the cache folder under a key of code, config and data, so both can be run in
pieces (`--streams`), stopped and gone on with. Other ways of asking are named by `--strategies`,
`--budgets` and `--set`, as `stream-cl compare` takes them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any, Final

from load_tests import streams
from load_tests.page import as_table, put
from load_tests.report import say, table, target
from stream_cl.cli.compare_cells import Cell, Results, code_digest
from stream_cl.cli.compare_plan import cells, ways
from stream_cl.cli.compare_pool import run
from stream_cl.cli.compare_table import CONTROL, Line, lines, markdown

RATES: Final = (0.01, 0.05, 0.10)
REACH_RATES: Final = (0.01, 0.02, 0.03, 0.05, 0.07, 0.10)
_GOAL_RATE: Final = 0.10
_ARRAYS: Final = (sys.executable, "-m", "load_tests.asking_arrays_worker")
_PIPELINE: Final = (sys.executable, "-m", "load_tests.asking_worker")

Runs = list[tuple[Cell, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says. `sets`, `strategies` and `budgets` as `compare` takes them."""

    data_dir: Path
    cache: Path
    streams: tuple[str, ...]
    seeds: int
    jobs: int | None
    limit: int | None
    sets: tuple[str, ...]
    strategies: tuple[str, ...]
    budgets: tuple[str, ...]
    page: Path | None


def grid(wanted: Wanted) -> None:
    """Print the table."""
    found = run_ways(wanted, RATES, RATES)
    made = lines(found)
    text = markdown(made)
    say(text)
    targets(made, found)
    _repeated(wanted, found)
    put(wanted.page, "grid", f"{caption(wanted)}\n\n{text}")


def reach(wanted: Wanted) -> None:
    """Print the share of random's labels that each stream needs."""
    text = needed(lines(run_ways(wanted, REACH_RATES, [_GOAL_RATE])))
    put(wanted.page, "reach", f"{settings(wanted)}.\n\n{text}")


def needed(found: Sequence[Line]) -> str:
    """Print which share of random's labels each way needs on each stream; returns the table."""
    rows, shares = [], []
    for name in dict.fromkeys(line.stream for line in found):
        of = [line for line in found if line.stream == name]
        for way in dict.fromkeys((x.strategy, x.budget) for x in of if x.strategy != CONTROL):
            goal = next(
                x.accuracy.value
                for x in of
                if (x.strategy, x.budget, x.rate) == (CONTROL, way[1], _GOAL_RATE)
            )
            points = [
                (x.rate or 0.0, x.accuracy.value) for x in of if (x.strategy, x.budget) == way
            ]
            share = reached(points, goal)
            shares.append(share / _GOAL_RATE)
            shown = (
                [f"{share:.2%}", f"{share / _GOAL_RATE:.2f}"] if isfinite(share) else ["never", "-"]
            )
            rows.append([name, *way, f"{100 * goal:.2f}", *shown])
    head = ["stream", "strategy", "budget", "goal %", "labels", "of random's"]
    table(head, rows)
    target("largest share of random's labels", max(shares), 0.75, at_least=False)
    target("median share of random's labels", median(shares), 0.55, at_least=False)
    return as_table(head, rows)


def reached(points: Sequence[tuple[float, float]], goal: float) -> float:
    """The smallest rate at which a line through (rate, accuracy) is at the goal; infinite if none.

    Below the first rate nothing is known: the first rate itself where it is at the goal already.
    """
    ordered = sorted(points)
    if ordered[0][1] >= goal:
        return ordered[0][0]
    for (low, below), (high, above) in pairwise(ordered):
        if above >= goal > below:
            return low + (high - low) * (goal - below) / (above - below)
    return float("inf")


def run_ways(wanted: Wanted, rates: Sequence[float], control_rates: Sequence[float]) -> Runs:
    """Every way that is wanted at `rates`, and `random` at `control_rates`."""
    planned = []
    for name in wanted.streams:
        stream = streams.stream(name, wanted.data_dir, wanted.limit)
        sets = [*streams.sets(name), *wanted.sets]
        planned += cells(
            None, [stream], ways(None, sets, wanted.strategies, wanted.budgets, rates), wanted.seeds
        )
    needed = [x for x in planned if x.strategy != CONTROL or x.rate in control_rates]
    return run(needed, Results(wanted.cache), wanted.jobs, _ARRAYS)


def _repeated(wanted: Wanted, found: Runs) -> None:
    """Run the first cell of each stream that chooses through the pipeline, too."""
    chosen = [(cell, figures) for cell, figures in found if cell.strategy != CONTROL]
    first = {cell.stream: (cell, figures) for cell, figures in reversed(chosen)}
    whole = Results(wanted.cache / "pipeline")
    again = run([cell for cell, _ in first.values()], whole, wanted.jobs, _PIPELINE)
    same = sum(
        figures[name] == first[cell.stream][1][name]
        for cell, figures in again
        for name in ("accuracy", "labels_asked")
    )
    target("accuracies and labels that the pipeline repeats to the bit", same, 2 * len(first))


def targets(made: Sequence[Line], found: Runs) -> None:
    """Print what is promised of the default way against `random`."""
    ours = [line for line in made if line.gain]
    below = [line for line in ours if line.verdict == "below"]
    target("cells significantly below random", len(below), 0, at_least=False)
    late = [line for line in ours if (line.rate or 0) >= 0.05]
    if late:
        above = sum(line.verdict == "above" for line in late) / len(late)
        target("significantly above random, of the 5 and 10 % cells", 100 * above, 90, unit=" %")
    gains = [100 * line.gain.value for line in ours if line.gain]
    target("median gain over random", median(gains), 1.5, unit=" points")
    off, bound = spend_off(found)
    target(f"largest difference of spend to random's (bound {bound})", off, 1.0, at_least=False)


def spend_off(found: Runs) -> tuple[float, str]:
    """The largest difference between the labels of a run and of its control, in parts of what is
    allowed: 1 % or 10 labels, whichever is more."""
    groups = {(c.stream, c.budget, c.rate, c.seed): f for c, f in found if c.strategy == CONTROL}
    worst = 0.0
    for cell, figures in found:
        theirs = groups[cell.stream, cell.budget, cell.rate, cell.seed]["labels_asked"]
        allowed = max(10.0, 0.01 * theirs)
        worst = max(worst, abs(figures["labels_asked"] - theirs) / allowed)
    return worst, "1 % or 10 labels"


def settings(wanted: Wanted) -> str:
    """What was run, for a caption."""
    given = ", ".join(f"`{text}`" for text in wanted.sets) or "defaults"
    limit = f"the first {wanted.limit:,} events" if wanted.limit else "whole streams"
    return f"Measured with code {code_digest()[:8]}: {limit}, {wanted.seeds} seeds, {given}"


def caption(wanted: Wanted) -> str:
    """What stands above a table of accuracies."""
    return (
        f"{settings(wanted)}. Accuracy is the mean over the seeds with its 95 % t interval; the "
        "difference to `random` is paired by seed, p adjusted after Holm over all lines."
    )
