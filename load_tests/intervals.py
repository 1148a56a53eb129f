"""`intervals`: how often the 95 % intervals hold the truth.

The stream and the predictions of a learner are fixed: one run of the default pipeline (seed 0,
5 % asked, default step), of which every prediction and every utility are kept. Then the asking is
repeated with other draws: the same budget decides again over all events, and from the answers to
what it asks the figures are computed as the pipeline computes them. So the true figures are known
and the same in all runs, and the draws alone differ. What a learner would have learned from other
answers is left out.

A cell is one figure of one stream, with answers that come at once or after a heavy-tailed delay
(what has not come by then is missing from the figure, as it would be on a screen): accuracy since
the start, over the last 5,000 events at two moments, and recall of each class that has 30 effective
labels. The truth is that of all events of the span, those that wait for their answer included.
The confidence sequence is looked at after every tenth answer from the tenth on; it holds in a run
if it holds at every look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from load_tests.delayed import delays, steps
from load_tests.report import MissingData, Options, say, table, target
from stream_cl import build
from stream_cl.cli.evaluate import recorded
from stream_cl.config import Config
from stream_cl.core.protocols import Candidates, Decision
from stream_cl.core.records import FloatMatrix
from stream_cl.evaluation.confusion import Confusion
from stream_cl.evaluation.intervals import Estimate, WeightedSums
from stream_cl.evaluation.late import OpenQuestions, missing, standing_for
from stream_cl.evaluation.scores import Answers
from stream_cl.evaluation.sequence import sequence

STREAMS: Final = ("elec2.csv.gz", "insects_gradual_balanced.csv.gz", "airlines_chrono.csv.gz")
DELAYS: Final = (0, 500)
"""Median delay of an answer, in events."""
_EVENTS: Final = 100_000
_RUNS: Final = 2000
_WINDOW: Final = 5_000
_WINDOWS_LEAST: Final = 400
_LOOKS: Final = 10
"""Answers between two looks at the confidence sequence."""


class Trace(NamedTuple):
    """A learner's way through a stream: `true`, `predicted int64 [n]`, `utility float64 [n]`; when
    the answer to each event comes, `arrival float64 [n]` in events. The encoded events `x [n, d]`
    and how far questions about them are spread out."""

    true: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    utility: npt.NDArray[np.float64]
    arrival: npt.NDArray[np.float64]
    x: FloatMatrix
    spread: float

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """`bool [n]`"""
        right: npt.NDArray[np.bool_] = self.true == self.predicted
        return right


@dataclass(slots=True)
class Cell:
    """One figure over many runs: whether its interval held the truth, and half its width."""

    held: list[bool] = field(default_factory=list)
    half: list[float] = field(default_factory=list)

    def add(self, estimate: Estimate | None, true: float) -> None:
        """What one run showed; nothing where it showed no figure."""
        if estimate is not None:
            self.held.append(estimate.low <= true <= estimate.high)
            self.half.append((estimate.high - estimate.low) / 2)

    @property
    def covers(self) -> float:
        """In per cent."""
        return 100 * float(np.mean(self.held))


Cells = dict[str, Cell]


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
    found: dict[tuple[str, int, str], Cell] = {}
    for path in paths:
        for median in DELAYS:
            cells = coverage(trace(path, options.limit or _EVENTS, median), _RUNS)
            name = path.name.split(".")[0]
            found |= {(name, median, figure): cell for figure, cell in cells.items()}
    table(
        ["stream", "delay", "figure", "windows", "covers %", "half-width", "largest"],
        [_line(key, cell) for key, cell in found.items() if cell.held],
    )
    _targets(found)


def trace(path: Path, limit: int, median: float = 0) -> Trace:
    """One run of the default pipeline over a recorded stream, its answers late by `median`."""
    rows, late = recorded(path, limit), delays(limit, median, seed=0)
    number: dict[str | None, int] = {None: -1}
    for row in rows:
        number.setdefault(row.label, len(number) - 1)
    predicted: list[int] = []
    utility: list[float] = []
    encoded: list[FloatMatrix] = []
    spread = 0.0
    for step in steps(Config(), rows, late):
        probabilities = step.scored.verdicts.probabilities
        n, k = probabilities.shape
        names = step.state.join.classes.names
        best = probabilities.argmax(axis=1).tolist() if k else []
        predicted += [number[names[i]] for i in best] if k else [-1] * n
        utility += step.scored.verdicts.utility.tolist()
        encoded.append(step.scored.encoded.x)
        spread = step.scored.utilities.spread
    true = np.array([number[row.label] for row in rows])
    events = np.arange(len(rows))
    arrival, x = events + late[: len(rows)], np.concatenate(encoded)
    return Trace(true, np.array(predicted), np.array(utility), arrival, x, spread)


def coverage(traced: Trace, runs: int) -> Cells:
    """Ask over the stream again and again, with draws of seeds 0 to `runs` − 1."""
    n, right = len(traced.true), traced.right
    since = np.add.accumulate(right) / np.arange(1, n + 1)
    cells: Cells = {}
    for seed in range(runs):
        decision = _decide(traced, seed)
        for span, start, stop in _spans(n):
            events = np.arange(start, stop)
            known = events[decision.asked[events] & (traced.arrival[events] <= stop)]
            waiting = _waiting(traced, decision, events, stop)
            propensity = standing_for(known, decision.propensity[known], waiting)
            sums = WeightedSums()
            sums.add(right[known], propensity)
            cells.setdefault(span, Cell()).add(sums.unbiased(), float(right[events].mean()))
            if span == "start":
                naive = cells.setdefault("start, naive", Cell())
                naive.add(sums.naive(), float(right.mean()))
            for class_, estimate in _recalls(traced, propensity, known):
                true = float(right[events][traced.true[events] == class_].mean())
                cells.setdefault(f"{span}, recall {class_}", Cell()).add(estimate, true)
        cells.setdefault("sequence", Cell()).add(*_looked(traced, decision, since))
    return cells


def _waiting(
    traced: Trace, decision: Decision, events: npt.NDArray[np.int64], now: float
) -> OpenQuestions:
    """The questions about `events` whose answers are not here."""
    late = events[decision.asked[events] & (traced.arrival[events] > now)]
    return OpenQuestions(late, decision.propensity[late])


def _spans(n: int) -> list[tuple[str, int, int]]:
    middle = n // 2
    windows = [("window 1", max(0, middle - _WINDOW), middle), ("window 2", n - _WINDOW, n)]
    return [("start", 0, n), *windows]


def _decide(traced: Trace, seed: int) -> Decision:
    draw, n = np.random.default_rng(seed), len(traced.true)
    return build.budget(Config()).decide(
        Candidates(
            traced.utility,
            draw.random(n),
            draw.random(n),
            np.ones(n, dtype=np.bool_),
            room=10**9,
            room_floor=10**9,
            x=traced.x,
            spread=traced.spread,
        )
    )


def _recalls(
    traced: Trace, propensity: npt.NDArray[np.float64], known: npt.NDArray[np.int64]
) -> Iterator[tuple[int, Estimate | None]]:
    """Class and recall, of the classes that have enough labels for one."""
    none = np.zeros(len(known))
    confusion = Confusion()
    confusion.add(
        Answers(
            known, propensity, traced.true[known], traced.predicted[known],
            known, none, none, none > 0,
        )
    )  # fmt: skip
    for one in confusion.classes(most=10):
        yield one.number, one.recall


def _looked(
    traced: Trace, decision: Decision, since: npt.NDArray[np.float64]
) -> tuple[Estimate | None, float]:
    """The confidence sequence where it failed first, or its end, and the truth there."""
    asked = np.flatnonzero(decision.asked)
    order = asked[np.argsort(traced.arrival[asked], kind="stable")]
    order = order[traced.arrival[order] < len(since)]
    estimate, true = None, 0.0
    for look in range(_LOOKS - 1, len(order), _LOOKS):
        now = float(traced.arrival[order[look]])
        known, so_far = order[: look + 1], asked[: np.searchsorted(asked, now, side="right")]
        waiting, propensity = _waiting(traced, decision, so_far, now), decision.propensity[known]
        right, standing = traced.right[known], standing_for(known, propensity, waiting)
        sums = WeightedSums()
        sums.add(right, standing)
        lacking = missing(right, propensity, standing, len(known), waiting)
        estimate, true = sequence(sums, lacking), float(since[int(now)])
        assert estimate is not None
        if not estimate.low <= true <= estimate.high:
            break
    return estimate, true


def _line(key: tuple[str, int, str], cell: Cell) -> list[str]:
    stream, median, figure = key
    return [
        stream,
        f"{median:,}",
        figure,
        f"{len(cell.held):,}",
        f"{cell.covers:.1f}",
        f"{100 * np.median(cell.half):.2f}",
        f"{100 * max(cell.half):.2f}",
    ]


def _targets(found: dict[tuple[str, int, str], Cell]) -> None:
    for what, of in (("accuracy", False), ("recall", True)):
        cells = {
            key: cell
            for key, cell in found.items()
            if key[2] not in {"sequence", "start, naive"}
            and ("recall" in key[2]) is of
            and len(cell.held) >= _WINDOWS_LEAST
        }
        pooled = 100 * float(np.mean([one for cell in cells.values() for one in cell.held]))
        target(f"{what}, pooled over {len(cells)} cells, covers", pooled, 93, unit=" %")
        target(f"{what}, pooled, covers", pooled, 97, at_least=False, unit=" %")
        worst = min(cells, key=lambda key: cells[key].covers)
        best = max(cells, key=lambda key: cells[key].covers)
        target(f"{what}, lowest cell {_named(worst)}", cells[worst].covers, 91, unit=" %")
        highest = f"{what}, highest cell {_named(best)}"
        target(highest, cells[best].covers, 99, at_least=False, unit=" %")
    for key, cell in found.items():
        if key[2] == "sequence":
            target(f"confidence sequence, {_named(key)}, holds in", cell.covers, 95, unit=" %")
    elec2 = found[STREAMS[0].split(".")[0], 0, "start, naive"]
    target("elec2, naive interval covers", elec2.covers, 90, at_least=False, unit=" %")


def _named(key: tuple[str, int, str]) -> str:
    return f"({key[0]}, delay {key[1]:,}, {key[2]})"
