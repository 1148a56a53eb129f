"""What the parts promise each other. Implementations are in the domain folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import (
    Bounds,
    Chunk,
    FloatMatrix,
    Outgoing,
    Probabilities,
    TopicPartition,
)
from stream_cl.core.snapshot import Snapshot, Stateful


class Learner(Stateful, Protocol):
    """Predicts and learns. Classes are whole numbers in order of first appearance."""

    @property
    def n_classes(self) -> int:
        """k: one more than the largest class ever learned; 0 before the first label."""
        ...

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]`, finite, rows summing to 1. Pure.

        The prediction for a row does not depend on the other rows.
        """
        ...

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Learn n labelled events `x [n, d]`, `y [n]`, `weight [n]`, in their order.

        The only method that changes the learner; it changes none of its arguments.

        Raises:
            LearnerFailed: the parameters are no longer finite.
        """
        ...

    def fingerprint(self) -> Snapshot:
        """What a digest of the state is taken of: small, and differs when the state does."""
        ...


@runtime_checkable
class Rehearses(Protocol):
    """A learner that learns each mini-batch several times, with entries of a memory.

    memory: what it rehearses from.

    rehearsals: optimiser steps per mini-batch, at least 1. May be set between two calls of
    `learn`, counts from the next one on, and is no part of the state: who sets it writes it
    down.
    """

    rehearsals: int

    @property
    def memory(self) -> Memory: ...


class Memory(Stateful, Protocol):
    """A bounded store of labelled events that a learner rehearses from.

    Bounded in entries and in bytes; the smaller bound holds. What is kept and what is drawn
    is decided by a generator of its own, which is part of the state.
    """

    @property
    def capacity(self) -> int:
        """Entries that it never exceeds."""
        ...

    @property
    def bytes_used(self) -> int:
        """Bytes of the entries held."""
        ...

    @property
    def bytes_max(self) -> int:
        """Bytes that it never exceeds."""
        ...

    def __len__(self) -> int: ...

    def add(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """Offer n labelled events `x float32 [n, width]`, `y [n]`, in their order.

        Offering them one by one gives the same memory to the bit.
        """
        ...

    def sample(self, count: int) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
        """m = min(count, len) different entries as copies: `x float32 [m, width]`, `y [m]`.

        Moves the generator on, so it changes the state.
        """
        ...

    def fingerprint(self) -> Snapshot:
        """What a digest of the state is taken of: small, and differs when the state does."""
        ...


class QueryStrategy(Protocol):
    """Gives each event a utility: how much its label would teach."""

    @property
    def name(self) -> str: ...

    def utility(self, x: FloatMatrix, probabilities: Probabilities) -> npt.NDArray[np.float64]:
        """`float64 [n]`, larger is more useful; only the order matters. Pure."""
        ...


@dataclass(slots=True)
class Candidates:
    """The events of a step as a budget sees them, in their order.

    utility: `float64 [n]`, from the query strategy.
    ask_draw, held_out_draw: `float64 [n]` in [0, 1), one number each per event.
    allowed: `bool [n]`, False where an event must not be asked (paused, label is there).
    room: requests that may still be opened by choice.
    room_floor: requests that may still be opened at all; exploration uses the last of them.
    """

    utility: npt.NDArray[np.float64]
    ask_draw: npt.NDArray[np.float64]
    held_out_draw: npt.NDArray[np.float64]
    allowed: npt.NDArray[np.bool_]
    room: int
    room_floor: int


@dataclass(slots=True)
class Decision:
    """What a budget decided for the events of a step.

    propensity: `float64 [n]`, the probability with which each was asked, 0 where it could not be.
    asked, held_out: `bool [n]`; held_out implies asked.
    reason: `uint8 [n]`, an index into `REASONS`.
    after: the budget's state after these events; `Budget.restore(after)` commits it.
    """

    propensity: npt.NDArray[np.float64]
    asked: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    reason: npt.NDArray[np.uint8]
    after: Any


REASONS = ("not_drawn", "drawn", "held_out", "cold_start", "not_allowed", "no_room", "joined")


class Budget(Stateful, Protocol):
    """Turns utilities into ask / don't ask at a target spend; owns the probability."""

    def decide(self, candidates: Candidates) -> Decision:
        """Decide event after event; the budget itself is left as it was."""
        ...

    def commit(self, decision: Decision) -> None:
        """Make the state after `decision` this budget's state."""
        ...


class Transport(Protocol):
    """A log: topics with partitions, keys, headers, append times and offsets.

    Append times never fall within a partition. Records of a partition are read in the
    order of their offsets; what a writer commits becomes visible at once or not at all.
    """

    def create_topic(
        self, topic: str, partitions: int = 1, retention_ms: int | None = None
    ) -> None:
        """Create a topic, or set the retention of one that exists with as many partitions.

        Raises:
            TransportError: it exists with another number of partitions.
        """
        ...

    def topics(self) -> dict[str, int]:
        """name → number of partitions."""
        ...

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """Start and end of every partition of the topics, all at one moment.

        Raises:
            UnknownTopic: one of them does not exist.
        """
        ...

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> Chunk:
        """At most `max_records` records from `offset` on; an empty chunk at the end.

        Raises:
            UnknownTopic: the topic or partition does not exist.
            OffsetOutOfRange: `offset` is below the partition's start or above its end.
        """
        ...

    def append(self, batches: Sequence[Outgoing]) -> list[int]:
        """Append without being the writer (producers, annotators), all in one transaction.

        Returns the first offset of each batch.

        Raises:
            RecordTooLarge, UnknownTopic, TransportFull: nothing was written.
        """
        ...

    def partition_for(self, topic: str, key: bytes) -> int:
        """The partition that records of this key go to: the same for the same key."""
        ...

    def group_offsets(self, group: str) -> dict[TopicPartition, int]:
        """What a reader has committed: the next offset to read."""
        ...

    def append_and_commit(
        self, batches: Sequence[Outgoing], group: str, offsets: Mapping[TopicPartition, int]
    ) -> list[int]:
        """`append`, and the reader's offsets, in the same transaction."""
        ...

    def truncate(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records below `offset`, as retention does."""
        ...

    def wait(self, timeout_s: float, poll_s: float) -> None:
        """Wait until something may have been appended to the topics of the last `bounds`,
        `timeout_s` at most. A log that cannot tell by itself is looked at every `poll_s`."""
        ...

    def settle(self, topic: str) -> None:
        """Wait until all that was appended to a topic is decided: visible, or gone for good. For
        a topic that nobody else appends to any more.

        Raises:
            TransportError: something stays undecided.
        """
        ...

    def writer(self, name: str) -> Writer:
        """Become the one writer of this name; every earlier one is fenced from now on."""
        ...

    def close(self) -> None: ...


class Writer(Protocol):
    """The one process that may commit steps."""

    @property
    def epoch(self) -> int: ...

    def commit(
        self, batches: Sequence[Outgoing], group: str, offsets: Mapping[TopicPartition, int]
    ) -> list[int]:
        """One step: all batches and the group's offsets, durable, or nothing.

        Returns the first offset of each batch.

        Raises:
            Fenced: another writer of this name has started; nothing was written.
            TransportFull, TransportError: nothing was written.
        """
        ...
