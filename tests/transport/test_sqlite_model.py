"""The embedded log against a list, its retention, and its write-ahead log."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import OffsetOutOfRange
from stream_cl.core.records import Bounds, Outgoing, TopicPartition
from stream_cl.testing.clock import FakeClock
from stream_cl.transport import sqlite_batches, sqlite_connections, sqlite_schema
from stream_cl.transport.sqlite import SqliteTransport


class SettableClock(SystemClock):
    """Append times as the test wants them."""

    time_ms = 0

    def now_ms(self) -> int:
        return self.time_ms


def numbered(first: int, count: int, size: int = 0) -> Outgoing:
    values = [b"%d" % i + b"." * size for i in range(first, first + count)]
    return Outgoing("t", 0, values, values)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 5), st.integers(0, 3)),
        st.tuples(st.just("read"), st.integers(0, 30), st.integers(0, 12)),
        st.tuples(st.just("truncate"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(OPERATIONS)
def test_the_log_is_a_list(operations: list[tuple[str, int, int]]) -> None:
    """Else some order of appending, reading and deleting loses or repeats records."""
    model: list[bytes] = []
    start = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        log = SqliteTransport(path, SystemClock())
        log.create_topic("t")
        for what, a, b in operations:
            if what == "append":
                batches = [numbered(len(model) + i * a, a) for i in range(b)]
                assert log.append(batches) == [len(model) + i * a for i in range(b)]
                model += [value for batch in batches for value in batch.values]
            elif what == "read" and start <= a <= len(model):
                chunk = log.read("t", 0, a, b)
                assert list(chunk.values) == list(chunk.keys) == model[a : a + b]
                assert list(chunk.offsets) == list(range(len(model)))[a : a + b]
            elif what == "truncate" and a <= len(model):
                log.truncate("t", 0, a)
                start = max(start, a)
            elif what == "reopen":
                log.close()
                log = SqliteTransport(path, SystemClock())
            else:
                with pytest.raises(OffsetOutOfRange, match=rf"t\[0\].*{start}.*{len(model)}"):
                    log.read("t", 0, a, b) if what == "read" else log.truncate("t", 0, a)
            assert log.bounds(["t"]) == {TopicPartition("t", 0): Bounds(start, len(model))}
        log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_old_batches_expire(path: Path) -> None:
    """Else the file of a stream that never ends grows for ever, or loses what is still new."""
    clock = SettableClock()
    log = SqliteTransport(path, clock)
    log.create_topic("t", retention_ms=1000)
    log.create_topic("kept")
    place = TopicPartition("t", 0)
    for now_ms in range(0, 1101, 100):  # 12 batches; the first is 10 % over at the last
        clock.time_ms = now_ms
        log.append([numbered(0, 10), Outgoing("kept", 0, [None], [b""])])
    assert log.bounds(["t"])[place] == Bounds(0, 120)
    clock.time_ms = 1200
    log.append([numbered(0, 10)])
    assert log.bounds(["t"])[place] == Bounds(20, 130)  # what is 1,000 ms old stays
    with pytest.raises(OffsetOutOfRange, match="expired"):
        log.read("t", 0, 19, 1)
    assert log.read("t", 0, 20, 1000).timestamps_ms[0] == 200
    clock.time_ms = 100_000
    assert log.append([numbered(0, 10)]) == [130]
    assert log.bounds(["t"])[place] == Bounds(130, 140)  # the newest batch always stays
    assert log.bounds(["kept"])[TopicPartition("kept", 0)] == Bounds(0, 12)
    log.close()


def test_expiry_after_a_row_was_divided(path: Path) -> None:
    """Else truncation inside a batch and retention together leave rows behind for ever."""
    clock = SettableClock()
    log = SqliteTransport(path, clock)
    log.create_topic("t", retention_ms=1000)
    for now_ms in (0, 10):
        clock.time_ms = now_ms
        log.append([numbered(0, 10)])
    log.truncate("t", 0, 5)
    log.truncate("t", 0, 7)
    assert list(log.read("t", 0, 7, 2).values) == [b"7", b"8"]
    clock.time_ms = 5000
    log.append([numbered(0, 1)])
    assert log.bounds(["t"])[TopicPartition("t", 0)] == Bounds(20, 21)
    with log._file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM batches").fetchone() == (1,)
    log.close()


def test_a_backlog_expires_a_part_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first append after a long stop takes minutes."""
    monkeypatch.setattr(sqlite_batches, "_EXPIRE_ROWS", 3)
    clock = SettableClock()
    log = SqliteTransport(path, clock)
    log.create_topic("t", retention_ms=1000)
    for _ in range(10):
        log.append([numbered(0, 1)])
    clock.time_ms = 5000
    starts = []
    for _ in range(5):
        log.append([numbered(0, 1)])
        starts.append(log.bounds(["t"])[TopicPartition("t", 0)].start)
    assert starts == [3, 6, 9, 10, 10]
    log.close()


def test_a_read_is_bounded_in_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else reading a step's worth of large records takes all memory."""
    monkeypatch.setattr(sqlite_batches, "READ_BYTES", 10_000)
    log = SqliteTransport(path, SystemClock())
    log.create_topic("t")
    for first in range(0, 100, 10):
        log.append([numbered(first, 10, size=300)])
    assert len(log.read("t", 0, 0, 100)) == 20
    assert len(log.read("t", 0, 25, 100)) == 15
    log.close()


@pytest.mark.skipif(
    not sqlite_schema._OWN_CHECKPOINTS, reason="SQLite checkpoints by itself from 3.51.3 on"
)
def test_the_write_ahead_log_is_used_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the file beside the log grows until the disk is full."""
    monkeypatch.setattr(sqlite_schema, "CHECKPOINT_BYTES", 1 << 20)
    monkeypatch.setattr(sqlite_connections, "_RETRY_BYTES", 1 << 17)
    log = SqliteTransport(path, SystemClock())
    log.create_topic("t")
    sizes = []
    for _ in range(80):  # 8 MB
        log.append([numbered(0, 100, size=1000)])
        sizes.append(sqlite_schema.wal_bytes(path))
    assert sizes[-1] == max(sizes) < 2 << 20
    assert path.stat().st_size > 6_000_000
    log.close()
    assert sqlite_schema.wal_bytes(path) == 0


def test_what_a_killed_process_left_is_copied(path: Path) -> None:
    """Else processes that are always killed leave a write-ahead log that only grows."""
    left = SqliteTransport(path, SystemClock())
    left.create_topic("t")
    left.append([numbered(0, 100, size=200_000)])
    log = SqliteTransport(path, SystemClock())
    assert log._file._uncopied_bytes == sqlite_schema.wal_bytes(path) > 16 << 20
    log.append([numbered(100, 1)])
    assert log._file._uncopied_bytes == 0
    assert len(left.read("t", 0, 0, 1000)) == 101
    left.close()
    log.close()


def test_a_topics_retention_follows_the_last_one_given(tmp_path: Path) -> None:
    """A changed `topics.retention_hours` must act on topics that are there already."""
    clock = FakeClock()
    log = SqliteTransport(tmp_path / "log.db", clock)
    log.create_topic("t")
    log.append([Outgoing("t", 0, [None], [b"old"])])
    log.create_topic("t", retention_ms=1000)
    clock.advance(seconds=10)
    for _ in range(2):
        log.append([Outgoing("t", 0, [None], [b"new"])])
    assert log.bounds(["t"])[TopicPartition("t", 0)].start == 1
    log.close()
