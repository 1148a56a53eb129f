"""What every encoder promises: events of any kind in, one matrix of fixed width out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from stream_cl.core.records import Events, Features, FloatMatrix
from stream_cl.core.snapshot import Snapshot, Stateful


class Refusal(NamedTuple):
    """An event that this encoder cannot take: its place among the events, and why."""

    event: int
    code: str
    reason: str


@dataclass(slots=True)
class Encoded:
    """The events of a step as numbers.

    x: `float32 [n, width]`, finite, row by row in memory; zeros for refused events.
    rejected: the events that were refused, in order.
    update: what `Encoder.commit` makes the state; nobody else's business.
    """

    x: FloatMatrix
    rejected: list[Refusal] = field(default_factory=list)
    update: Any = None


class Encoder(Stateful, Protocol):
    """Turns events into numbers, and learns from them how.

    Event i is encoded with what was learned from the events up to and including i, so the
    encodings do not depend on the size of a step, to the last bit.
    """

    @property
    def width(self) -> int:
        """Numbers per encoded event; never changes."""
        ...

    @property
    def counters(self) -> dict[str, int]:
        """What was seen and could not be used in full; part of the state."""
        ...

    def refused(self, events: Events) -> list[Refusal]:
        """The events that this encoder cannot take. Depends on the events alone, so it may
        be asked before duplicates are looked for."""
        ...

    def encode(self, events: Events) -> Encoded:
        """The events in numbers. Pure: the state changes with `commit`."""
        ...

    def commit(self, encoded: Encoded) -> None:
        """Make the state after `encoded` this encoder's. Only for the latest state's own."""
        ...

    def fingerprint(self) -> Snapshot:
        """What a digest of the state is taken of: small, and differs when the state does."""
        ...


def row_blank(n: int, width: int) -> FloatMatrix:
    """`float32 [n, width]` of zeros."""
    return np.zeros((n, width), dtype=np.float32)


def same_names(events: Events) -> tuple[str, ...] | None:
    """The feature names of all events where all have the same in the same order, else None.

    None also where an event has a vector or anything but numbers.
    """
    if None in events.numbers or not events.features:
        return None
    first = events.features[0]
    if type(first) is tuple and events.features.count(first) == len(events):
        return first
    if None in events.features:
        return None
    # Iterating a dict gives its names, as a tuple of names does.
    names = [tuple(features or ()) for features in events.features]
    return names[0] if names.count(names[0]) == len(names) else None


def same_length(events: Events) -> int:
    """The length of all events' vectors where all have one of the same length, else 0."""
    if None in events.vectors or not events.vectors:
        return 0
    lengths = set(map(len, events.vectors))  # type: ignore[arg-type]
    return lengths.pop() if len(lengths) == 1 else 0


def by_name(features: Features | tuple[str, ...], numbers: bytes | None) -> Features:
    """name → value of an entry of `Events.features`, which may be the names alone."""
    if isinstance(features, dict):
        return features
    assert numbers is not None
    return dict(zip(features, np.frombuffer(numbers).tolist(), strict=True))
