"""S(k): everything that the next step depends on, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from stream_cl.core.protocols import Budget, QueryStrategy
from stream_cl.core.records import TopicPartition
from stream_cl.core.snapshot import Digest, Snapshot, digest
from stream_cl.decode.duplicates import DuplicateWindow
from stream_cl.decode.encoder import Encoder
from stream_cl.evaluation.held_out import HeldOut
from stream_cl.evaluation.prequential import Prequential
from stream_cl.labels.join import Join
from stream_cl.pipeline.again import AskAgain
from stream_cl.pipeline.evidence import Evidence
from stream_cl.pipeline.guard import GuardedLearner
from stream_cl.pipeline.outbox import Outbox


class _Part(Protocol):
    def snapshot(self) -> Snapshot: ...

    def restore(self, snapshot: Snapshot) -> None: ...


@dataclass(slots=True)
class State:
    """The state after step `step`.

    time_ms: logical time. read_to_ms: labels appended before it have all been read.
    events: predicted so far. learned: labels learned so far. quarantined: why the labels of
    this step were not learned, None when they were. counts: totals for /metrics and people.
    """

    encoder: Encoder
    guard: GuardedLearner
    query: QueryStrategy
    budget: Budget
    window: DuplicateWindow
    join: Join
    held_out: HeldOut
    accuracy: Prequential
    evidence: Evidence
    again: AskAgain | None = None
    outbox: Outbox = field(default_factory=Outbox)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    step: int = 0
    time_ms: int = 0
    read_to_ms: int = 0
    events: int = 0
    learned: int = 0
    asking: bool = True
    quarantined: str | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, n: int) -> None:
        if n:
            self.counts[name] = self.counts.get(name, 0) + n

    def next_expiry_ms(self) -> int | None:
        """When the next pending event, early label or repeated request expires."""
        stores = (self.join.pending, self.join.early)
        due = [store.next_expiry_ms() for store in stores if len(store)]
        if self.again is not None and (lapse_ms := self.again.next_lapse_ms()) is not None:
            due.append(lapse_ms)
        return min(due, default=None)

    def fingerprint(self) -> Digest:
        """Digest of the whole state; stores enter by their incremental digests.

        The incarnation is no part of it, so a run that was killed and one that was not
        have the same.
        """
        parts = {name: _fingerprint(part) for name, part in self._parts().items()}
        return digest({**parts, "scalars": self._scalars()})

    def snapshot(self) -> Snapshot:
        """The whole state as a copy."""
        parts = {name: part.snapshot() for name, part in self._parts().items()}
        return {**parts, "scalars": self._scalars()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become the state that `snapshot` was taken from."""
        for name, part in self._parts().items():
            part.restore(snapshot[name])
        scalars = dict(snapshot["scalars"])
        self.positions = {TopicPartition(t, p): o for t, p, o in scalars.pop("positions")}
        for name, value in scalars.items():
            setattr(self, name, dict(value) if isinstance(value, dict) else value)

    def _parts(self) -> dict[str, _Part]:
        parts: dict[str, _Part] = {
            "encoder": self.encoder,
            "learner": self.guard,
            "query": self.query,
            "budget": self.budget,
            "window": self.window,
            "pending": self.join.pending,
            "early": self.join.early,
            "closed": self.join.closed,
            "classes": self.join.classes,
            "held_out": self.held_out,
            "accuracy": self.accuracy,
            "evidence": self.evidence,
            "outbox": self.outbox,
            "accounts": self.join.accounts,
        }
        if self.join.panel is not None:
            parts["panel"] = self.join.panel
        if self.again is not None:
            parts["again"] = self.again
        return parts

    def _scalars(self) -> Snapshot:
        return {
            "positions": [[*at, offset] for at, offset in sorted(self.positions.items())],
            "step": self.step,
            "time_ms": self.time_ms,
            "read_to_ms": self.read_to_ms,
            "events": self.events,
            "learned": self.learned,
            "asking": self.asking,
            "quarantined": self.quarantined,
            "counts": dict(self.counts),
        }


def _fingerprint(part: Any) -> Snapshot:
    taken: Snapshot = part.fingerprint() if hasattr(part, "fingerprint") else part.snapshot()
    return taken
