"""`sqlite`: the pipeline over the embedded log against loops that do no more than is needed.

Three programs take turns in one run, block after block, over the same events:

pipeline       `Pipeline.step`: reads events and labels, predicts, asks, learns, commits
plain program  sqlite3 with a table per topic and a row per record: reads the events, parses
               them with orjson, writes the very bytes that the pipeline wrote in that step
               (key, value and headers of every record, the manifest too), commits
over the log   the same bare loop over `SqliteTransport`'s own read and append

All of them commit once per step, durable (WAL, synchronous=FULL), on one core and one disk.
What the bare loops write is handed to them ready made. What the pipeline asks is answered
between its steps, off the clock, as another process would; the bare loops read no labels.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final, NamedTuple

import orjson

from load_tests.report import Options, one_core, say, table, target
from load_tests.stages import Stages
from load_tests.synthetic import answer, config, events
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.pipeline import replay, runner, slicer
from stream_cl.transport import sqlite_batches, sqlite_frame
from stream_cl.transport.sqlite import SqliteTransport

TARGET_RATIO: Final = 0.6
_BLOCKS: Final = 9
_STEPS: Final = {1000: 12, 32: 120, 1: 600}
"""Step size → steps in a block; one block more goes before, as warm-up."""
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


def run(options: Options) -> None:
    """Print the table, and the profile if it is asked for."""
    say(
        "10 numeric features (columns), 5 % labels, softmax, one core, a file on disk; medians "
        f"over {_BLOCKS} blocks of {', '.join(f'{n} steps of {s:,}' for s, n in _STEPS.items())}"
    )
    rows, promised = [], 0.0
    with one_core():
        for size, steps in _STEPS.items():
            figures = _compare(size, steps)
            rates = [median(block[name] for block in figures) for name in range(3)]
            plain = median(block[0] / block[1] for block in figures)
            own = median(block[0] / block[2] for block in figures)
            if size == max(_STEPS):
                promised = plain
            rows.append(
                [f"{size:,}", *(f"{rate:,.0f}" for rate in rates), f"{plain:.2f}", f"{own:.2f}"]
            )
        head = ["step", "pipeline", "plain program", "over the log", "ratio to plain", "to over"]
        table(head, rows)
        say("(events per second; a ratio is the median of the ratios of each block)")
        what = "through SQLite, against the plain program, steps of 1,000"
        target(what, promised, TARGET_RATIO)
        if options.profile:
            _profile(max(_STEPS))


def _compare(size: int, steps: int) -> list[tuple[float, float, float]]:
    """Events per second of pipeline, plain program and bare loop over the log, per block."""
    figures = []
    with _folder() as name:
        folder = Path(name)
        pipeline = _Pipeline(folder, size)
        bare: list[_Plain | _OverLog] = [_Plain(folder), _OverLog(folder)]
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


def _folder() -> TemporaryDirectory[str]:
    # Not the folder for temporary files: on many machines that is memory.
    Path("var").mkdir(exist_ok=True)
    return TemporaryDirectory(dir="var")


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


class _Pipeline:
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


class _Plain:
    """What somebody would write who has only sqlite3: a table per topic, a row per record."""

    def __init__(self, folder: Path) -> None:
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
        self._connection.execute("BEGIN")
        rows = [(value,) for value in values]
        self._connection.executemany("INSERT INTO events (value) VALUES (?)", rows)
        self._connection.execute("COMMIT")

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
            run("COMMIT")
        return perf_counter() - began

    def close(self) -> None:
        self._connection.close()


def _rows(batch: Outgoing) -> tuple[str, list[tuple[bytes | None, bytes, bytes]]]:
    """A batch as rows: key, value, and the headers as one text."""
    headers = (
        b"\0".join([name.encode() + b"=" + value for name, value in batch.headers(i)])
        for i in range(len(batch))
    )
    return batch.topic, list(zip(batch.keys, batch.values, headers, strict=True))


class _OverLog:
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


def _profile(size: int) -> None:
    """Print what each part of a step over the log takes."""
    stages = Stages()
    with _folder() as name:
        program = _Pipeline(Path(name), size)
        steps = 10 * _STEPS[size]
        program.send(events(0, (steps + 20) * size))
        program.block(20)
        pipeline: Any = program.pipeline
        for owner, function, stage in (
            (pipeline, "step", "the rest"),
            (runner, "score", "score"),
            (runner, "learn", "learn"),
            (replay, "outputs_digest", "digest of the outputs"),
            (pipeline._slicer, "take", "slice: bookkeeping"),
            (slicer, "_digest", "digest of the slices"),
            (sqlite_batches, "fetch", "log: read rows"),
            (sqlite_batches, "chunk", "log: decode frames"),
            (sqlite_frame, "encode", "log: encode frames"),
            (sqlite_batches, "append", "log: insert rows"),
            (program.log._file, "_commit", "log: COMMIT (with its fsync)"),
            (program.log._file, "appended", "log: checkpoint of the WAL"),
            (program.log, "_append", "log: the rest of a commit"),
        ):
            stages.wrap(owner, function, stage)
        try:
            block = program.block(steps)
        finally:
            stages.unwrap()
        say(f"\nprofile, steps of {size:,}: mean {block.seconds / block.events * 1e6:.2f}")
        table(["stage", "µs/event", "share"], stages.table(block.events))
        program.close()
