"""Where a moment stands in a log: append times never fall within a partition, so by halves."""

from __future__ import annotations

from collections.abc import Sequence

from stream_cl.core.errors import OffsetOutOfRange
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Bounds, TopicPartition


def offsets_at(
    transport: Transport, topics: Sequence[str], time_ms: int
) -> dict[TopicPartition, int]:
    """Per partition the offset before which every record was appended before `time_ms`; the
    partition's end where all of them were. O(log n) reads of one record each.

    Raises:
        UnknownTopic: a topic does not exist.
    """
    bounds = transport.bounds(topics)
    return {at: _offset_at(transport, at, known, time_ms) for at, known in bounds.items()}


def _offset_at(transport: Transport, at: TopicPartition, known: Bounds, time_ms: int) -> int:
    low, high = known.start, known.end
    while low < high:
        middle = (low + high) // 2
        try:
            chunk = transport.read(at.topic, at.partition, middle, 1)
        except OffsetOutOfRange:
            start = transport.bounds([at.topic])[at].start
            if start <= middle:
                raise
            low = min(start, high)  # it expired while we looked
            continue
        # What is read stands at `middle` or behind it: a broker's own records are passed over.
        if not len(chunk) or chunk.timestamps_ms[0] >= time_ms:
            high = middle
        else:
            low = chunk.offsets[0] + 1
    return low
