"""Reads topics on and on: for annotators, tables and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_cl.core.protocols import Transport
from stream_cl.core.records import Chunk, TopicPartition


class Follower:
    """Remembers how far it has read.

    Args:
        positions: where to begin; a partition that is not named is read from its start.
    """

    def __init__(
        self,
        transport: Transport,
        topics: Sequence[str],
        positions: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        self._transport = transport
        self._topics = list(topics)
        self.positions: dict[TopicPartition, int] = dict(positions or {})

    def poll(self, max_records: int = 1000) -> list[Chunk]:
        """What has come since: at most `max_records` per partition, [] when nothing has."""
        chunks = []
        for at, bounds in sorted(self._transport.bounds(self._topics).items()):
            position = max(self.positions.get(at, 0), bounds.start)
            if position >= bounds.end:
                continue
            chunk = self._transport.read(at.topic, at.partition, position, max_records)
            if len(chunk):
                self.positions[at] = chunk.offsets[-1] + 1
                chunks.append(chunk)
        return chunks
