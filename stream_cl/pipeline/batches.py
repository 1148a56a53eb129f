"""From output records to batches: the partition, the key and the headers of each.

Every output says which step and incarnation wrote it and, where there is one, which record it
came from; the trace that an event is part of (W3C Trace Context, Recommendation 2021) goes
on with its prediction and its request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from stream_cl.core.limits import KEY_BYTES, RECORD_BYTES, TRACE_BYTES
from stream_cl.core.records import DeadLetter, Events, Headers, Outgoing, RawRecords

_TRACE: Final = ("traceparent", "tracestate")

Column = Sequence[bytes | None]


class Keyed(NamedTuple):
    """A record to be put into the partition of its key. row: of the event that it is about, in
    the step's raw records; None when that event came earlier."""

    key: bytes
    value: bytes
    row: int | None = None


def by_source(
    topic: str,
    values: Sequence[bytes],
    raw: RawRecords,
    events: Events,
    *,
    partitions: int,
    common: Headers,
) -> list[Outgoing]:
    """Predictions: in the partition of the same number as their event's, with its key."""
    keys = [raw.keys[row] or id_.encode() for row, id_ in zip(events.rows, events.ids, strict=True)]
    each: dict[str, Column] = {"offset": [b"%d" % raw.offsets[row] for row in events.rows]}
    each |= _traces(raw, events.rows)
    batches = []
    for source in sorted(set(raw.partitions)):
        headers = (("topic", raw.topic.encode()), ("partition", b"%d" % source), *common)
        batch = Outgoing(topic, source % partitions, keys, values, headers, each)
        if raw.partitions[0] != source or raw.partitions.count(source) != len(raw):
            batch = batch.take(
                [i for i, row in enumerate(events.rows) if raw.partitions[row] == source]
            )
        if len(batch):
            batches.append(batch)
    return batches


def by_key(
    topic: str,
    records: Sequence[Keyed],
    raw: RawRecords,
    partition_for: Callable[[str, bytes], int],
    common: Headers,
) -> list[Outgoing]:
    """Each record in the partition of its key, in order within a partition."""
    if not records:
        return []
    rows = [record.row for record in records]
    each: dict[str, Column] = {}
    if rows.count(None) != len(rows):
        name = raw.topic.encode()
        each["topic"] = [None if row is None else name for row in rows]
        each["partition"] = [None if row is None else b"%d" % raw.partitions[row] for row in rows]
        each["offset"] = [None if row is None else b"%d" % raw.offsets[row] for row in rows]
        each |= _traces(raw, rows)
    keys, values = [record.key for record in records], [record.value for record in records]
    partitions = [partition_for(topic, key) for key in keys]
    whole = Outgoing(topic, partitions[0], keys, values, common, each)
    if len(found := sorted(set(partitions))) == 1:
        return [whole]
    return [
        whole.take([i for i, own in enumerate(partitions) if own == partition], partition)
        for partition in found
    ]


def dead_letters(
    topic: str, letters: Sequence[DeadLetter], partitions: int, common: Headers
) -> list[Outgoing]:
    """Dead letters: the bytes as they came, headers that say what was wrong and where.

    What another log took but ours cannot hold is cut; a header then says how long it was.
    """
    batches = []
    for at in sorted({letter.source.partition % partitions for letter in letters}):
        own = [letter for letter in letters if letter.source.partition % partitions == at]
        each: dict[str, Column] = {
            "code": [letter.code.encode() for letter in own],
            "reason": [letter.reason.encode() for letter in own],
            "topic": [letter.source.topic.encode() for letter in own],
            "partition": [b"%d" % letter.source.partition for letter in own],
            "offset": [b"%d" % letter.source.offset for letter in own],
        }
        keys, cut_keys = _cut([letter.key for letter in own], KEY_BYTES)
        values, cut_values = _cut([letter.value or b"" for letter in own], RECORD_BYTES)
        if any(cut_keys):
            each["key_bytes"] = cut_keys
        if any(cut_values):
            each["value_bytes"] = cut_values
        whole = [value or b"" for value in values]
        batches.append(Outgoing(topic, at, keys, whole, common, each))
    return batches


def _traces(raw: RawRecords, rows: Sequence[int | None]) -> dict[str, Column]:
    """Header → its value for each row, None where there is none or it is beyond its limit."""
    if not any(raw.headers):
        return {}
    columns: dict[str, Column] = {}
    for name in _TRACE:
        column = [None if row is None else _header(raw.headers[row], name) for row in rows]
        if column.count(None) != len(column):
            columns[name] = column
    return columns


def _header(headers: Headers, name: str) -> bytes | None:
    for own, value in headers:
        if own == name and len(value) <= TRACE_BYTES:
            return value
    return None


def _cut(column: Column, limit: int) -> tuple[list[bytes | None], list[bytes | None]]:
    """The strings, none longer than `limit`; and the length of each that was."""
    sizes = [b"%d" % len(item) if item and len(item) > limit else None for item in column]
    return [item[:limit] if item else item for item in column], sizes
