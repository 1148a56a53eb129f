"""The embedded log: topics, offsets and transactions in one SQLite file.

Several processes of one host read and write it at the same time. What is written is
durable when the call returns (WAL, synchronous=FULL); records of one transaction become
visible together. Beside this file: `sqlite_schema` has the tables and how the file is
opened, `sqlite_connections` the transactions, `sqlite_topics` the topics, `sqlite_fence`
the writers' epochs, `sqlite_batches` the rows, `sqlite_frame` the bytes of a row,
`sqlite_errors` the messages.

Threads may share a transport. A process forked after it was opened must not use it.

Order of a commit, of a writer's and, without 2 and the fault points, of an append:

1. Records are checked and encoded; nothing is locked yet.
2. BEGIN IMMEDIATE takes the write lock; the epoch is compared, a fenced writer stops.
3. The clock is read, batches and offsets are written.
4. COMMIT makes them durable. A crash before it leaves nothing, after it everything.
5. When enough was written since, the write-ahead log is checkpointed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from zlib import crc32

from stream_cl.core.clock import Clock
from stream_cl.core.errors import TransportError, UnknownTopic
from stream_cl.core.faults import Faults, NoFaults
from stream_cl.core.records import Bounds, Chunk, Outgoing, TopicPartition
from stream_cl.transport import sqlite_batches, sqlite_errors, sqlite_frame, sqlite_topics
from stream_cl.transport.sqlite_connections import Connections
from stream_cl.transport.sqlite_fence import Fence
from stream_cl.transport.sqlite_schema import PAGE_BYTES
from stream_cl.transport.sqlite_topics import Partition


class SqliteTransport:
    """`core.protocols.Transport` over the file `path`, created where it is not there.

    Append times come from `clock`, read while the write lock is held. `faults` is asked
    in a writer's commit only. A read gives fewer records than asked for when they are
    more than `sqlite_batches.READ_BYTES` (64 MB) of rows.

    Space of expired records is used again, the file does not become smaller.

    Raises:
        UserError: the folder of `path` is not there.
        TransportCorrupt: the file is damaged, or belongs to another program.
        TransportFull: there is no room for it.
        TransportError: a newer version wrote it, or it cannot be opened.

    Every method raises TransportCorrupt for a damaged file, TransportFull for a full disk,
    and TransportError for what else is wrong with it, besides what it says itself.
    """

    def __init__(self, path: Path, clock: Clock, faults: Faults | None = None) -> None:
        self._path = path
        self._clock = clock
        self._faults = NoFaults() if faults is None else faults
        self._topics: dict[str, tuple[Partition, ...]] = {}
        self._seen_version: int | None = None
        self._file = Connections(path, clock)
        try:
            self._verify()
        except BaseException:
            self.close()
            raise

    def create_topic(
        self, topic: str, partitions: int = 1, retention_ms: int | None = None
    ) -> None:
        """Create a topic, or set the retention of one that exists with as many partitions.

        Raises:
            TransportError: it exists with another number of partitions, or the file would
                hold more than `sqlite_schema.FILE_PARTITIONS_MAX`.
        """
        assert topic, "a topic has a name"
        assert partitions >= 1, "a topic has at least one partition"
        if topic not in self.topics():
            with self._file.writing() as connection:
                sqlite_topics.create(connection, topic, partitions, retention_ms)
        there = self.topics()[topic]
        if there != partitions:
            raise TransportError(
                f"topic {topic} of {self._path} has {there} partitions, not {partitions}:"
                " take that number, or another file"
            )
        if self._topics[topic][0].retention_ms != retention_ms:
            with self._file.writing() as connection:
                sqlite_topics.keep(connection, topic, retention_ms)
            self.topics()

    def topics(self) -> dict[str, int]:
        """name → number of partitions."""
        with self._file.reading() as connection:
            self._topics = sqlite_topics.load(connection)
        return {name: len(partitions) for name, partitions in self._topics.items()}

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        """Start and end of every partition of the topics, all at one moment.

        Raises:
            UnknownTopic: one of them does not exist.
        """
        places = {
            partition.id: partition.place for topic in topics for partition in self._of(topic)
        }
        marks = ",".join("?" * len(places))
        with self._file.reading() as connection:
            rows = connection.execute(
                f"SELECT id, start_offset, end_offset FROM partitions WHERE id IN ({marks})",
                tuple(places),
            ).fetchall()
        found = {id_: Bounds(start, end) for id_, start, end in rows}
        if len(found) != len(places):
            raise sqlite_errors.corrupt(self._path, "the state of a partition is missing")
        return {place: found[id_] for id_, place in places.items()}

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> Chunk:
        """At most `max_records` records from `offset` on; an empty chunk at the end.

        Raises:
            UnknownTopic: the topic or partition does not exist.
            OffsetOutOfRange: `offset` is below the partition's start or above its end.
        """
        place = self._partition(topic, partition)
        with self._file.reading() as connection:
            rows = sqlite_batches.fetch(connection, self._path, place, offset, max_records)
        return sqlite_batches.chunk(self._path, place, rows, offset, max_records)

    def append(self, batches: Sequence[Outgoing]) -> list[int]:
        """Append in one transaction; the first offset of each batch.

        Raises:
            RecordTooLarge, UnknownTopic, TransportFull: nothing was written.
        """
        return self._append(batches, "", {}, None)

    def append_and_commit(
        self, batches: Sequence[Outgoing], group: str, offsets: Mapping[TopicPartition, int]
    ) -> list[int]:
        """`append`, and the offsets of the reader `group`, in the same transaction."""
        return self._append(batches, group, offsets, None)

    def partition_for(self, topic: str, key: bytes) -> int:
        """The partition of a key: its CRC-32 modulo the number of partitions."""
        return crc32(key) % len(self._of(topic))

    def group_offsets(self, group: str) -> dict[TopicPartition, int]:
        """What a reader has committed: the next offset to read."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT name, partition, next_offset FROM group_offsets"
                " JOIN partitions ON partitions.id = partition_id"
                " JOIN topics ON topics.id = topic_id WHERE reader = ?"
                " ORDER BY partition_id",
                (group,),
            ).fetchall()
        return {TopicPartition(name, partition): offset for name, partition, offset in rows}

    def truncate(self, topic: str, partition: int, offset: int) -> None:
        """Delete the records below `offset`, as retention does.

        Raises:
            UnknownTopic: the topic or partition does not exist.
            OffsetOutOfRange: `offset` is above the partition's end.
        """
        place = self._partition(topic, partition)
        with self._file.writing() as connection:
            sqlite_batches.truncate(connection, self._path, place, offset)

    def wait(self, timeout_s: float, poll_s: float) -> None:
        """Wait until anything was committed to the file by whomever else, `timeout_s` at most;
        looks every `poll_s`."""
        end_s = self._clock.monotonic_s() + timeout_s
        while not self._changed() and (left_s := end_s - self._clock.monotonic_s()) > 0:
            self._clock.sleep(min(poll_s, left_s))

    def settle(self, topic: str) -> None:
        """Nothing to wait for: what is in the file is decided."""
        self._of(topic)

    def writer(self, name: str) -> SqliteWriter:
        """Become the one writer of this name; every earlier one is fenced from now on."""
        with self._file.writing() as connection:
            fence = Fence.take(connection, name)
        return SqliteWriter(self, fence)

    def close(self) -> None:
        """Close the file; the transport cannot be used afterwards."""
        self._file.close()

    def _changed(self) -> bool:
        """Whether another connection has committed since the last call; True at the first."""
        before, self._seen_version = self._seen_version, self._file.data_version()
        return self._seen_version != before

    def _verify(self) -> None:
        with self._file.reading() as connection:
            self._topics = sqlite_topics.load(connection)
            for partitions in self._topics.values():
                for partition in partitions:
                    sqlite_batches.verify(connection, self._path, partition)

    def _append(
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        fence: Fence | None,
    ) -> list[int]:
        """The commit of the module's docstring; without a fence it is anybody's append."""
        rows = [
            (self._partition(batch.topic, batch.partition), sqlite_frame.encode(batch))
            for batch in batches
        ]
        places = [(group, self._partition(*place).id, at) for place, at in offsets.items()]
        with self._file.writing() as connection:
            if fence is not None:
                fence.check(connection, self._path)
            now_ms = self._clock.now_ms()
            first = [
                sqlite_batches.append(connection, self._path, partition, frames, now_ms)
                for partition, frames in rows
            ]
            connection.executemany(
                "INSERT INTO group_offsets VALUES (?, ?, ?) ON CONFLICT (reader, partition_id)"
                " DO UPDATE SET next_offset = excluded.next_offset",
                places,
            )
            if fence is not None:
                self._faults.reach("commit-half-written")
        if fence is not None:
            self._faults.reach("committed")
        size_bytes = sum(len(frame.body) for _, frames in rows for frame in frames)
        self._file.appended(size_bytes + (2 * len(rows) + 2) * PAGE_BYTES)
        return first

    def _of(self, topic: str) -> tuple[Partition, ...]:
        """The topic's partitions; the file is asked only when the topic is not known yet."""
        if topic not in self._topics:
            self.topics()
        try:
            return self._topics[topic]
        except KeyError:
            raise UnknownTopic(
                f"there is no topic {topic} in {self._path}: create it, or correct its name"
            ) from None

    def _partition(self, topic: str, partition: int) -> Partition:
        partitions = self._of(topic)
        if not 0 <= partition < len(partitions):
            raise UnknownTopic(
                f"there is no partition {partition} of topic {topic} in {self._path}: it has"
                f" {len(partitions)}, counted from 0"
            )
        return partitions[partition]


class SqliteWriter:
    """`core.protocols.Writer`: commits as long as no later writer of its name has started."""

    def __init__(self, transport: SqliteTransport, fence: Fence) -> None:
        self._transport = transport
        self._fence = fence

    @property
    def epoch(self) -> int:
        """1 for the first writer of the name, one more for each later one."""
        return self._fence.epoch

    def commit(
        self,
        batches: Sequence[Outgoing],
        group: str,
        offsets: Mapping[TopicPartition, int],
        meanwhile: Callable[[], None] | None = None,
    ) -> list[int]:
        """One step: all batches and the group's offsets, durable, or nothing.

        Passes the fault points `commit-half-written` and `committed`. Returns the first
        offset of each batch. There is nobody to wait for, so `meanwhile` is not called.

        Raises:
            Fenced: another writer of this name has started; nothing was written.
            RecordTooLarge, UnknownTopic, TransportFull: nothing was written.
            TransportError: its message says so where it is unknown whether the commit will
                be found after a restart; otherwise nothing was written.
        """
        return self._transport._append(batches, group, offsets, self._fence)
