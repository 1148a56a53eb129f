"""The pipeline over a log as a program to be measured, and what it did, for others to do again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import orjson

from load_tests.synthetic import answer, config
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.core.topics import Topics
from stream_cl.pipeline import heap

_SENT_AT_ONCE: Final = 1000
"""Events that the producer appends at once, as many as `stream-cl produce`: a row of the log."""


class Step(NamedTuple):
    """What one step of the pipeline read and wrote: events, and batches of records."""

    events: int
    written: list[Outgoing]


class Block(NamedTuple):
    """What the pipeline did in a block; the bare loops do the same."""

    seconds: float
    steps: list[Step]

    @property
    def events(self) -> int:
        return sum(step.events for step in self.steps)


class _Watched:
    """A log whose writer remembers the last batches that it committed."""

    def __init__(self, log: Transport) -> None:
        self.written: list[Outgoing] = []
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def writer(self, name: str) -> Writer:
        return _WatchedWriter(self, self._log.writer(name))


class _WatchedWriter:
    def __init__(self, watched: _Watched, writer: Writer) -> None:
        self._watched = watched
        self._writer = writer

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    def commit(
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        self._watched.written = list(batches)
        return self._writer.commit(batches, group, offsets, meanwhile)


class PipelineOverLog:
    """The real one, with an annotator that answers between two steps.

    Args:
        folder: where the log and the checkpoints stand.
        size: of a step.
        more: settings beside those of the benchmark, as `transport`.
    """

    def __init__(self, folder: Path, size: int, **more: Any) -> None:
        settings = Config.model_validate({**config("columns", size), **more}).beside(folder)
        clock = SystemClock()
        self.log: Any = build.open_transport(settings, clock)
        self._side = build.open_transport(settings, clock)
        self._watched: Any = _Watched(self.log)
        self.pipeline = build.pipeline(settings, self._watched, clock)
        self.pipeline.start()
        heap.settle()  # as `stream-cl run` does
        self._topics = self.pipeline.plan.topics

    @property
    def topics(self) -> Topics:
        return self._topics

    def send(self, values: list[bytes]) -> None:
        send(self._side, self._topics.events, values)

    def block(self, steps: int) -> Block:
        """So many steps; only they are timed."""
        seconds, done = 0.0, []
        for _ in range(steps):
            before = self.pipeline.state.events
            began = perf_counter()
            self.pipeline.step()
            seconds += perf_counter() - began
            done.append(Step(self.pipeline.state.events - before, self._watched.written))
            self._answer()
        return Block(seconds, done)

    def close(self) -> None:
        self.pipeline.abandon()
        self.log.close()
        self._side.close()

    def _answer(self) -> None:
        for batch in self._watched.written:
            if batch.topic == self._topics.label_requests:
                asked = [orjson.loads(value) for value in batch.values]
                values = [answer(request["id"], request["features"]) for request in asked]
                self._side.append([Outgoing(self._topics.labels, 0, batch.keys, values)])


def send(log: Transport, topic: str, values: list[bytes]) -> None:
    """Append events as a producer does that sends them in batches."""
    for at in range(0, len(values), _SENT_AT_ONCE):
        part = values[at : at + _SENT_AT_ONCE]
        log.append([Outgoing(topic, 0, [None] * len(part), part)])
