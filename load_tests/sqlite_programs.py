"""The bare loops of `sqlite`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import orjson

from load_tests.programs import Block, send
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.sqlite import SqliteTransport


@contextmanager
def _as_a_producer(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that leaves the checkpoint of its pages to the program that is measured, as
    producers leave it to the writer of the embedded log: all pay for what they read."""
    pages = connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")


class Plain:
    """What somebody would write who has only sqlite3: a table per topic, a row per record.

    `commits_s`: what each COMMIT took, mostly the disk's doing.
    """

    def __init__(self, folder: Path) -> None:
        self.commits_s: list[float] = []
        self._read = 0
        self._connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE events (id INTEGER PRIMARY KEY, value BLOB);"
            "CREATE TABLE position (id INTEGER PRIMARY KEY, next INTEGER);"
        )
        for topic in ("predictions", "label-requests", "dead-letters", "manifest"):
            columns = "id INTEGER PRIMARY KEY, key BLOB, value BLOB, headers BLOB"
            self._connection.execute(f'CREATE TABLE "{topic}" ({columns})')

    def send(self, values: list[bytes]) -> None:
        rows = [(value,) for value in values]
        with _as_a_producer(self._connection):
            self._connection.executemany("INSERT INTO events (value) VALUES (?)", rows)

    def block(self, block: Block) -> float:
        """Read, parse and write what the pipeline did; the seconds that it took."""
        run = self._connection.execute
        ready = [(step.events, [_rows(batch) for batch in step.written]) for step in block.steps]
        began = perf_counter()
        for count, written in ready:
            if count:
                rows = run(
                    "SELECT id, value FROM events WHERE id > ? ORDER BY id LIMIT ?",
                    (self._read, count),
                ).fetchall()
                for _, value in rows:
                    orjson.loads(value)
                self._read = rows[-1][0]
            run("BEGIN IMMEDIATE")
            for topic, records in written:
                insert = f'INSERT INTO "{topic}" (key, value, headers) VALUES (?, ?, ?)'
                self._connection.executemany(insert, records)
            run("INSERT OR REPLACE INTO position VALUES (0, ?)", (self._read,))
            committing = perf_counter()
            run("COMMIT")
            self.commits_s.append(perf_counter() - committing)
        return perf_counter() - began

    def close(self) -> None:
        self._connection.close()


class PlainTopics(Plain):
    """The same with what a topic has besides a value: partition, offset, append time, key and
    headers, each a column: what the embedded log keeps of a record."""

    def __init__(self, folder: Path) -> None:
        self.commits_s = []
        self._read = 0
        self._connection = sqlite3.connect(folder / "topics.db", isolation_level=None)
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        self._next: dict[str, int] = {}
        for topic in ("events", "predictions", "label-requests", "dead-letters", "manifest"):
            self._next[topic] = 0
            self._connection.execute(
                f'CREATE TABLE "{topic}" (partition INTEGER, offset INTEGER, append_ms INTEGER,'
                " key BLOB, value BLOB, headers BLOB, PRIMARY KEY (partition, offset))"
                " WITHOUT ROWID"
            )
        self._connection.execute("CREATE TABLE position (id INTEGER PRIMARY KEY, next INTEGER)")

    def send(self, values: list[bytes]) -> None:
        with _as_a_producer(self._connection):
            self._insert("events", [(None, value, b"") for value in values])

    def block(self, block: Block) -> float:
        ready = [(step.events, [_rows(batch) for batch in step.written]) for step in block.steps]
        run, began = self._connection.execute, perf_counter()
        for count, written in ready:
            if count:
                rows = run(
                    'SELECT offset, append_ms, key, value, headers FROM "events"'
                    " WHERE partition = 0 AND offset >= ? ORDER BY offset LIMIT ?",
                    (self._read, count),
                ).fetchall()
                for row in rows:
                    orjson.loads(row[3])
                self._read = rows[-1][0] + 1
            run("BEGIN IMMEDIATE")
            for topic, records in written:
                self._insert(topic, records)
            run("INSERT OR REPLACE INTO position VALUES (0, ?)", (self._read,))
            run("COMMIT")
        return perf_counter() - began

    def _insert(self, topic: str, records: list[tuple[bytes | None, bytes, bytes]]) -> None:
        now_ms, first = SystemClock().now_ms(), self._next[topic]
        self._next[topic] += len(records)
        self._connection.executemany(
            f'INSERT INTO "{topic}" VALUES (0, ?, ?, ?, ?, ?)',
            [(first + i, now_ms, *record) for i, record in enumerate(records)],
        )


def _rows(batch: Outgoing) -> tuple[str, list[tuple[bytes | None, bytes, bytes]]]:
    """A batch as rows: key, value, and the headers as one text."""
    headers = (
        b"\0".join([name.encode() + b"=" + value for name, value in batch.headers(i)])
        for i in range(len(batch))
    )
    return batch.topic, list(zip(batch.keys, batch.values, headers, strict=True))


class OverLog:
    """The same loop over the embedded log's own read and append."""

    def __init__(self, folder: Path) -> None:
        self._read = 0
        self._log = SqliteTransport(folder / "over-log.db", SystemClock())
        for topic in ("events", "predictions", "label-requests", "dead-letters", "manifest"):
            self._log.create_topic(topic)

    def send(self, values: list[bytes]) -> None:
        send(self._log, "events", values)

    def block(self, block: Block) -> float:
        """Read, parse and write what the pipeline did; the seconds that it took."""
        began = perf_counter()
        for count, written in block.steps:
            if count:
                chunk = self._log.read("events", 0, self._read, count)
                for value in chunk.values:
                    orjson.loads(value or b"")
                self._read += len(chunk)
            at = {TopicPartition("events", 0): self._read}
            self._log.append_and_commit(written, "bare", at)
        return perf_counter() - began

    def close(self) -> None:
        self._log.close()
