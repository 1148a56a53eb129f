"""What the parts promise each other. Implementations are in the domain folders.

Longer than other modules, because it is read as one: each promise names the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

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


@runtime_checkable
class Corrects(Protocol):
    """A memory whose entries can be given another class.

    An entry is known by what it holds, so that memories need no names for their entries: of
    several alike it does not matter which one is corrected.
    """

    def correct(self, x: npt.NDArray[np.float32], old: int, new: int) -> bool:
        """Give an entry with exactly `x [width]` and the class `old` the class `new`; whether
        there was one. Draws nothing."""
        ...


@runtime_checkable
class SamplesPosterior(Protocol):
    """A learner that can say how else it might have predicted."""

    def sample_posterior(self, x: FloatMatrix, samples: int) -> npt.NDArray[np.float64]:
        """Class probabilities of `samples` models drawn from what the learner believes,
        `float64 [samples, n, k]`. Pure, and the same whenever it is asked."""
        ...


@dataclass(slots=True)
class Asking:
    """The events of a step as a query strategy sees them.

    x: `float32 [n, d]`. probabilities: `float64 [n, k]`, what the learner said of them.
    learner: to be looked at only, for its optional powers.
    words: `uint64 [n]`, a keyed hash of each event's id: where chance comes from that belongs
    to the event. None where there are no ids.
    """

    x: FloatMatrix
    probabilities: Probabilities
    learner: Learner
    words: npt.NDArray[np.uint64] | None = None


@dataclass(slots=True)
class Utilities:
    """What a strategy says of the events of a step.

    values: `float64 [n]`, finite; larger is more useful, only the order matters.
    after: the strategy's state after these events; `QueryStrategy.commit` makes it its own.
    spread: how far questions are to be spread out, as a share of the usual squared distance between
    events, of all or of each, `float64 [n]`; values are at least 0 where it is not 0. 0: it does
    not matter how near events are.
    """

    values: npt.NDArray[np.float64]
    after: Any = None
    spread: float | npt.NDArray[np.float64] = 0.0


class QueryStrategy(Stateful, Protocol):
    """Gives each event a utility: how much its label would teach."""

    @property
    def name(self) -> str: ...

    def utility(self, asking: Asking) -> Utilities:
        """The utilities of a step's events; the strategy itself is left as it was."""
        ...

    def commit(self, utilities: Utilities) -> None:
        """Make the state after `utilities` this strategy's state."""
        ...

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """The learner has learned these `x [m, d]`, `y [m]`, in their order."""
        ...


@runtime_checkable
class HearsAnswers(Protocol):
    """A query strategy that uses more of an answer than its class."""

    def hear(
        self,
        y: npt.NDArray[np.int64],
        predicted: npt.NDArray[np.int64],
        cost: npt.NDArray[np.float64],
    ) -> None:
        """m answers that were learned: their classes, those that had been predicted for the
        events (−1 where none was known), and what the annotators say that they cost (not a
        number where they say nothing). Called after `learn`, with the answers in its order."""
        ...


@runtime_checkable
class HearsCorrections(Protocol):
    """A query strategy that counts the labels that were learned."""

    def corrected(self, old: npt.NDArray[np.int64]) -> None:
        """m labels that were learned as the classes `old [m]` turned out to be of others, which
        `learn` has told."""
        ...


@runtime_checkable
class SeesDrift(Protocol):
    """A query strategy that watches for drift."""

    @property
    def drifts(self) -> int:
        """Drifts seen since the start."""
        ...

    @property
    def left(self) -> int:
        """Events that are still asked about first because of the last drift; 0 where none are."""
        ...


@dataclass(slots=True)
class Candidates:
    """The events of a step as a budget sees them, in their order.

    utility: `float64 [n]`, from the query strategy.
    ask_draw, held_out_draw: `float64 [n]` in [0, 1), one number each per event.
    allowed: `bool [n]`, False where an event must not be asked (paused, label is there).
    room: requests that may still be opened by choice.
    room_floor: requests that may still be opened at all; exploration uses the last of them.
    time_ms: logical time of the step. open: requests that are open before it.
    keys: `n` record keys, None where there is none; empty where nobody knows them.
    predicted: `int64 [n]`, the predicted class, −1 where none is known; None as `keys`.
    x: `float32 [n, d]`, the events themselves; None as `keys`. spread: as in `Utilities`.
    until_asked: 0, or the size of a step where these are several, predicted ahead: no event is
        decided beyond the first step in which something is asked that will be learned.
    """

    utility: npt.NDArray[np.float64]
    ask_draw: npt.NDArray[np.float64]
    held_out_draw: npt.NDArray[np.float64]
    allowed: npt.NDArray[np.bool_]
    room: int
    room_floor: int
    time_ms: int = 0
    open: int = 0
    keys: Sequence[bytes | None] = ()
    predicted: npt.NDArray[np.int64] | None = None
    x: FloatMatrix | None = None
    spread: float | npt.NDArray[np.float64] = 0.0
    until_asked: int = 0


@dataclass(slots=True)
class Decision:
    """What a budget decided for the events of a step; n is less than the candidates where
    `Candidates.until_asked` says so.

    propensity: `float64 [n]`, the probability with which each was asked, 0 where it could not be.
    asked, held_out: `bool [n]`; held_out implies asked.
    reason: `uint8 [n]`, an index into `REASONS`.
    threshold: `float64 [n]`, of what was asked: the utility above which the budget asks by choice;
    not a number, or None for all, where it has no such line.
    after: the budget's state after these events; `Budget.commit` makes it the budget's own.
    """

    propensity: npt.NDArray[np.float64]
    asked: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    reason: npt.NDArray[np.uint8]
    after: Any
    threshold: npt.NDArray[np.float64] | None = None


REASONS = (
    "not_drawn",
    "drawn",
    "held_out",
    "cold_start",
    "not_allowed",
    "no_room",
    "joined",
    "closed",
    "key_limit",
    "class_limit",
)


class Bill(NamedTuple):
    """What an answer cost: who gave it, and the price that it names itself, if it does.

    closes: whether the label was asked for; one that nobody asked for costs as well.
    """

    annotator: str
    cost: float | None
    closes: bool = True


class Spending(NamedTuple):
    """What a budget spends, for people; it influences nothing.

    target: share of the events that it asks about now. floor: the smallest propensity that an
    event which may be asked has now. asked: labels asked for since the start. refunded: labels
    paid back for questions that nobody answered; waiting: those that will be. mean_propensity,
    min_propensity: over the latest events that could be asked. price: what a label is expected to
    cost, and paid: what answers have cost, both in the unit of the budget (1 and 0 where it
    counts labels).
    """

    target: float
    floor: float
    asked: int
    refunded: float
    waiting: float
    mean_propensity: float
    min_propensity: float
    price: float = 1.0
    paid: float = 0.0


class Budget(Stateful, Protocol):
    """Turns utilities into ask / don't ask at a target spend; owns the probability."""

    def decide(self, candidates: Candidates) -> Decision:
        """Decide event after event; the budget itself is left as it was."""
        ...

    def commit(self, decision: Decision) -> None:
        """Make the state after `decision` this budget's state."""
        ...

    def refund(self, expired: int) -> None:
        """Give back what was spent on questions whose time is over and that nobody answered."""
        ...

    def spend(self, labels: int) -> None:
        """Charge labels that it did not decide on, asked for besides: as many fewer events are
        asked about. Below 0: labels that it was charged with and that are not needed."""
        ...

    def charge(self, bills: Sequence[Bill]) -> None:
        """Take what answers to questions that were asked have cost."""
        ...

    def spending(self) -> Spending:
        """What is spent now."""
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
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        """One step: all batches and the group's offsets, durable, or nothing.

        Returns the first offset of each batch. A writer that has to wait may call `meanwhile`,
        once, before anything is decided; what it raises comes out, and nothing was written.

        Raises:
            Fenced: another writer of this name has started; nothing was written.
            TransportFull, TransportError: nothing was written.
        """
        ...
