"""What somebody who watches a running pipeline sees: figures over time, and the latest records.

The pipeline's thread fills it and is never waited for: it notes a few references per step and a
row of figures per second. Others say that they want a look; between two steps the pipeline's thread
puts together what there is, as references and small copies, and they make of it what they like.
What takes longer (accuracy, classes, the oldest questions) is looked at once a second while
somebody watches, and never for more than a fiftieth of the time.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from stream_cl.core.clock import Clock
from stream_cl.core.records import Outgoing
from stream_cl.core.topics import Topics
from stream_cl.observe.timeline import Merge, Row, Timeline
from stream_cl.pipeline.glance import Glance, glance_at
from stream_cl.pipeline.runner import Pipeline
from stream_cl.pipeline.watch import StepTimes

LATEST: Final = 50
"""Predictions, and dead letters, that are kept."""
LETTER_BYTES: Final = 2048
"""Of a dead letter that are kept."""
ROW_S: Final = 1.0
GLANCE_S: Final = 1.0
CURVE_S: Final = 10.0
"""Between two looks at the learning curve."""
UNSEEN_S: Final = 10.0
"""Between two glances while nobody watches: what the figures over time consist of."""
_WATCHED_S: Final = 5.0
"""Somebody who wanted a look this long ago is still there."""
_SHARE: Final = 0.02

COLUMNS: Final[dict[str, Merge]] = {
    "time_s": "last",
    "events": "last",
    "asked": "last",
    "learned": "last",
    "dead_letters": "last",
    "lag": "most",
    "drifts": "last",
    "step_ms_50": "mean",
    "step_ms_95": "most",
    "behind_ms_50": "mean",
    "behind_ms_95": "most",
    "behind_ms_99": "most",
    "naive": "last",
    "unbiased": "last",
    "low": "last",
    "high": "last",
    "baseline": "last",
    "target": "last",
}
"""Of the timeline. Totals are since the state began; behind: from the append of a step's newest
record to its commit; naive to baseline: of the window."""


class Letter(NamedTuple):
    """A dead letter as it was published: its first `LETTER_BYTES`, and how many it has."""

    time_ms: int
    value: bytes
    bytes: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """A pipeline at one moment.

    rows: of the timeline, of which `added` were made so far. predictions: the latest published
    values, of `predicted` so far. letters: the latest dead letters, of `refused` so far. glance:
    what is looked at once a second, `glances` so far.
    """

    time_ms: int
    step: int
    incarnation: int
    asking: bool
    events: int
    learned: int
    counts: dict[str, int]
    rows: list[Row]
    added: int
    predictions: list[bytes]
    predicted: int
    letters: list[Letter]
    refused: int
    glance: Glance
    glances: int


@dataclass(slots=True)
class _Second:
    """What the steps of a row were like."""

    steps_s: list[float] = field(default_factory=list)
    behind_s: list[float] = field(default_factory=list)


class Feed:
    """Filled by the pipeline's thread (`watch`, `turn`), looked at by others (`want`, `look`).

    Args:
        topics: names of the topics.
        clock: rows are one a second.
    """

    def __init__(self, topics: Topics, clock: Clock) -> None:
        self._clock = clock
        self._timeline = Timeline(COLUMNS)
        self._predictions: deque[bytes] = deque(maxlen=LATEST)
        self._letters: deque[Letter] = deque(maxlen=LATEST)
        self._topic_of = {topics.predictions: self._predict, topics.dead_letters: self._refuse}
        self._predicted = self._refused = self._glances = 0
        self._second = _Second()
        self._row_due_s = self._glance_due_s = self._curve_due_s = -math.inf
        self._glance = Glance()
        self._wanted = threading.Event()
        self._wanted_s = -math.inf
        self._answered: Callable[[], None] = _nothing
        self._look: Look | None = None

    def watch(self, times: StepTimes) -> None:
        """Take in a step."""
        self._second.steps_s.append(times.whole_s)
        if times.behind_s is not None:
            self._second.behind_s.append(times.behind_s)
        for batch in times.outputs:
            take = self._topic_of.get(batch.topic)
            if take is not None:
                take(batch)

    def turn(self, pipeline: Pipeline) -> None:
        """Between two steps: add a row if a second is over, give the look that is wanted."""
        now_s, wanted = self._clock.monotonic_s(), self._wanted.is_set()
        due = now_s >= self._row_due_s
        if due or wanted:
            self._look_closely(pipeline, now_s, wanted)
        if due:
            self._add_row(pipeline)
            self._row_due_s = now_s + ROW_S
        if wanted:
            self._wanted.clear()
            self._wanted_s = now_s
            self._look = self._taken(pipeline)
            self._answered()

    def want(self, answered: Callable[[], None] = lambda: None) -> None:
        """Ask for a look; `answered` is called by the pipeline's thread when it is there."""
        self._answered = answered
        self._wanted.set()

    @property
    def look(self) -> Look | None:
        """The last look that was wanted; None before the first."""
        return self._look

    def _predict(self, batch: Outgoing) -> None:
        self._predictions.extend(batch.values[-LATEST:])
        self._predicted += len(batch)

    def _refuse(self, batch: Outgoing) -> None:
        now_ms, n = self._clock.now_ms(), len(batch)
        for i in range(max(0, n - LATEST), n):
            value = batch.values[i]
            headers = {name: text.decode(errors="replace") for name, text in batch.headers(i)}
            self._letters.append(Letter(now_ms, value[:LETTER_BYTES], len(value), headers))
        self._refused += n

    def _look_closely(self, pipeline: Pipeline, now_s: float, wanted: bool) -> None:
        watched = wanted or now_s - self._wanted_s < _WATCHED_S
        due_s = self._glance_due_s if watched else self._glance_due_s + UNSEEN_S - GLANCE_S
        if now_s < due_s:
            return
        whole = now_s >= self._curve_due_s
        if whole:
            self._curve_due_s = now_s + CURVE_S
        before = None if whole else self._glance
        self._glance = glance_at(pipeline.state, pipeline.lag(), before)
        self._glances += 1
        took_s = self._clock.monotonic_s() - now_s
        self._glance_due_s = now_s + max(GLANCE_S, took_s / _SHARE)

    def _add_row(self, pipeline: Pipeline) -> None:
        state, glance, second = pipeline.state, self._glance, self._second
        unbiased = glance.figures.get("window_unbiased")
        naive = glance.figures.get("window_naive")
        spending = glance.spending
        values: dict[str, float | None] = {
            "time_s": self._clock.now_ms() / 1000,
            "events": state.events,
            "asked": state.counts.get("asked", 0) + state.counts.get("asked_again", 0),
            "learned": state.learned,
            "dead_letters": self._refused,
            "lag": glance.lag,
            "drifts": state.counts.get("drifts", 0),
            **_quantiles("step_ms", second.steps_s, (50, 95)),
            **_quantiles("behind_ms", second.behind_s, (50, 95, 99)),
            "naive": None if naive is None else naive.value,
            "unbiased": None if unbiased is None else unbiased.value,
            "low": None if unbiased is None else unbiased.low,
            "high": None if unbiased is None else unbiased.high,
            "baseline": glance.scores.get("window_no_change"),
            "target": None if spending is None else spending.target,
        }
        self._timeline.add([_number(values.get(name)) for name in COLUMNS])
        self._second = _Second()

    def _taken(self, pipeline: Pipeline) -> Look:
        state = pipeline.state
        return Look(
            time_ms=self._clock.now_ms(),
            step=state.step,
            incarnation=pipeline.incarnation,
            asking=state.asking,
            events=state.events,
            learned=state.learned,
            counts=dict(state.counts),
            rows=self._timeline.rows(),
            added=self._timeline.added,
            predictions=list(self._predictions),
            predicted=self._predicted,
            letters=list(self._letters),
            refused=self._refused,
            glance=self._glance,
            glances=self._glances,
        )


def _nothing() -> None:
    return None


def _number(value: float | None) -> float:
    return math.nan if value is None else round(value, 5)


def _quantiles(name: str, seconds: list[float], percents: Sequence[int]) -> dict[str, Any]:
    """`name_50` and so on, in milliseconds; nothing where there was no step."""
    if not seconds:
        return {}
    ordered, last = sorted(seconds), len(seconds) - 1
    return {f"{name}_{p}": 1000 * ordered[round(p / 100 * last)] for p in percents}
