"""The programs of `sqlite`: the pipeline over the log, and three bare loops."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import orjson

from load_tests.synthetic import answer, config
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.sqlite import SqliteTransport

_SENT_AT_ONCE: Final = 1000
"""Events that the producer appends at once, as many as `stream-cl produce`: a row of the log."""


class Step(NamedTuple):
    """What one step of the pipeline read and wrote: events, and batches of records."""

    events: int
    written: list[Outgoing]


class Block(NamedTuple):
    """What the pipeline did in a block; the bare loops do the same."""

    seconds: float
    steps: list[Step]

    @property
    def events(self) -> int:
        return sum(step.events for step in self.steps)


class _Watched:
    """A log whose writer remembers the last batches that it committed."""

    def __init__(self, log: Transport) -> None:
        self.written: list[Outgoing] = []
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def writer(self, name: str) -> Writer:
        return _WatchedWriter(self, self._log.writer(name))


class _WatchedWriter:
    def __init__(self, watched: _Watched, writer: Writer) -> None:
        self._watched = watched
        self._writer = writer

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    def commit(
        self, batches: Sequence[Outgoing], group: str, offsets: Mapping[TopicPartition, int]
    ) -> list[int]:
        self._watched.written = list(batches)
        return self._writer.commit(batches, group, offsets)


class PipelineOverLog:
    """The real one, with an annotator that answers between two steps."""

    def __init__(self, folder: Path, size: int) -> None:
        settings = Config.model_validate(config("columns", size)).beside(folder)
        clock = SystemClock()
        self.log: Any = build.open_transport(settings, clock)
        self._side = build.open_transport(settings, clock)
        self._watched: Any = _Watched(self.log)
        self.pipeline = build.pipeline(settings, self._watched, clock)
        self.pipeline.start()
        self._topics = self.pipeline.plan.topics

    def send(self, values: list[bytes]) -> None:
        _send(self._side, self._topics.events, values)

    def block(self, steps: int) -> Block:
        """So many steps; only they are timed."""
        seconds, done = 0.0, []
        for _ in range(steps):
            before = self.pipeline.state.events
            began = perf_counter()
            self.pipeline.step()
            seconds += perf_counter() - began
            done.append(Step(self.pipeline.state.events - before, self._watched.written))
            self._answer()
        return Block(seconds, done)

    def close(self) -> None:
        self.pipeline.abandon()
        self.log.close()
        self._side.close()

    def _answer(self) -> None:
        for batch in self._watched.written:
            if batch.topic == self._topics.label_requests:
                asked = [orjson.loads(value) for value in batch.values]
                values = [answer(request["id"], request["features"]) for request in asked]
                self._side.append([Outgoing(self._topics.labels, 0, batch.keys, values)])


def _send(log: Transport, topic: str, values: list[bytes]) -> None:
    """Append events as a producer does that sends them in batches."""
    for at in range(0, len(values), _SENT_AT_ONCE):
        part = values[at : at + _SENT_AT_ONCE]
        log.append([Outgoing(topic, 0, [None] * len(part), part)])


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
        _send(self._log, "events", values)

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
