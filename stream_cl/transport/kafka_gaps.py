"""Offsets at which nothing stands: transaction markers and aborted records.

Kafka numbers them like records, so that the last stable offset of a partition lies behind its
last record even when all was read. What a reader has passed over without finding a record is
remembered here, one stretch per partition, and taken off its bounds: then it counts neither as
lag nor against idle, and retention that deletes it has lost nothing.
"""

from __future__ import annotations

from stream_cl.core.records import Bounds, TopicPartition


class Gaps:
    """The last stretch without records of each partition. Memory: two numbers per partition."""

    def __init__(self) -> None:
        self._stretches: dict[TopicPartition, Bounds] = {}

    def found(self, place: TopicPartition, start: int, end: int) -> None:
        """Offsets from `start` up to, not including, `end` hold no records."""
        known = self._stretches.get(place)
        if known is not None and known.start <= start <= known.end:
            start, end = known.start, max(end, known.end)
        self._stretches[place] = Bounds(start, end)

    def behind(self, place: TopicPartition, offset: int) -> int:
        """Where reading from `offset` really begins."""
        known = self._stretches.get(place)
        return known.end if known is not None and known.start <= offset < known.end else offset

    def without(self, place: TopicPartition, bounds: Bounds) -> Bounds:
        """Bounds that a reader at the beginning of the stretch is at the end of."""
        known = self._stretches.get(place)
        if known is None:
            return bounds
        start, end = (
            known.start if known.start < offset <= known.end else offset for offset in bounds
        )
        return Bounds(start, end)
