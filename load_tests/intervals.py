"""`intervals`: how often the 95 % interval of the accuracy holds the true accuracy.

The stream and the predictions of a learner are fixed: one run of the default pipeline (seed 0,
5 % asked, default step), of which every prediction, whether it was right, and every utility are
kept. Then the asking is repeated with other draws: the same budget decides again over all
events, and from the answers to what it asks the figures are computed as the pipeline computes
them. So the true accuracy is known and the same in all runs, and the draws alone differ. What
a learner would have learned from other answers is left out; answers come at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from load_tests.report import MissingData, Options, say, table, target
from stream_cl import build
from stream_cl.cli.evaluate import recorded
from stream_cl.config import Config
from stream_cl.core.protocols import Candidates
from stream_cl.core.topics import NAMES, Topics
from stream_cl.evaluation.intervals import Estimate, WeightedSums
from stream_cl.pipeline.offline import Offline

STREAMS: Final = ("elec2.csv.gz", "insects_gradual_balanced.csv.gz", "airlines_chrono.csv.gz")
_EVENTS: Final = 100_000
_RUNS: Final = 1_000
_WINDOW: Final = 5_000


class Trace(NamedTuple):
    """A learner's way through a stream: `right bool [n]`, `utility float64 [n]`."""

    right: npt.NDArray[np.bool_]
    utility: npt.NDArray[np.float64]


class Coverage(NamedTuple):
    """Share of runs whose interval holds the truth, and the half-widths, `[runs]` each."""

    unbiased: float
    naive: float
    window: float
    half: npt.NDArray[np.float64]
    window_half: npt.NDArray[np.float64]


def run(options: Options) -> None:
    """Print the table."""
    paths = [options.data_dir / name for name in STREAMS]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise MissingData(f"there is no {missing[0]}; set STREAM_CL_DATA or --data-dir")
    say(
        f"{_RUNS:,} runs; draws differ, the stream and the predictions of one learner are fixed; "
        f"softmax, default budget of 5 %, at most {options.limit or _EVENTS:,} events"
    )
    found = {}
    lines = []
    for path in paths:
        traced = trace(path, options.limit or _EVENTS)
        found[path.name] = one = coverage(traced, _RUNS)
        lines.append([path.name.split(".")[0], *_line(traced, one)])
    table(
        [
            "stream", "events", "accuracy %", "covers %", "half-width", "largest",
            f"last {_WINDOW:,}: covers %", "half-width", "largest", "naive covers %",
        ],
        lines,
    )  # fmt: skip
    _targets(found)


def trace(path: Path, limit: int) -> Trace:
    """One run of the default pipeline over a recorded stream."""
    rows, config, named = recorded(path, limit), Config(), Topics("")
    state, step = build.fresh_state(config), config.step.max_events
    plan = build.plan(config, named, dict.fromkeys(NAMES, 1), lambda topic, key: 0)
    offline = Offline(state, plan)
    right: list[bool] = []
    utility: list[float] = []
    answers: list[bytes] = []
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        events = [
            orjson.dumps({"id": str(start + i), "time": start + i, "features": row.features})
            for i, row in enumerate(part)
        ]
        scored = offline.step(events, answers)
        names, probabilities = state.join.classes.names, scored.verdicts.probabilities
        best = probabilities.argmax(axis=1) if probabilities.shape[1] else None
        for i, row in enumerate(part):
            right.append(best is not None and names[best[i]] == row.label)
        utility += scored.verdicts.utility.tolist()
        asked = scored.verdicts.decision.asked.tolist()
        answers = [
            orjson.dumps({"id": id_, "label": rows[int(id_)].label})
            for id_, ask in zip(scored.events.ids, asked, strict=True)
            if ask
        ]
    return Trace(np.array(right), np.array(utility))


def coverage(traced: Trace, runs: int) -> Coverage:
    """Ask over the stream again and again, with draws of seeds 0 to `runs` − 1."""
    right, n = traced.right, len(traced.right)
    true, window_true = right.mean(), right[-_WINDOW:].mean()
    budget = build.budget(Config())
    held = np.zeros((runs, 3), dtype=np.bool_)
    half = np.zeros((runs, 2))
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        decision = budget.decide(
            Candidates(
                traced.utility,
                draw.random(n),
                draw.random(n),
                np.ones(n, dtype=np.bool_),
                room=10**9,
                room_floor=10**9,
            )
        )
        asked, late = decision.asked, np.arange(n) >= n - _WINDOW
        since = _sums(right, decision.propensity, asked)
        window = _sums(right, decision.propensity, asked & late).unbiased()
        naive, unbiased = since.naive(), since.unbiased()
        held[seed] = _holds(unbiased, true), _holds(naive, true), _holds(window, window_true)
        half[seed] = _half(unbiased), _half(window)
    unbiased, naive_held, in_window = held.mean(axis=0).tolist()
    return Coverage(unbiased, naive_held, in_window, half[:, 0], half[:, 1])


def _sums(
    right: npt.NDArray[np.bool_],
    propensity: npt.NDArray[np.float64],
    rows: npt.NDArray[np.bool_],
) -> WeightedSums:
    sums = WeightedSums()
    sums.add(right[rows], propensity[rows])
    return sums


def _holds(estimate: Estimate | None, true: float) -> bool:
    return estimate is not None and estimate.low <= true <= estimate.high


def _half(estimate: Estimate | None) -> float:
    return 1.0 if estimate is None else (estimate.high - estimate.low) / 2


def _line(traced: Trace, found: Coverage) -> list[str]:
    return [
        f"{len(traced.right):,}",
        f"{100 * traced.right.mean():.2f}",
        f"{100 * found.unbiased:.1f}",
        f"{100 * np.median(found.half):.2f}",
        f"{100 * found.half.max():.2f}",
        f"{100 * found.window:.1f}",
        f"{100 * np.median(found.window_half):.2f}",
        f"{100 * found.window_half.max():.2f}",
        f"{100 * found.naive:.1f}",
    ]


def _targets(found: dict[str, Coverage]) -> None:
    first, *others = found.items()
    name, elec2 = first
    name = name.split(".")[0]
    _between(name, elec2.unbiased, 93, 97)
    for span, half, most in (
        ("since start", elec2.half, 3.5),
        (f"over the last {_WINDOW:,}", elec2.window_half, 8.0),
    ):
        what = f"{name}, largest half-width {span}"
        target(what, 100 * float(half.max()), most, at_least=False, unit=" points")
    target(f"{name}, naive interval covers", 100 * elec2.naive, 90, at_least=False, unit=" %")
    for other, one in others:
        _between(other.split(".")[0], one.unbiased, 91, 99)


def _between(stream: str, covered: float, low: float, high: float) -> None:
    what = f"{stream}, interval since start covers"
    target(what, 100 * covered, low, unit=" %")
    target(what, 100 * covered, high, at_least=False, unit=" %")
