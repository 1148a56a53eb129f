"""What is around a pipeline's state: unread input, checkpoints, and how the last start went.

None of it is part of the state, and nothing in a step looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stream_cl.core.clock import Clock
from stream_cl.core.protocols import Transport
from stream_cl.core.records import TopicPartition
from stream_cl.evaluation.forgetting import Look
from stream_cl.pipeline.checkpointer import Checkpointer, Written
from stream_cl.pipeline.retention import Retention
from stream_cl.pipeline.settings import Recovered
from stream_cl.pipeline.slicer import Slicer


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What became of checkpoints in this process, and what the last one found.

    last: None before the first. count, skipped: written, and left out because one was being
    written. look: how the learner did on the held-out set. expired: what retention has taken that
    the oldest one needs; empty if nothing.
    """

    last: Written | None = None
    count: int = 0
    skipped: int = 0
    look: Look = field(default_factory=Look)
    expired: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """At one moment, which is `at_s` on the monotonic clock.

    unread: records by input topic (without the prefix), and their partitions. behind_s: age of the
    oldest unread record, 0 where there is none. added: partitions that appeared since the start.
    recovered: what the start found; None before its end.
    """

    unread: dict[str, int] = field(default_factory=dict)
    behind_s: float = 0.0
    partitions: dict[str, int] = field(default_factory=dict)
    added: int = 0
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    recovered: Recovered | None = None
    at_s: float = 0.0

    @property
    def lag(self) -> int:
        """Unread records of all input topics."""
        return sum(self.unread.values())


class Surroundings:
    """Looks at them; for the thread that takes the steps.

    Args:
        transport: the log.
        inputs: topics that are read; `prefix` is left off their names.

    looked_ms: the wall clock when input was last looked for. opened: partitions of the inputs when
    the process became the writer. recovered: what its start found.
    """

    def __init__(
        self,
        transport: Transport,
        inputs: Sequence[str],
        prefix: str,
        slicer: Slicer,
        checkpointer: Checkpointer,
        retention: Retention,
        clock: Clock,
    ) -> None:
        self.looked_ms = clock.now_ms()
        self.opened = 0
        self.recovered: Recovered | None = None
        self._transport = transport
        self._inputs = inputs
        self._prefix = prefix
        self._slicer = slicer
        self._checkpointer = checkpointer
        self._retention = retention
        self._clock = clock

    def look(self, positions: Mapping[TopicPartition, int]) -> Around:
        """All of it, for a state with these positions."""
        unread: dict[str, int] = {}
        partitions: dict[str, int] = {}
        for at, records in self._unread(positions).items():
            name = at.topic.removeprefix(self._prefix)
            unread[name] = unread.get(name, 0) + records
            partitions[name] = partitions.get(name, 0) + 1
        # What is not read ahead yet came after input was last looked for.
        oldest_ms = self._slicer.oldest_ms(positions) or self.looked_ms
        behind_s = max(0, self._clock.now_ms() - oldest_ms) / 1000
        return Around(
            unread,
            behind_s if any(unread.values()) else 0.0,
            partitions,
            sum(partitions.values()) - self.opened,
            self._checkpoints(),
            self.recovered,
            self._clock.monotonic_s(),
        )

    def lag(self, positions: Mapping[TopicPartition, int]) -> int:
        """Records of the inputs from `positions` on."""
        return sum(self._unread(positions).values())

    def _unread(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        bounds = self._transport.bounds(self._inputs)
        return {at: max(0, b.end - positions.get(at, 0)) for at, b in bounds.items()}

    def _checkpoints(self) -> Checkpoints:
        """The checkpointer's thread may be writing meanwhile."""
        checkpointer = self._checkpointer
        return Checkpoints(
            checkpointer.written,
            checkpointer.count,
            checkpointer.skipped,
            checkpointer.forgetting.last,
            self._retention.expired,
        )
