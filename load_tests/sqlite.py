"""`sqlite`: the pipeline over the embedded log against loops that do no more than is needed.

Three programs take turns in one run, block after block, over the same events:

pipeline          `Pipeline.step`: reads events and labels, predicts, asks, learns, commits
plain program     sqlite3 with a row per record: reads, orjson parses, writes the very same
                  bytes (keys and values of predictions and requests), commits
over the log      the same bare loop over `SqliteTransport`'s own read and append

All of them commit once per step, durable (WAL, synchronous=FULL). What the pipeline asks is
answered between its steps, off the clock, as another process would.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final, NamedTuple

import orjson

from load_tests.report import Options, one_core, say, table, target
from load_tests.synthetic import answer, config, events
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.transport.follow import Follower
from stream_cl.transport.sqlite import SqliteTransport

TARGET_RATIO: Final = 0.6
_BLOCKS: Final = 9
_STEPS: Final = {1000: 12, 32: 120, 1: 600}
"""Step size → steps in a block; one block more goes before, as warm-up."""

Records = list[tuple[bytes | None, bytes]]
"""(key, value) of records."""


class Block(NamedTuple):
    """What the pipeline did in a block; the bare loops do the same.

    events: how many it read. predictions, requests: what it wrote.
    """

    seconds: float
    events: int
    predictions: Records
    requests: Records


def run(options: Options) -> None:
    """Print the table."""
    say(
        "10 numeric features (columns), 5 % labels, softmax, one core, a file on disk; medians "
        f"over {_BLOCKS} blocks"
    )
    rows, promised = [], 0.0
    with one_core():
        for size, steps in _STEPS.items():
            figures = _compare(size, steps)
            rates = [median(block[name] for block in figures) for name in range(3)]
            plain = median(block[0] / block[1] for block in figures)
            own = median(block[0] / block[2] for block in figures)
            if size == 1000:
                promised = plain
            rows.append(
                [f"{size:,}", *(f"{rate:,.0f}" for rate in rates), f"{plain:.2f}", f"{own:.2f}"]
            )
    head = ["step", "pipeline/s", "plain program/s", "over the log/s", "to plain", "to over-log"]
    table(head, rows)
    target("through SQLite, of the plain program, steps of 1,000", promised, TARGET_RATIO)


def _compare(size: int, steps: int) -> list[tuple[float, float, float]]:
    """Events per second of pipeline, plain program and bare loop over the log, per block."""
    figures = []
    # Not the folder for temporary files: on many machines that is memory.
    Path("var").mkdir(exist_ok=True)
    with TemporaryDirectory(dir="var") as name:
        folder = Path(name)
        pipeline = _Pipeline(folder, size)
        bare: list[_Plain | _OverLog] = [_Plain(folder, size), _OverLog(folder, size)]
        for number in range(_BLOCKS + 1):
            values = events(number * steps * size, (number + 1) * steps * size)
            for program in (pipeline, *bare):
                program.send(values)
            block = pipeline.block(steps)
            # The two bare loops change places, so that neither is always the later one.
            order = (0, 1) if number % 2 else (1, 0)
            seconds = {at: bare[at].block(block) for at in order}
            if number:
                n = block.events
                figures.append((n / block.seconds, n / seconds[0], n / seconds[1]))
        for program in (pipeline, *bare):
            program.close()
    return figures


class _Pipeline:
    """The real one, with an annotator that answers between two steps."""

    def __init__(self, folder: Path, size: int) -> None:
        settings = Config.model_validate(config("columns", size)).beside(folder)
        clock = SystemClock()
        self._log = build.open_transport(settings, clock)
        self._side = build.open_transport(settings, clock)
        self._pipeline = build.pipeline(settings, self._log, clock)
        self._pipeline.start()
        self._topics = self._pipeline.plan.topics
        self._reader = Follower(self._side, [self._topics.predictions, self._topics.label_requests])

    def send(self, values: list[bytes]) -> None:
        self._side.append([Outgoing(self._topics.events, 0, [None] * len(values), values)])

    def block(self, steps: int) -> Block:
        """So many steps; only they are timed."""
        seconds = 0.0
        predictions: Records = []
        requests: Records = []
        before = self._pipeline.state.events
        for _ in range(steps):
            began = perf_counter()
            self._pipeline.step()
            seconds += perf_counter() - began
            for chunk in self._reader.poll(10_000):
                new = [(k, v or b"") for k, v in zip(chunk.keys, chunk.values, strict=True)]
                if chunk.topic == self._topics.predictions:
                    predictions += new
                else:
                    requests += new
                    self._answer(new)
        return Block(seconds, self._pipeline.state.events - before, predictions, requests)

    def close(self) -> None:
        self._pipeline.abandon()
        self._log.close()
        self._side.close()

    def _answer(self, requests: Records) -> None:
        asked = [orjson.loads(value) for _, value in requests]
        values = [answer(request["id"], request["features"]) for request in asked]
        keys = [key for key, _ in requests]
        self._side.append([Outgoing(self._topics.labels, 0, keys, values)])


class _Plain:
    """What somebody would write who has only sqlite3: a table per topic, a row per record."""

    def __init__(self, folder: Path, size: int) -> None:
        self._size = size
        self._read = 0
        self._connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE events (id INTEGER PRIMARY KEY, value BLOB);"
            "CREATE TABLE predictions (id INTEGER PRIMARY KEY, key BLOB, value BLOB);"
            "CREATE TABLE requests (id INTEGER PRIMARY KEY, key BLOB, value BLOB);"
            "CREATE TABLE position (id INTEGER PRIMARY KEY, next INTEGER);"
        )

    def send(self, values: list[bytes]) -> None:
        self._connection.execute("BEGIN")
        rows = [(value,) for value in values]
        self._connection.executemany("INSERT INTO events (value) VALUES (?)", rows)
        self._connection.execute("COMMIT")

    def block(self, block: Block) -> float:
        """Read, parse and write what the pipeline did; the seconds that it took."""
        run = self._connection.execute
        seconds = 0.0
        for count, predictions, requests in _portions(block, self._size):
            began = perf_counter()
            rows = run(
                "SELECT id, value FROM events WHERE id > ? ORDER BY id LIMIT ?", (self._read, count)
            ).fetchall()
            for _, value in rows:
                orjson.loads(value)
            self._read = rows[-1][0]
            run("BEGIN IMMEDIATE")
            for name, records in (("predictions", predictions), ("requests", requests)):
                self._connection.executemany(
                    f"INSERT INTO {name} (key, value) VALUES (?, ?)", records
                )
            run("INSERT OR REPLACE INTO position VALUES (0, ?)", (self._read,))
            run("COMMIT")
            seconds += perf_counter() - began
        return seconds

    def close(self) -> None:
        self._connection.close()


class _OverLog:
    """The same loop over the embedded log's own read and append."""

    def __init__(self, folder: Path, size: int) -> None:
        self._size = size
        self._read = 0
        self._log = SqliteTransport(folder / "over-log.db", SystemClock())
        for topic in ("events", "predictions", "requests"):
            self._log.create_topic(topic)

    def send(self, values: list[bytes]) -> None:
        self._log.append([Outgoing("events", 0, [None] * len(values), values)])

    def block(self, block: Block) -> float:
        """Read, parse and write what the pipeline did; the seconds that it took."""
        seconds = 0.0
        for count, predictions, requests in _portions(block, self._size):
            began = perf_counter()
            chunk = self._log.read("events", 0, self._read, count)
            for value in chunk.values:
                orjson.loads(value or b"")
            self._read += len(chunk)
            self._log.append_and_commit(
                [
                    Outgoing(name, 0, [key for key, _ in records], [value for _, value in records])
                    for name, records in (("predictions", predictions), ("requests", requests))
                ],
                "bare",
                {TopicPartition("events", 0): self._read},
            )
            seconds += perf_counter() - began
        return seconds

    def close(self) -> None:
        self._log.close()


def _portions(block: Block, size: int) -> Iterator[tuple[int, Records, Records]]:
    """Events, predictions and requests of each step of a bare loop over a block."""
    steps = ceil(block.events / size)
    per_step = ceil(len(block.requests) / steps)
    for number in range(steps):
        at, asked = number * size, number * per_step
        predictions = block.predictions[at : at + size]
        yield len(predictions), predictions, block.requests[asked : asked + per_step]
