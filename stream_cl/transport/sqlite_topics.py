"""Topics and partitions of the embedded log: where each stands in the file."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from stream_cl.core.errors import TransportError
from stream_cl.core.records import TopicPartition
from stream_cl.transport.sqlite_schema import FILE_PARTITIONS_MAX, KEY_SHIFT


class Partition(NamedTuple):
    """A partition and where it stands in the file."""

    id: int
    place: TopicPartition
    retention_ms: int | None

    def key(self, offset: int) -> int:
        """The key of a batch that begins at `offset`."""
        return (self.id << KEY_SHIFT) + offset

    def __str__(self) -> str:
        return f"{self.place.topic}[{self.place.partition}]"


def load(connection: sqlite3.Connection) -> dict[str, tuple[Partition, ...]]:
    """All topics, in the order in which they were created."""
    rows = connection.execute(
        "SELECT name, retention_ms, partitions.id, partition FROM partitions"
        " JOIN topics ON topics.id = topic_id ORDER BY partitions.id"
    ).fetchall()
    found: dict[str, list[Partition]] = {}
    for name, retention_ms, id_, index in rows:
        partition = Partition(id_, TopicPartition(name, index), retention_ms)
        found.setdefault(name, []).append(partition)
    return {name: tuple(partitions) for name, partitions in found.items()}


def create(
    connection: sqlite3.Connection, topic: str, partitions: int, retention_ms: int | None
) -> None:
    """Create a topic inside the caller's transaction; nothing happens if it exists.

    Raises:
        TransportError: the file would hold more than `FILE_PARTITIONS_MAX` partitions.
    """
    there = connection.execute("SELECT 1 FROM topics WHERE name = ?", (topic,)).fetchone()
    if there:
        return
    (before,) = connection.execute("SELECT count(*) FROM partitions").fetchone()
    if before + partitions > FILE_PARTITIONS_MAX:
        raise TransportError(
            f"topic {topic} with {partitions} partitions is too much: all topics of a file have"
            f" {FILE_PARTITIONS_MAX} at most and {before} are there: take fewer, or another file"
        )
    topic_id = connection.execute(
        "INSERT INTO topics (name, retention_ms) VALUES (?, ?)", (topic, retention_ms)
    ).lastrowid
    connection.executemany(
        "INSERT INTO partitions (topic_id, partition) VALUES (?, ?)",
        [(topic_id, index) for index in range(partitions)],
    )


def keep(connection: sqlite3.Connection, topic: str, retention_ms: int | None) -> None:
    """Set how long a topic's records are kept, inside the caller's transaction."""
    connection.execute("UPDATE topics SET retention_ms = ? WHERE name = ?", (retention_ms, topic))
