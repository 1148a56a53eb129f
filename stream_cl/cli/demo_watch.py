"""What the demo sees of its pipeline: it reads the topics, as anyone could, and the truth."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import Chunk
    from stream_cl.core.topics import Topics

RECENT: Final = 500
"""Predictions that the moving accuracy covers."""
_RATE_S: Final = 2.0
_AT_ONCE: Final = 5000


class Watch:
    """Counts and figures so far; `poll` brings them up to date.

    Args:
        truth: the label of every event, by its id, the row number; None where it is unknown.
    """

    def __init__(
        self, log: Transport, topics: Topics, truth: Sequence[str | None], clock: Clock
    ) -> None:
        from stream_cl.transport.follow import Follower

        self.produced = self.predicted = self.asked = self.answered = 0
        self.incarnation = self.step = 0
        self._topics = topics
        self._truth = truth
        self._clock = clock
        self._follower = Follower(
            log,
            [
                topics.events,
                topics.predictions,
                topics.label_requests,
                topics.labels,
                topics.manifest,
            ],
        )
        self._judged = self._right = self._unchanged = 0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._pace: deque[tuple[float, int]] = deque([(clock.monotonic_s(), 0)])

    @property
    def backlog(self) -> int:
        """Events that are in the log and not predicted."""
        return self.produced - self.predicted

    @property
    def accuracy(self) -> float | None:
        """Share of all predictions that are the truth."""
        return self._right / self._judged if self._judged else None

    @property
    def accuracy_recent(self) -> float | None:
        """The same over the last `RECENT` predictions."""
        return sum(self._recent) / len(self._recent) if self._recent else None

    @property
    def no_change(self) -> float | None:
        """What repeating the true label of the event before would have got."""
        return self._unchanged / self._judged if self._judged else None

    @property
    def per_second(self) -> float:
        """Predictions per second over the last two seconds."""
        (then, before), (now, predicted) = self._pace[0], self._pace[-1]
        return (predicted - before) / (now - then) if now > then else 0.0

    def poll(self) -> None:
        """Read what has come."""
        from stream_cl.pipeline import manifest

        for chunk in self._follower.poll(_AT_ONCE):
            if chunk.topic == self._topics.events:
                self.produced += len(chunk)
            elif chunk.topic == self._topics.labels:
                self.answered += len(chunk)
            elif chunk.topic == self._topics.predictions:
                self._judge(chunk)
            elif chunk.topic == self._topics.label_requests:
                self.asked += sum(orjson.loads(v or b"")["status"] == "open" for v in chunk.values)
            else:
                last = manifest.decode(chunk.values[-1], chunk.offsets[-1])
                self.incarnation, self.step = last.incarnation, last.step
        now = self._clock.monotonic_s()
        self._pace.append((now, self.predicted))
        while now - self._pace[0][0] > _RATE_S:
            self._pace.popleft()

    def _judge(self, chunk: Chunk) -> None:
        self.predicted += len(chunk)
        for value in chunk.values:
            prediction = orjson.loads(value or b"")
            row = int(prediction["id"])
            truth = self._truth[row]
            if truth is None:
                continue
            right = prediction["label"] == truth
            self._judged += 1
            self._right += right
            self._unchanged += row > 0 and self._truth[row - 1] == truth
            self._recent.append(right)


@dataclass(frozen=True, slots=True)
class Count:
    """What stands in the log at the end. `missing`: events without a prediction; `repeated`:
    events with more than one; `strangers`: predictions without an event."""

    events: int
    predictions: int
    missing: int
    repeated: int
    strangers: int

    @property
    def once(self) -> bool:
        """Whether every event has exactly one prediction, and there is no other."""
        return not (self.missing or self.repeated or self.strangers)


def count(log: Transport, topics: Topics) -> Count:
    """Read both topics from the start, and count the predictions of every event."""
    from stream_cl.transport.follow import Follower

    follower = Follower(log, [topics.events, topics.predictions])
    events: set[str] = set()
    predictions: Counter[str] = Counter()
    while chunks := follower.poll(_AT_ONCE):
        for chunk in chunks:
            ids = [orjson.loads(value or b"")["id"] for value in chunk.values]
            (events if chunk.topic == topics.events else predictions).update(ids)
    return Count(
        events=len(events),
        predictions=predictions.total(),
        missing=len(events - predictions.keys()),
        repeated=sum(times > 1 for id_, times in predictions.items() if id_ in events),
        strangers=len(predictions.keys() - events),
    )
