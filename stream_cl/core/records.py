"""What travels: records of a topic, in columns, and what they mean once decoded.

Records are handled a step at a time, so they are kept as columns (lists and arrays of
equal length), not as one object each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Headers = tuple[tuple[str, bytes], ...]
Features = dict[str, Any]
"""name → int, float, str, bool or None."""

NONE_OF_THESE: Final = "__none__"
"""The reserved label that says: none of the classes known so far."""

DEAD_LETTER_CODES: Final = {
    "not_json": "the value is not one JSON value",
    "not_an_object": "the value is JSON, but not an object",
    "too_deep": "nested deeper than limits.JSON_DEPTH",
    "too_large": "larger than a limit of limits.py",
    "bad_version": "`v` is a version that this program does not read",
    "bad_id": "`id` is missing, empty, too long or not a string",
    "bad_time": "`time` is missing or is neither RFC 3339 with an offset nor epoch milliseconds",
    "bad_features": "neither `features` nor `vector`, or both, or of the wrong kind",
    "bad_value": "a feature is NaN, infinite, nested, or beyond limits.FEATURE_ABS_MAX",
    "bad_vector": "`vector` holds something else than numbers, or not as many as the encoder takes",
    "bad_label": "`label` is missing, too long, or not a string, number or boolean",
    "bad_annotator": "`annotator` is too long or not a string",
    "bad_revision": "`revision` is not a whole number from 0",
    "bad_cost": "`cost` is not a number from 0",
    "bad_request": "`request` is empty, too long or not a string",
    "bad_cloudevent": "a CloudEvent without a required attribute, or with data that is no event",
    "bad_avro": "the bytes begin neither as Avro nor as JSON, or are not what their schema says",
    "bad_schema": "the record's schema is not Avro's, or is one that this program does not read",
    "unknown_schema": "the schema registry knows no schema of the record's id",
    "duplicate_id": "an event inside the window has this id and other content",
    "unknown_id": "a label whose event never came while it was kept",
    "unrequested_label": "a label of an event that was not asked for; its features are gone",
    "late_label": "a label that came after its request expired",
    "conflicting_label": "another answer to a question that was answered already",
    "too_many_classes": "a label that would be one class more than the learner may have",
    "quarantined": "the learner failed on the batch that this label was in",
    "bad_control": "a control record that cannot be obeyed",
}


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Bounds(NamedTuple):
    """What a partition holds: offsets from `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(slots=True)
class Chunk:
    """Records of one partition, in offset order, in columns.

    `offsets` ascend but may have gaps (Kafka's transaction markers); timestamps are append
    times in milliseconds and never fall.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers]

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, start: int, stop: int) -> Chunk:
        """The records at positions `start` up to, not including, `stop` of this chunk."""
        return Chunk(
            self.topic,
            self.partition,
            self.offsets[start:stop],
            self.timestamps_ms[start:stop],
            self.keys[start:stop],
            self.values[start:stop],
            self.headers[start:stop],
        )


@dataclass(slots=True)
class Outgoing:
    """Records to be appended to one partition.

    `common` headers stand on every record; `each` adds headers of which every record has
    its own value, or None where it has no such header. Kept apart so that a log may store the
    common ones once.
    """

    topic: str
    partition: int
    keys: Sequence[bytes | None]
    values: Sequence[bytes]
    common: Headers = ()
    each: Mapping[str, Sequence[bytes | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def headers(self, index: int) -> Headers:
        """The headers of record `index`, common ones first."""
        own = ((name, column[index]) for name, column in self.each.items())
        return self.common + tuple((name, value) for name, value in own if value is not None)

    def take(self, indices: Sequence[int], partition: int | None = None) -> Outgoing:
        """The records at `indices`, in that order, perhaps for another partition."""
        return Outgoing(
            self.topic,
            self.partition if partition is None else partition,
            [self.keys[i] for i in indices],
            [self.values[i] for i in indices],
            self.common,
            {name: [column[i] for i in indices] for name, column in self.each.items()},
        )


class Slice(NamedTuple):
    """What a step takes of one partition: offsets `start` up to, not including, `stop`."""

    topic: str
    partition: int
    start: int
    stop: int
    records: int
    digest: str

    @property
    def at(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class Source(NamedTuple):
    """Where a record came from."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class RawRecords:
    """Records of several partitions of one topic in the order in which they are handled."""

    topic: str
    partitions: list[int]
    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers]

    def __len__(self) -> int:
        return len(self.values)

    def source(self, index: int) -> Source:
        return Source(self.topic, self.partitions[index], self.offsets[index])


class DeadLetter(NamedTuple):
    """A record that could not be used, as it came, and why."""

    source: Source
    key: bytes | None
    value: bytes | None
    code: str
    reason: str


@dataclass(slots=True)
class Events:
    """Decoded events, in columns.

    Exactly one of `features[i]` and `vectors[i]` is not None. `rows[i]` says where in the
    step's raw records event i stands. `numbers[i]` are the values in the order of
    `features[i]` as packed float64 when all of them are numbers or booleans, else None;
    those of `vectors[i]` where there is one. Then `features[i]` may be the names alone, one
    tuple for all events alike: a step that keeps no dict per event runs a third faster.
    `content[i]` is a checksum of the bytes, in 64 bits, to tell a repeated event from another
    with the same id.
    """

    rows: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    features: list[Features | tuple[str, ...] | None] = field(default_factory=list)
    numbers: list[bytes | None] = field(default_factory=list)
    vectors: list[list[float] | None] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    content: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: Sequence[int]) -> Events:
        """The events at `indices`, in that order."""
        return Events(*([column[i] for i in indices] for column in self.columns()))

    def columns(self) -> tuple[list[Any], ...]:
        """All columns, in the order of the fields."""
        return (
            self.rows,
            self.ids,
            self.times_ms,
            self.features,
            self.numbers,
            self.vectors,
            self.labels,
            self.content,
        )


@dataclass(slots=True)
class Label:
    """One answer. A label is one of (id, annotator, revision).

    `label` is None when the annotator abstained. `row` is its place in the step's raw
    records, `append_ms` its append time.
    """

    row: int
    id: str
    label: str | None
    annotator: str = ""
    revision: int = 0
    request: str | None = None
    cost: float | None = None
    time_ms: int | None = None


FloatMatrix = npt.NDArray[np.float32]
"""`float32 [n, width]`: encoded events."""
Probabilities = npt.NDArray[np.float64]
"""`float64 [n, k]`: rows sum to 1; column j is class j in order of first appearance."""
