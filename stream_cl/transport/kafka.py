"""Apache Kafka as the log: what is the same whatever the client library.

Beside this file: `kafka_client` is the boundary that a client library is put behind (kafka-python
in `kafka_python*`), `kafka_ahead` reads ahead, `kafka_gaps` knows where transaction markers
stand, `kafka_topics` how topics are set up, `kafka_errors` says what a refusal means.

Guarantees (KIP-98, KIP-447): a writer is the transactional producer of its name, so that a new one
fences every earlier one at the broker; everybody here reads committed records only, so a
transaction becomes visible as a whole. Topics have append times, which are the broker's.

The order of a commit is in `kafka_writer`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Final

from stream_cl.core.clock import Clock
from stream_cl.core.errors import OffsetOutOfRange
from stream_cl.core.faults import Faults, NoFaults
from stream_cl.core.records import Bounds, Chunk, Outgoing, TopicPartition
from stream_cl.transport.kafka_ahead import Ahead
from stream_cl.transport.kafka_catalogue import Catalogue
from stream_cl.transport.kafka_client import KafkaClient
from stream_cl.transport.kafka_gaps import Gaps
from stream_cl.transport.kafka_murmur import murmur2
from stream_cl.transport.kafka_options import KafkaOptions
from stream_cl.transport.kafka_writer import KafkaWriter, check_sizes

ENDS_S: Final = 1.0
"""How long ends are believed where nothing rests on them (`delivery: at_least_once`). What was
fetched meanwhile counts too, so a step has it without a question to the broker."""
OFFSETS_S: Final = 1.0
"""How often a pipeline commits its offsets there: they are for lag tools."""
STARTS_S: Final = 5.0
"""How long a log's start is believed: it only grows, by retention."""


class KafkaTransport:
    """`core.protocols.Transport` over a Kafka cluster.

    Args:
        client: the client library; closed with the transport.
        options: the cluster.
        clock: for waiting. Append times come from the brokers.
        faults: asked in a writer's commit only.

    Threads may share a transport. A process forked after it was opened must not use it.

    Every method raises TransportError where the cluster refuses something (naming topic, group or
    transactional id, and the ACL that is missing), or does not answer within a bound.
    """

    def __init__(
        self,
        client: KafkaClient,
        options: KafkaOptions,
        clock: Clock,
        faults: Faults | None = None,
    ) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._faults = NoFaults() if faults is None else faults
        self._reads = RLock()
        self._writes = RLock()
        self._catalogue = Catalogue(client, options, clock)
        self._starts: dict[TopicPartition, int] = {}
        self._starts_s = clock.monotonic_s()
        self._ends: dict[TopicPartition, int] = {}
        self._ends_s = clock.monotonic_s() - ENDS_S
        self._written: dict[TopicPartition, int] = {}
        self._followed: Sequence[str] = ()
        self._gaps = Gaps()
        self._ahead: Ahead | None = None
        self._appending: KafkaWriter | None = None
        self._writers: list[KafkaWriter] = []

    def create_topic(
        self, topic: str, partitions: int = 1, retention_ms: int | None = None
    ) -> None:
        """Create a topic, or set the retention of one that exists with as many partitions.

        Raises:
            TransportError: it exists with another number of partitions, without append times, or
                compacted; the message has the command that puts it right.
        """
        assert topic, "a topic has a name"
        assert partitions >= 1, "a topic has at least one partition"
        self._catalogue.create(topic, partitions, retention_ms)

    def topics(self) -> dict[str, int]:
        """name → number of partitions."""
        return self._catalogue.all()

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """Start and end of every partition of the topics; ends are last stable offsets.

        Ends are those of one moment for the partitions that one broker leads (without
        `exactly_once` up to ENDS_S old); starts are up to STARTS_S old. Offsets at which a read
        has found no record (transaction markers) are taken off an end. From now on the partitions
        of these topics are read ahead, and no others.

        Raises:
            UnknownTopic: one of them does not exist.
        """
        with self._reads:
            places = [place for topic in topics for place in self._catalogue.places(topic)]
            starts = self._log_starts(places)
            ends = self._believed_ends(places) or self._fresh_ends(places)
            self._followed = tuple(topics)
            if self._ahead is not None:
                self._ahead.drop_others(self._followed)
            return {at: self._gaps.without(at, Bounds(starts[at], ends[at])) for at in places}

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> Chunk:
        """At most `max_records` records from `offset` on; an empty chunk at the end.

        Raises:
            UnknownTopic: the topic or partition does not exist.
            OffsetOutOfRange: `offset` is below the partition's start or above its end.
        """
        with self._reads:
            place = self._catalogue.place(topic, partition)
            begin = self._gaps.behind(place, offset)
            ahead = self._reading()
            chunk = ahead.in_hand(place, begin, max_records)
            if chunk is not None:
                return chunk
            if begin >= self._ends.get(place, 0):
                end = self._fresh_ends([place])[place]
                if begin == end:
                    return _nothing(place)
                if begin > end:
                    raise OffsetOutOfRange(
                        f"{topic}[{partition}] of {self._catalogue.name} ends at offset {end},"
                        f" so there is nothing at {offset}"
                    )
            chunk, reached = ahead.read(place, begin, max_records, self._ends[place])
            if chunk is None:
                self._gaps.found(place, begin, reached)
                return _nothing(place)
            return chunk

    def append(self, batches: Sequence[Outgoing]) -> list[int]:
        """Append in one transaction; the first offset of each batch.

        Raises:
            RecordTooLarge, UnknownTopic: nothing was written.
        """
        return self.append_and_commit(batches, "", {})

    def append_and_commit(
        self, batches: Sequence[Outgoing], group: str, offsets: Mapping[TopicPartition, int]
    ) -> list[int]:
        """`append`, and the offsets of the reader `group`, in the same transaction.

        The transactional id is one of its own: nobody is fenced.
        """
        with self._writes:
            self.check(batches)
            if self._appending is None or self._appending.is_over:
                self._appending = self._writer(self._own_name(), NoFaults())
            return self._appending.commit(batches, group, offsets)

    def partition_for(self, topic: str, key: bytes) -> int:
        """The partition of a key: murmur2, as Kafka's own clients choose it."""
        partitions = self._catalogue.partitions(topic)
        return 0 if partitions == 1 else (murmur2(key) & 0x7FFFFFFF) % partitions

    def group_offsets(self, group: str) -> dict[TopicPartition, int]:
        """What a reader has committed: the next offset to read."""
        return self._client.committed(group)

    def truncate(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records below `offset`, as retention does.

        Raises:
            UnknownTopic: the topic or partition does not exist.
            OffsetOutOfRange: `offset` is above the partition's end.
        """
        place = self._catalogue.place(topic, partition)
        with self._reads:
            start = self._client.starts([place])[place]
            if offset > start:
                self._client.delete_records(place, offset)
            self._starts.pop(place, None)

    def wait(self, timeout_s: float, poll_s: float) -> None:
        """Wait until records have come in the topics of the last `bounds`, `timeout_s` at most.

        The broker tells when they come, so nothing is done every `poll_s`.
        """
        with self._reads:
            followed = {at: n for at, n in self._ends.items() if at.topic in self._followed}
            self._reading().wait(followed, timeout_s)

    def settle(self, topic: str) -> None:
        """Wait until all that was appended to a topic is decided, REPLY_S at most.

        Brokers acknowledge a commit before they have written the markers that make it visible: who
        reads then misses a step.

        Raises:
            TransportError: a transaction stays open, of another writer.
        """
        self._catalogue.settle(topic)

    def writer(self, name: str) -> KafkaWriter:
        """Become the one writer of this name; every earlier one is fenced from now on, and what it
        left open is aborted. Without `exactly_once` nobody is fenced."""
        return self._writer(name, self._faults, OFFSETS_S)

    def check(self, batches: Sequence[Outgoing]) -> None:
        """What would be refused, before anything is sent.

        Raises:
            UnknownTopic: a topic or partition does not exist.
            RecordTooLarge: a record is larger than limits allow.
        """
        for batch in batches:
            self._catalogue.place(batch.topic, batch.partition)
            check_sizes(batch)

    def close(self) -> None:
        """Close all connections, its writers' too; it cannot be used afterwards."""
        with self._writes, self._reads:
            for writer in self._writers:
                writer.close()
            if self._ahead is not None:
                self._ahead.close()
            self._client.close()

    def _own_name(self) -> str:
        """A transactional id that no other process has, nor this one twice."""
        place = f"{socket.gethostname()}-{os.getpid()}"
        return f"{self._options.client_id}-{place}-{self._clock.now_ms()}-{id(self)}"

    def _writer(self, name: str, faults: Faults, offsets_s: float = 0.0) -> KafkaWriter:
        producer = self._client.producer(name if self._options.exactly_once else None)
        whole = self._options.exactly_once
        offsets_s = 0.0 if whole else offsets_s
        writer = KafkaWriter(
            name, producer, self.check, self._wrote, self._clock, faults,
            whole=whole, offsets_s=offsets_s,
        )  # fmt: skip
        self._writers = [one for one in self._writers if not one.is_over]
        self._writers.append(writer)
        return writer

    def _reading(self) -> Ahead:
        if self._ahead is None:
            self._ahead = Ahead(self._client.reader(), self._clock, self._catalogue.silent)
        return self._ahead

    def _wrote(self, batches: Sequence[Outgoing], first: Sequence[int]) -> None:
        for batch, offset in zip(batches, first, strict=True):
            if len(batch):
                self._written[TopicPartition(batch.topic, batch.partition)] = offset + len(batch)

    def _believed_ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Ends that need no question; empty where the broker must be asked."""
        now_s = self._clock.monotonic_s()
        if self._options.exactly_once or self._ahead is None or now_s - self._ends_s >= ENDS_S:
            self._ends_s = now_s
            return {}
        if any(at not in self._ends for at in places):
            return {}
        for at in places:
            seen = max(self._ahead.reached(at), self._written.get(at, 0))
            self._ends[at] = max(self._ends[at], seen)
        return {at: self._ends[at] for at in places}

    def _fresh_ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Last stable offsets, and not before what was committed here: the broker moves them on a
        moment after it has acknowledged a commit."""
        ends = {
            at: max(end, self._written.get(at, 0)) for at, end in self._client.ends(places).items()
        }
        self._ends.update(ends)
        return ends

    def _log_starts(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        now_s = self._clock.monotonic_s()
        if now_s - self._starts_s >= STARTS_S:
            self._starts, self._starts_s = {}, now_s
        missing = [place for place in places if place not in self._starts]
        if missing:
            self._starts.update(self._client.starts(missing))
        return self._starts


def _nothing(place: TopicPartition) -> Chunk:
    return Chunk(*place, [], [], [], [], [])
