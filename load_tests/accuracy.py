"""`accuracy`: right predictions and speed in one table, at the same settings, on elec2.

Prequential: every event is predicted before its label is learned. Accuracy is the mean over
seeds; events per second come from runs of their own on one core, since runs beside each
other disturb each other. A peer and a control run in the same process at the same time:
river's logistic regression, and the classifier that repeats the last label.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.stats import t

from load_tests.report import MissingData, Options, one_core, say, table, target
from stream_cl.cli.evaluate import recorded, run_once
from stream_cl.config import Config
from stream_cl.evaluation.agreement import accuracy, no_change_accuracy
from stream_cl.pipeline.offline import Row

STREAM: Final = "elec2.csv.gz"
_WINDOW: Final = 5_000
_MODES: Final[dict[str, dict[str, Any]]] = {
    "all labels": {"labels": {"join": "every"}},
    "5 % uncertainty": {"query": {"kind": "uncertainty"}},
    "5 % random": {"query": {"kind": "random"}},
    "5 % fraction": {"query": {"kind": "uncertainty"}, "budget": {"kind": "fraction"}},
}
"""By uncertainty and with the default budget where nothing else is said."""
_FRACTION: Final = 0.05
_STEPS: Final = (1, 32, 256, 1000)


class Seeded(NamedTuple):
    """One run: fraction right, labels bought, and how far the spend ever was from its target
    over 5,000 events in a row, in labels (after the first 5,000)."""

    right: float
    labels: int
    off_target: float


def run(options: Options) -> None:
    """Print the table."""
    path = options.data_dir / STREAM
    if not path.exists():
        raise MissingData(f"there is no {path}; set STREAM_CL_DATA or --data-dir")
    default = Config().step.max_events
    steps = sorted({*_STEPS, default})
    rows = recorded(path, options.limit)
    say(
        f"{path.name}, {len(rows):,} events, softmax, default settings but for the step; mean and "
        f"95 % interval of the mean over {options.seeds} seeds; default step {default}"
    )
    runs = _seeds(options, [(mode, step) for mode in _MODES for step in steps])
    table(
        ["labels", "step", "accuracy %", "± (95 %)", "labels bought", "off target", "events/s"],
        [
            [
                mode,
                f"{step:,}",
                *_figures(runs[mode, step], spent=mode != "all labels"),
                f"{_speed(rows, mode, step):,.0f}",
            ]
            for mode in _MODES
            for step in steps
        ],
    )
    _peers(rows)
    _targets(runs, steps, default)


def settings(mode: str, step: int) -> Config:
    """The config of one line of the table."""
    given = {"step": {"max_events": step}, **_MODES[mode]}
    given["budget"] = {**given.get("budget", {}), "fraction": _FRACTION}
    return Config.model_validate(given)


def _seeds(
    options: Options, lines: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], list[Seeded]]:
    """Every line with every seed, on all cores."""
    path = options.data_dir / STREAM
    jobs = [(mode, step, seed) for mode, step in lines for seed in range(options.seeds)]
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(
        min(cores, 2), get_context("spawn"), _load, (path, options.limit)
    ) as pool:
        # The longest first, so that the last ones end together.
        ordered = sorted(jobs, key=lambda job: job[1])
        found = dict(zip(ordered, pool.map(_one, ordered), strict=True))
    return {
        (mode, step): [found[mode, step, seed] for seed in range(options.seeds)]
        for mode, step in lines
    }


_rows: list[Row] = []
"""The stream, once in each process of the pool."""


def _load(path: Path, limit: int | None) -> None:
    _rows[:] = recorded(path, limit)


def _one(job: tuple[str, int, int]) -> Seeded:
    mode, step, seed = job
    outcome, _ = run_once(settings(mode, step).model_copy(update={"seed": seed}), _rows)
    right = accuracy(outcome.truth, outcome.predicted)
    return Seeded(right, outcome.labels, off_target(outcome.asked))


def off_target(asked: Sequence[bool], fraction: float = _FRACTION) -> float:
    """Labels by which the spend of any 5,000 events in a row misses its target, at most."""
    total = np.concatenate(([0], np.cumsum(np.asarray(asked, dtype=np.int64))))[_WINDOW:]
    if len(total) <= _WINDOW:
        return 0.0
    return float(np.abs(total[_WINDOW:] - total[:-_WINDOW] - fraction * _WINDOW).max())


def _speed(rows: list[Row], mode: str, step: int) -> float:
    """Events per second of one run, alone on one core."""
    with one_core():
        outcome, _ = run_once(settings(mode, step), rows)
    return len(rows) / outcome.seconds


def mean_and_half(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half the width of its 95 % t interval (Student 1908)."""
    n = len(values)
    half = t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return fmean(values), float(half)


def _figures(runs: Sequence[Seeded], spent: bool) -> list[str]:
    mean, half = mean_and_half([100 * run.right for run in runs])
    off = f"{max(run.off_target for run in runs):.0f}" if spent else "-"
    labels = fmean(run.labels for run in runs)
    return [f"{mean:.2f}", f"{half:.2f}", f"{labels:,.0f}", off]


def _peers(rows: list[Row]) -> None:
    """River's logistic regression with all labels, and the control without learning."""
    from river import linear_model, preprocessing

    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    events = [({k: v or 0.0 for k, v in _named(row).items()}, row.label == "UP") for row in rows]
    right = 0
    with one_core():
        began = perf_counter()
        for x, y in events:
            right += model.predict_one(x) == y
            model.learn_one(x, y)
        seconds = perf_counter() - began
    naive = no_change_accuracy([row.label for row in rows])
    say("\nbeside it, all labels, step 1")
    table(
        ["classifier", "accuracy %", "events/s"],
        [
            [
                "river: StandardScaler | LogisticRegression (dicts in memory, no JSON, no outputs)",
                f"{100 * right / len(rows):.2f}",
                f"{len(rows) / seconds:,.0f}",
            ],
            ["no change: the last label again", f"{100 * (naive or 0):.2f}", "-"],
        ],
    )


def _named(row: Row) -> dict[str, Any]:
    assert isinstance(row.features, dict)
    return row.features


def _targets(runs: dict[tuple[str, int], list[Seeded]], steps: Sequence[int], default: int) -> None:
    def mean(mode: str, step: int) -> float:
        return 100 * fmean(run.right for run in runs[mode, step])

    target("all labels, step 1", mean("all labels", 1), 83.5, unit=" %")
    target("5 % uncertainty, step 1", mean("5 % uncertainty", 1), 79.5, unit=" %")
    target("5 % uncertainty with fraction, step 1", mean("5 % fraction", 1), 79.0, unit=" %")
    what = f"5 % uncertainty, default step ({default})"
    target(what, mean("5 % uncertainty", default), 78.0, unit=" %")
    for step in sorted({1, default}):
        pairs = zip(runs["5 % uncertainty", step], runs["5 % random", step], strict=True)
        gain, half = mean_and_half([100 * (ours.right - control.right) for ours, control in pairs])
        what = f"5 % uncertainty above random, step {step}, paired (± {half:.2f})"
        target(what, gain, 0.0, unit=" points")
    asked = [run for mode in list(_MODES)[1:] for step in steps for run in runs[mode, step]]
    worst = max(run.off_target for run in asked)
    what = "spend off target over any 5,000 events, any step and seed"
    target(what, worst, 20.0, at_least=False, unit=" labels")
