"""`novelty`: how soon classes that nobody has named are asked for, on nsl_kdd, train20 then test.

The test set holds attacks that the training set lacks. For each of them, from its first event
to its first label: how many events passed, and how often one was asked for, beside random at the
same spend. Small classes are mostly over before random asks for one; those of `_LARGE` events
and more stand in columns of their own. Labels come after the step that asked for them, and the
encoder has the settings that the other figures of this stream have (`load_tests.streams`). As
those the runs are over arrays, which give what the pipeline gives, event for event.

A class that was never asked for waited for all its events; its time to the first label counts
as infinite in the median.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import fmean, median
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from load_tests import streams
from load_tests.accuracy import mean_and_half
from load_tests.asking_arrays import encoded, go_through, words_of
from load_tests.report import Options, say, table, target
from stream_cl.config.file import load
from stream_cl.core.records import FloatMatrix
from stream_cl.pipeline.arrays import Classes

STREAM: Final = "nsl_kdd"
SEEDS: Final = 30
_LARGE: Final = 100
_FRACTION: Final = 0.05
_STRATEGIES: Final = {
    "random": "{kind: random}",
    "uncertainty": "{kind: uncertainty}",
    "novelty": "{kind: novelty}",
    "novelty, half": "{kind: novelty, share: 0.5}",
    "novelty, product": "{kind: novelty, mix: product}",
    "novelty, max": "{kind: novelty, mix: max}",
    "novelty, alone": "{kind: novelty, mix: alone}",
}
"""As `--set` takes them."""
_BUDGETS: Final = ("fraction", "quantile")
_CONTROL: Final = "random"


class Wait(NamedTuple):
    """A class until its first label: how many events it has, how many of them passed (the one
    that was asked for included), and whether one was asked for at all."""

    size: int
    events: int
    found: bool


class Run(NamedTuple):
    """One seed: fraction right of all and of the test set, labels, and each new class."""

    right: float
    right_test: float
    labels: int
    waits: list[Wait]


def run(options: Options) -> None:
    """Print the table."""
    files = streams.stream(STREAM, options.data_dir).files
    say(
        f"{' then '.join(streams.FILES[STREAM])}, {', '.join(streams.sets(STREAM))}, "
        f"{_FRACTION:.0%} of the events; means over {SEEDS} seeds, ± 95 % of the mean"
    )
    lines = [(budget, name) for budget in _BUDGETS for name in _STRATEGIES]
    runs = _seeds(files, lines)
    classes = runs[lines[0]][0].waits
    large = sum(wait.size >= _LARGE for wait in classes)
    say(f"{len(classes)} classes are new in the test set, {large} of {_LARGE} events and more\n")
    table(
        ["budget, strategy", "accuracy %", "±", "on test %", "labels", "× random", "±", "median",
         "found", "large: × random", "median"],
        [[f"{budget}, {name}", *_figures(runs[budget, name], runs[budget, _CONTROL])]
         for budget, name in lines],
    )  # fmt: skip
    for budget in _BUDGETS:
        _targets(budget, runs)


def waits(classes: Classes, asked: npt.NDArray[np.bool_], new: Classes) -> list[Wait]:
    """Each of the `new` classes until its first label; class and question of every event."""
    found = []
    for one in new:
        of_class = asked[classes == one]
        named = bool(of_class.any())
        passed = int(of_class.argmax()) + 1 if named else len(of_class)
        found.append(Wait(len(of_class), passed, named))
    return found


def rate(of: Sequence[Wait]) -> float:
    """First labels per event that passed until them."""
    return sum(wait.found for wait in of) / max(1, sum(wait.events for wait in of))


def middle(of: Sequence[Wait]) -> float:
    """Median events to the first label; infinite where most were never asked for."""
    return median(wait.events if wait.found else np.inf for wait in of)


def _all(runs: Sequence[Run], at_least: int = 0) -> list[Wait]:
    return [wait for one in runs for wait in one.waits if wait.size >= at_least]


def _figures(runs: Sequence[Run], control: Sequence[Run]) -> list[str]:
    right, half = mean_and_half([100 * one.right for one in runs])
    base = rate(_all(control))
    _, off = mean_and_half([rate(one.waits) / base for one in runs])
    large = rate(_all(runs, _LARGE)) / rate(_all(control, _LARGE))
    return [
        f"{right:.2f}",
        f"{half:.2f}",
        f"{100 * fmean(one.right_test for one in runs):.2f}",
        f"{fmean(one.labels for one in runs):,.0f}",
        f"{rate(_all(runs)) / base:.2f}",
        f"{off:.2f}",
        f"{middle(_all(runs)):.1f}",
        f"{fmean(sum(wait.found for wait in one.waits) for one in runs):.1f}",
        f"{large:.2f}",
        f"{middle(_all(runs, _LARGE)):.1f}",
    ]


def _targets(budget: str, runs: dict[tuple[str, str], list[Run]]) -> None:
    ours, control = runs[budget, "novelty"], runs[budget, _CONTROL]
    often = rate(_all(ours)) / rate(_all(control))
    target(f"{budget}: asked as often as random until the first label", often, 2.5, unit=" ×")
    sooner = middle(_all(ours)) / middle(_all(control))
    what = f"{budget}: events to the first label, median, over random's"
    target(what, sooner, 0.5, at_least=False)
    for name in (_CONTROL, "uncertainty"):
        pairs = zip(ours, runs[budget, name], strict=True)
        gain, half = mean_and_half([100 * (one.right - other.right) for one, other in pairs])
        target(f"{budget}: accuracy above {name}, paired (± {half:.2f})", gain, 0, unit=" points")


class _Stream(NamedTuple):
    """Both sets in their order, encoded, where the test set starts, and what is only there."""

    x: FloatMatrix
    y: Classes
    start: int
    new: Classes


_encoded: list[_Stream] = []
"""The one stream, once in each process of the pool."""


def _load(files: Sequence[str]) -> None:
    train, test = (list(streams.rows([file])) for file in files)
    x, y = encoded(load(None, list(streams.sets(STREAM)), {}), train + test)
    start = len(train)
    _encoded[:] = [_Stream(x, y, start, np.setdiff1d(y[start:], y[:start]))]


def _one(job: tuple[str, str, int]) -> Run:
    budget, name, seed = job
    sets = (
        *streams.sets(STREAM), f"seed={seed}", f"query={_STRATEGIES[name]}",
        f"budget={{kind: {budget}, fraction: {_FRACTION}}}",
    )  # fmt: skip
    config = load(None, list(sets), {})
    [(x, y, start, new)] = _encoded
    course = go_through(config, x, y, words_of(config, len(y)))
    right = course.predicted == y
    return Run(
        float(right.mean()),
        float(right[start:].mean()),
        int(course.asked.sum()),
        waits(y, course.asked, new),
    )


def _seeds(
    files: Sequence[str], lines: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], list[Run]]:
    jobs = [(*line, seed) for line in lines for seed in range(SEEDS)]
    cores = min(len(os.sched_getaffinity(0)), 2)
    with ProcessPoolExecutor(cores, get_context("spawn"), _load, (files,)) as pool:
        found = dict(zip(jobs, pool.map(_one, jobs), strict=True))
    return {line: [found[(*line, seed)] for seed in range(SEEDS)] for line in lines}
