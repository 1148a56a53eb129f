"""What a step takes from the input topics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_cl.core.records import Chunk, RawRecords, Slice


@dataclass(slots=True)
class Taken:
    """What a step takes, and what the log says about time.

    newest_ms: newest append time in the slices, None when there are none.
    unread_ms: append time of the oldest label that is left unread, None when none is left.
    """

    chunks: list[Chunk]
    slices: list[Slice]
    newest_ms: int | None
    unread_ms: int | None

    @property
    def count(self) -> int:
        """Records of all topics."""
        return sum(len(chunk) for chunk in self.chunks)

    def records(self, topic: str) -> RawRecords:
        """The records of one topic, in the order in which they are handled: as merged.

        Labels need the order (partition, offset) instead; see `by_partition`.
        """
        chunks = [chunk for chunk in self.chunks if chunk.topic == topic]
        if not chunks:
            return RawRecords(topic, [], [], [], [], [])
        raw = _concatenate(topic, chunks)
        if len(chunks) > 1:
            times = np.concatenate([np.asarray(c.timestamps_ms) for c in chunks])
            order = np.lexsort((np.array(raw.offsets), np.array(raw.partitions), times)).tolist()
            raw = _reorder(raw, order)
        return raw

    def by_partition(self, topic: str) -> RawRecords:
        """The records of one topic by (partition, offset)."""
        return _concatenate(topic, [chunk for chunk in self.chunks if chunk.topic == topic])


def _concatenate(topic: str, chunks: list[Chunk]) -> RawRecords:
    if len(chunks) == 1:
        (c,) = chunks
        partitions = [c.partition] * len(c)
        return RawRecords(
            topic, partitions, list(c.offsets), list(c.keys), list(c.values), list(c.headers)
        )
    raw = RawRecords(topic, [], [], [], [], [])
    for chunk in chunks:
        raw.partitions.extend([chunk.partition] * len(chunk))
        raw.offsets.extend(chunk.offsets)
        raw.keys.extend(chunk.keys)
        raw.values.extend(chunk.values)
        raw.headers.extend(chunk.headers)
    return raw


def _reorder(raw: RawRecords, order: list[int]) -> RawRecords:
    return RawRecords(
        raw.topic,
        [raw.partitions[i] for i in order],
        [raw.offsets[i] for i in order],
        [raw.keys[i] for i in order],
        [raw.values[i] for i in order],
        [raw.headers[i] for i in order],
    )
