"""What stands in a log at the end of the demo: read once from the start, event by event."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import orjson

from stream_cl.core.protocols import REASONS

if TYPE_CHECKING:
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import Chunk
    from stream_cl.core.topics import Topics
    from stream_cl.evaluation.intervals import Estimate

MOST_USEFUL: Final = 10
_AT_ONCE: Final = 5000
_DRAWN: Final = REASONS.index("drawn")
_MOST_TIMES: Final = 255


@dataclass(frozen=True, slots=True)
class Count:
    """Events and predictions. `missing`: events without a prediction; `repeated`: events with
    more than one; `strangers`: predictions without an event."""

    events: int
    predictions: int
    missing: int
    repeated: int
    strangers: int

    @property
    def once(self) -> bool:
        """Whether every event has exactly one prediction, and there is no other."""
        return not (self.missing or self.repeated or self.strangers)


class Request(NamedTuple):
    """One question: the event's row, what the annotator saw, and how useful it seemed."""

    row: int
    utility: float
    features: dict[str, Any]


class Sofar(NamedTuple):
    """Accuracy from the start up to and with event `row`, None while nothing is known."""

    row: int
    true: float | None
    naive: Estimate | None
    unbiased: Estimate | None


class Account:
    """Every event's fate, in arrays by row; n rows, as many as there are labels in `truth`.

    Attributes:
        judged, right: `bool [n]`, whether the truth is known, and whether it was predicted.
        asked: `bool [n]`.
        propensity: `float64 [n]`.
        reasons: how many of the events have each of `core.protocols.REASONS`.
        predicted: the label of each row's prediction.
        answers: row → the answer.
        latency_ms: of each predicted event, from its append to its prediction's.
        delay_ms: of each answered question, from its append to the answer's.
        useful: the questions of largest utility among those drawn for their utility.
    """

    def __init__(self, log: Transport, topics: Topics, truth: Sequence[str | None]) -> None:
        n = len(truth)
        self.truth = truth
        self.asked, self.right = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        self.judged = np.array([label is not None for label in truth], np.bool_)
        self.propensity = np.zeros(n)
        self.predicted: list[str | None] = [None] * n
        self.answers: dict[int, str] = {}
        self._times = np.zeros(n, np.uint8)
        self._reason = np.zeros(n, np.uint8)
        self._seen = np.zeros(n, np.bool_)
        self._predictions = self._strangers = 0
        # Append times of the event, its prediction, the question and the answer; 0 where none.
        self._ms = np.zeros((4, n), np.int64)
        self._read_events(log, topics.events)
        self._read_predictions(log, topics.predictions)
        self.useful = heapq.nlargest(
            MOST_USEFUL,
            self._requests(log, topics.label_requests),
            key=lambda request: (request.utility, -request.row),
        )
        self._read_answers(log, topics.labels)
        self.judged &= self._times > 0

    @property
    def count(self) -> Count:
        """How events and predictions match."""
        return Count(
            events=int(self._seen.sum()),
            predictions=self._predictions,
            missing=int((self._seen & (self._times == 0)).sum()),
            repeated=int((self._seen & (self._times > 1)).sum()),
            strangers=self._strangers + int((~self._seen & (self._times > 0)).sum()),
        )

    @property
    def reasons(self) -> dict[str, int]:
        """Reason → events, those that occur."""
        counts = np.bincount(self._reason[self._times > 0], minlength=len(REASONS)).tolist()
        return {reason: count for reason, count in zip(REASONS, counts, strict=True) if count}

    @property
    def latency_ms(self) -> list[int]:
        """From an event's append to its prediction's."""
        return self._between(0, 1)

    @property
    def delay_ms(self) -> list[int]:
        """From a question's append to its answer's."""
        return self._between(2, 3)

    def reason(self, row: int) -> str:
        """Why it was asked, or not."""
        return REASONS[self._reason[row]]

    def sofar(self, points: int) -> list[Sofar]:
        """Accuracy since the start after at most `points` of the events, the last among them."""
        from stream_cl.evaluation.intervals import WeightedSums

        n = len(self.truth)
        rows = _spread(n - 1, 0, points)
        right, judged = self.right.cumsum(), self.judged.cumsum()
        found, before, sums = [], 0, WeightedSums()
        for row in rows:
            new = [r for r in range(before, row + 1) if r in self.answers and self.propensity[r]]
            if new:
                hit = np.array([self.predicted[r] == self.answers[r] for r in new])
                sums.add(hit, self.propensity[new])
            before = row + 1
            true = float(right[row] / judged[row]) if judged[row] else None
            found.append(Sofar(row, true, sums.naive(), sums.unbiased()))
        return found

    def recent(self, points: int, window: int) -> list[tuple[int, float]]:
        """(row, true accuracy over the last `window` events), from the first full window on."""
        n = len(self.truth)
        right = np.concatenate([[0], self.right.cumsum()])
        judged = np.concatenate([[0], self.judged.cumsum()])
        ends = _spread(n, min(window, n), points)
        found = []
        for end in ends:
            known = judged[end] - judged[max(0, end - window)]
            if known:
                share = (right[end] - right[max(0, end - window)]) / known
                found.append((end - 1, float(share)))
        return found

    def spend(self, points: int) -> list[tuple[int, float]]:
        """(row, share of the events up to it that were asked)."""
        n = len(self.truth)
        rows = _spread(n - 1, 0, points)
        return [(row, float(self.asked[: row + 1].mean())) for row in rows]

    def _between(self, first: int, second: int) -> list[int]:
        both = (self._ms[first] > 0) & (self._ms[second] > 0)
        gaps: list[int] = (self._ms[second] - self._ms[first])[both].tolist()
        return gaps

    def _row(self, id_: str) -> int | None:
        """The row of an id; None where no row has it."""
        row = int(id_) if id_.isascii() and id_.isdigit() else -1
        return row if 0 <= row < len(self.truth) else None

    def _read_events(self, log: Transport, topic: str) -> None:
        for chunk in _chunks(log, topic):
            for time_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
                row = self._row(orjson.loads(value or b"")["id"])
                if row is not None:
                    self._seen[row] = True
                    self._ms[0, row] = time_ms

    def _read_predictions(self, log: Transport, topic: str) -> None:
        names: dict[str | None, str | None] = {}
        for chunk in _chunks(log, topic):
            self._predictions += len(chunk)
            for time_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
                one = orjson.loads(value or b"")
                row = self._row(one["id"])
                if row is None:
                    self._strangers += 1
                    continue
                self._times[row] = min(self._times[row] + 1, _MOST_TIMES)
                self._ms[1, row] = time_ms
                # One text for all predictions of a class, however many there are.
                self.predicted[row] = names.setdefault(one["label"], one["label"])
                self.right[row] = self.judged[row] and one["label"] == self.truth[row]
                self.asked[row] = one["asked"]
                self.propensity[row] = one["propensity"]
                self._reason[row] = REASONS.index(one["reason"])

    def _requests(self, log: Transport, topic: str) -> Iterator[Request]:
        """The questions drawn for their utility; notes when each question was put."""
        for chunk in _chunks(log, topic):
            for time_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
                one = orjson.loads(value or b"")
                row = self._row(one["id"])
                if row is None or one["status"] != "open":
                    continue
                self._ms[2, row] = time_ms
                if self._reason[row] == _DRAWN:
                    yield Request(row, one["utility"], one["features"])

    def _read_answers(self, log: Transport, topic: str) -> None:
        for chunk in _chunks(log, topic):
            for time_ms, value in zip(chunk.timestamps_ms, chunk.values, strict=True):
                one = orjson.loads(value or b"")
                row = self._row(one["id"])
                if row is not None and row not in self.answers:
                    self._ms[3, row] = time_ms
                    self.answers[row] = one["label"]


def _spread(last: int, first: int, points: int) -> list[int]:
    """At most `points` numbers from `first` to `last`, rising; `last` is always one of them."""
    spread: list[int] = np.unique(np.linspace(last, first, points).round().astype(int)).tolist()
    return spread


def _chunks(log: Transport, topic: str) -> Iterator[Chunk]:
    from stream_cl.transport.follow import Follower

    follower = Follower(log, [topic])
    while chunks := follower.poll(_AT_ONCE):
        yield from chunks
