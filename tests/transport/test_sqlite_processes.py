"""The embedded log under several processes and threads, some of them killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random

import pytest

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import TransportError
from stream_cl.core.records import Bounds, Outgoing, TopicPartition
from stream_cl.transport import sqlite_connections, sqlite_schema
from stream_cl.transport.sqlite import SqliteTransport

SPAWN = multiprocessing.get_context("spawn")
PARTITIONS = 2
PLACES = [TopicPartition("t", index) for index in range(PARTITIONS)]


class Dies:
    """Kills its process at the fault point, as kill -9 does."""

    def __init__(self, point: str) -> None:
        self.point = point

    def reach(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


def checkpoint_often() -> None:
    sqlite_schema.CHECKPOINT_BYTES = 1 << 17  # type: ignore[misc]
    sqlite_connections._RETRY_BYTES = 1 << 14  # type: ignore[misc]


def append_and_leave(path: Path, name: int, appends: int) -> None:
    checkpoint_often()
    log = SqliteTransport(path, SystemClock())
    random = Random(name)
    sent = [0] * PARTITIONS
    for _ in range(appends):
        partition, count = random.randrange(PARTITIONS), random.choice((1, 3, 40))
        values = [b"%d %d" % (name, sent[partition] + i) for i in range(count)]
        batch = Outgoing("t", partition, [b"." * 400] * count, values)
        log.append_and_commit([batch], f"{name}", {PLACES[partition]: sent[partition]})
        sent[partition] += count
    log.close()


def append_until_killed(path: Path, started: Event) -> None:
    checkpoint_often()
    log = SqliteTransport(path, SystemClock())
    writer = log.writer("killed")
    for number in range(1_000_000):
        value = b"%d" % number
        batches = [Outgoing("t", index, [None] * 20, [value] * 20) for index in range(PARTITIONS)]
        writer.commit(batches, "killed", {PLACES[0]: number + 1})
        started.set()


def commit_and_die(path: Path, point: str) -> None:
    log = SqliteTransport(path, SystemClock(), Dies(point))
    batches = [Outgoing("t", index, [None], [b"new"]) for index in range(PARTITIONS)]
    log.writer("pipeline").commit(batches, "pipeline", {PLACES[0]: 1})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    log = SqliteTransport(path, SystemClock())
    log.create_topic("t", PARTITIONS)
    log.close()
    return path


def whole(path: Path) -> bool:
    connection = sqlite3.connect(path)
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return bool(verdict == "ok")


def test_many_processes_append_while_one_reads(path: Path) -> None:
    """Else records are lost, repeated or out of order when producers run side by side."""
    appends = 150
    writers = [
        SPAWN.Process(target=append_and_leave, args=(path, name, appends)) for name in range(4)
    ]
    for process in writers:
        process.start()
    log = SqliteTransport(path, SystemClock())
    values: list[list[bytes | None]] = [[] for _ in PLACES]
    times: list[list[int]] = [[] for _ in PLACES]
    running = True
    while running:
        running = any(process.is_alive() for process in writers)
        for place, bounds in log.bounds(["t"]).items():
            seen = len(values[place.partition])
            assert bounds.start == 0
            assert bounds.end >= seen, "the log became shorter"
            chunk = log.read(*place, seen, 100_000)
            assert list(chunk.offsets) == list(range(seen, seen + len(chunk)))
            assert len(chunk) >= bounds.end - seen
            values[place.partition] += chunk.values
            times[place.partition] += chunk.timestamps_ms
    for process in writers:
        process.join()
        assert process.exitcode == 0
    for partition in range(PARTITIONS):
        assert times[partition] == sorted(times[partition])
        by_writer: dict[bytes, list[int]] = {}
        for value in values[partition]:
            assert value is not None
            name, number = value.split()
            by_writer.setdefault(name, []).append(int(number))
        for numbers in by_writer.values():
            assert numbers == list(range(len(numbers)))
    assert sqlite_schema.wal_bytes(path) < 4 << 20
    log.close()
    assert whole(path)


@pytest.mark.parametrize(
    ("point", "written"), [("commit-half-written", False), ("committed", True)]
)
def test_killed_around_the_commit(path: Path, point: str, written: bool) -> None:
    """Else a step is half in the log, or gone though it was committed."""
    process = SPAWN.Process(target=commit_and_die, args=(path, point))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    log = SqliteTransport(path, SystemClock())
    end = 1 if written else 0
    assert log.bounds(["t"]) == dict.fromkeys(PLACES, Bounds(0, end))
    assert log.group_offsets("pipeline") == ({PLACES[0]: 1} if written else {})
    assert log.writer("pipeline").epoch == 2
    assert log.append([Outgoing("t", 0, [None], [b"next"])]) == [end]
    log.close()
    assert whole(path)


def test_killed_at_any_moment(path: Path) -> None:
    """Else a kill -9, while the write-ahead log is copied too, damages the file."""
    random = Random(11)
    for _ in range(6):
        started = SPAWN.Event()
        process = SPAWN.Process(target=append_until_killed, args=(path, started))
        process.start()
        assert started.wait(30)
        process.join(random.uniform(0, 0.15))
        process.kill()
        process.join()
        log = SqliteTransport(path, SystemClock())
        bounds = log.bounds(["t"])
        assert bounds[PLACES[0]] == bounds[PLACES[1]], "half a step is in the log"
        chunk = log.read("t", 0, 0, 10**9)
        assert len(chunk) == bounds[PLACES[0]].end
        last = chunk.values[-1]
        assert last is not None
        assert log.group_offsets("killed") == {PLACES[0]: int(last) + 1}
        assert set(Counter(chunk.values).values()) <= {20 * n for n in range(1, 7)}
        log.close()
    assert whole(path)


def test_threads_share_a_transport(path: Path) -> None:
    """Else the labelling page, which reads and answers in other threads, breaks the pipeline."""
    log = SqliteTransport(path, SystemClock())

    def work(name: int) -> None:
        for _ in range(20):
            (offset,) = log.append([Outgoing("t", 0, [None], [b"%d" % name])])
            assert log.read("t", 0, offset, 1).values == [b"%d" % name]
            assert log.bounds(["t"])[PLACES[0]].end > offset

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert log.bounds(["t"])[PLACES[0]].end == 120
    log.close()


def test_a_lock_that_stays_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a forgotten transaction of another program hangs the pipeline without a word."""
    monkeypatch.setattr(sqlite_schema, "BUSY_TIMEOUT_S", 0.05)
    log = SqliteTransport(path, SystemClock())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransportError, match=r"log\.db cannot be .* stays locked: end"):
        log.append([Outgoing("t", 0, [None], [b""])])
    holder.execute("ROLLBACK")
    assert log.append([Outgoing("t", 0, [None], [b""])]) == [0]
    holder.close()
    log.close()
