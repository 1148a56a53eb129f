"""One log for many tests: each sees topics, groups and writers of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Bounds, Chunk, Outgoing, TopicPartition


class PrefixedTransport:
    """A transport in which every name stands with a prefix in front of it.

    Args:
        transport: the log.
        prefix: put before the names of topics, groups and writers on the way in, and taken off
            topics on the way out; other topics are not seen.
    """

    def __init__(self, transport: Transport, prefix: str) -> None:
        self._transport = transport
        self._prefix = prefix

    def create_topic(
        self, topic: str, partitions: int = 1, retention_ms: int | None = None
    ) -> None:
        """As the log does it."""
        self._transport.create_topic(self._prefix + topic, partitions, retention_ms)

    def topics(self) -> dict[str, int]:
        """Topics with the prefix, named without it."""
        found = self._transport.topics().items()
        return {self._short(name): n for name, n in found if name.startswith(self._prefix)}

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """As the log does it."""
        found = self._transport.bounds([self._prefix + topic for topic in topics])
        return {self._without(at): bounds for at, bounds in found.items()}

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> Chunk:
        """As the log does it."""
        chunk = self._transport.read(self._prefix + topic, partition, offset, max_records)
        return replace(chunk, topic=topic)

    def append(self, batches: Sequence[Outgoing]) -> list[int]:
        """As the log does it."""
        return self._transport.append(self._longer(batches))

    def append_and_commit(
        self, batches: Sequence[Outgoing], group: str, offsets: Mapping[TopicPartition, int]
    ) -> list[int]:
        """As the log does it."""
        named = self._with(offsets)
        return self._transport.append_and_commit(self._longer(batches), self._prefix + group, named)

    def partition_for(self, topic: str, key: bytes) -> int:
        """As the log does it."""
        return self._transport.partition_for(self._prefix + topic, key)

    def group_offsets(self, group: str) -> dict[TopicPartition, int]:
        """As the log does it."""
        found = self._transport.group_offsets(self._prefix + group)
        return {self._without(at): offset for at, offset in found.items()}

    def truncate(self, topic: str, partition: int, offset: int) -> None:
        """As the log does it."""
        self._transport.truncate(self._prefix + topic, partition, offset)

    def wait(self, timeout_s: float, poll_s: float) -> None:
        """As the log does it."""
        self._transport.wait(timeout_s, poll_s)

    def settle(self, topic: str) -> None:
        """As the log does it."""
        self._transport.settle(self._prefix + topic)

    def writer(self, name: str) -> Writer:
        """The writer of this name with the prefix."""
        return _PrefixedWriter(self, self._transport.writer(self._prefix + name))

    def close(self) -> None:
        """Close the log."""
        self._transport.close()

    def _short(self, name: str) -> str:
        return name.removeprefix(self._prefix)

    def _without(self, at: TopicPartition) -> TopicPartition:
        return TopicPartition(self._short(at.topic), at.partition)

    def _with(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        return {
            TopicPartition(self._prefix + topic, partition): offset
            for (topic, partition), offset in offsets.items()
        }

    def _longer(self, batches: Sequence[Outgoing]) -> list[Outgoing]:
        return [replace(batch, topic=self._prefix + batch.topic) for batch in batches]


class _PrefixedWriter:
    def __init__(self, transport: PrefixedTransport, writer: Writer) -> None:
        self._transport = transport
        self._writer = writer

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    def commit(
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        names = self._transport
        return self._writer.commit(
            names._longer(batches), names._prefix + group, names._with(offsets), meanwhile
        )
