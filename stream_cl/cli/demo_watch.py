"""What the demo sees of its pipeline: it reads the topics, as anyone could, and the truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from stream_cl.core.clock import Clock
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import Chunk
    from stream_cl.core.topics import Topics
    from stream_cl.evaluation.intervals import Estimate

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
        from stream_cl.evaluation.intervals import WeightedSums
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
        self._sums = WeightedSums()
        # Asked and not answered: what was predicted, and with which probability it was asked.
        self._open: dict[str, tuple[str | None, float]] = {}
        self._early: dict[str, str] = {}

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
    def naive(self) -> Estimate | None:
        """Accuracy on the answered questions, as if they had been drawn evenly."""
        return self._sums.naive()

    @property
    def unbiased(self) -> Estimate | None:
        """Accuracy on all events, estimated from the answered questions alone."""
        return self._sums.unbiased()

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
                self._answer(chunk)
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
            if prediction["asked"]:
                self._open[prediction["id"]] = (prediction["label"], prediction["propensity"])
                if prediction["id"] in self._early:
                    self._weigh(prediction["id"], self._early.pop(prediction["id"]))
            row = int(prediction["id"])
            truth = self._truth[row]
            if truth is None:
                continue
            right = prediction["label"] == truth
            self._judged += 1
            self._right += right
            self._unchanged += row > 0 and self._truth[row - 1] == truth
            self._recent.append(right)

    def _answer(self, chunk: Chunk) -> None:
        self.answered += len(chunk)
        for value in chunk.values:
            answer = orjson.loads(value or b"")
            if answer["id"] in self._open:
                self._weigh(answer["id"], answer["label"])
            else:
                # The topics are read one after another, so its prediction may yet come.
                self._early[answer["id"]] = answer["label"]

    def _weigh(self, id_: str, answer: str) -> None:
        import numpy as np

        predicted, propensity = self._open.pop(id_)
        self._sums.add(np.array([predicted == answer]), np.array([propensity]))
