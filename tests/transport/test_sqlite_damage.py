"""The embedded log on a damaged file, a foreign file and a full disk."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import (
    TransportCorrupt,
    TransportError,
    TransportFull,
    UserError,
)
from stream_cl.core.records import Bounds, Outgoing, TopicPartition
from stream_cl.transport.sqlite import SqliteTransport

PLACE = TopicPartition("t", 0)
VALUES = [b"%d" % i + b"." * 200 for i in range(50)]


def open_log(path: Path) -> SqliteTransport:
    return SqliteTransport(path, SystemClock())


def batch(values: list[bytes] = VALUES) -> Outgoing:
    return Outgoing("t", 0, [None] * len(values), values)


def read_everything(path: Path) -> list[bytes | None]:
    """What a pipeline would see; every kind of access is tried."""
    log = open_log(path)
    try:
        log.group_offsets("readers")
        log.writer("pipeline")
        end = log.bounds(["t"])[PLACE].end
        values: list[bytes | None] = []
        while len(values) < end:
            values += log.read("t", 0, len(values), 1000).values
        return values
    finally:
        log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of 20 batches and small rows among them, closed: all stands in one file."""
    path = tmp_path / "log.db"
    log = open_log(path)
    log.create_topic("t")
    for _ in range(20):
        log.append_and_commit([batch(), batch([b"small"])], "readers", {PLACE: 1})
    log.close()
    assert not path.with_name("log.db-wal").exists()
    return path


def overwrite(path: Path, at: int, replacement: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(replacement)


@pytest.mark.parametrize("at", [0, 16, 30, 100])
def test_a_damaged_header_is_named(path: Path, at: int) -> None:
    """Else a damaged file ends in a traceback, or is taken for an empty log."""
    overwrite(path, at, b"\xa5" * 60)
    with pytest.raises(TransportError, match=r"log\.db"):
        read_everything(path)


def test_damage_in_the_middle_is_found(path: Path) -> None:
    """Else the learner learns from garbage: no damage may give other records."""
    good, whole = read_everything(path), path.read_bytes()
    random = Random(5)
    messages = []
    for _ in range(150):
        size = random.choice((1, 1, 8, 500))
        overwrite(path, random.randrange(4096, len(whole) - size), random.randbytes(size))
        try:
            assert read_everything(path) == good  # in a page that is not used, or the same bytes
        except TransportCorrupt as error:
            messages.append(str(error))
        path.write_bytes(whole)
    assert len(messages) > 100
    assert all(str(path) in message and "\n" not in message for message in messages)


@pytest.mark.parametrize(
    ("word", "damaged"),
    [
        (b"CREATE TABLE partitions", b"CREATE TABLE p\xe4rtition\xff"),
        (b"next_offset", b"nexx_offset"),
    ],
)
def test_damaged_tables_are_named(path: Path, word: bytes, damaged: bytes) -> None:
    """Else damage in the file's first page is a traceback, or "no such column"."""
    assert len(word) == len(damaged)
    overwrite(path, path.read_bytes().index(word), damaged)
    with pytest.raises(TransportCorrupt, match=r"log\.db is damaged"):
        read_everything(path)


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.1])
def test_a_truncated_file_is_named(path: Path, keep: float) -> None:
    """Else records are gone in silence, and their offsets are given away again."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * keep))
    with pytest.raises(TransportCorrupt, match=r"log\.db is damaged"):
        open_log(path).append([batch()])


def test_lost_rows_are_named(path: Path) -> None:
    """Else a log that lost its last records goes on as if they had never been."""
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM batches WHERE key = (SELECT max(key) FROM batches)")
    connection.commit()
    connection.close()
    with pytest.raises(TransportCorrupt, match=r"t\[0\] ends at 1020, but its records do not"):
        open_log(path)


def test_no_database(tmp_path: Path) -> None:
    """Else a wrong path overwrites the user's file or ends in a traceback."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(TransportCorrupt, match=r"notes\.txt"):
        open_log(path)
    assert path.read_text() == "not a database " * 100


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Else our tables land in somebody else's database."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(TransportCorrupt, match=r"other\.db is a database, but not a log"):
        open_log(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path) -> None:
    """Else an old program damages what a newer one wrote."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(TransportError, match=r"log\.db has schema 99, .*: update"):
        open_log(path)


def test_an_empty_file_becomes_a_log(tmp_path: Path) -> None:
    """Else a start that was killed at once needs a person to delete the file."""
    (tmp_path / "log.db").touch()
    log = open_log(tmp_path / "log.db")
    assert log.topics() == {}
    log.close()


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    """Else a misspelt path is a traceback."""
    with pytest.raises(UserError, match=r"nowhere is not there: create it"):
        open_log(tmp_path / "nowhere" / "log.db")
    with pytest.raises(UserError, match="is a folder: name a file"):
        open_log(tmp_path)


def fill(log: SqliteTransport) -> int:
    """Commit until there is no room; the number of committed steps."""
    writer = log.writer("pipeline")
    values = [bytes(4000)] * 10
    steps = 0

    def commit_on() -> None:
        nonlocal steps
        while steps < 10_000:
            writer.commit([batch(values)], "pipeline", {PLACE: steps + 1})
            steps += 1

    with pytest.raises(TransportFull, match="nothing of the transaction was written"):
        commit_on()
    return steps


def test_a_full_database_keeps_whole_steps(tmp_path: Path) -> None:
    """Else a full disk leaves half a step, or stops without saying why."""
    log = open_log(tmp_path / "log.db")
    log.create_topic("t")
    log._file._write.execute("PRAGMA max_page_count = 200")
    steps = fill(log)
    assert steps > 5
    assert log.bounds(["t"]) == {PLACE: Bounds(0, steps * 10)}
    assert log.group_offsets("pipeline") == {PLACE: steps}
    assert len(log.read("t", 0, 0, 10_000)) == steps * 10
    log._file._write.execute("PRAGMA max_page_count = 2000")
    assert log.append([batch()]) == [steps * 10]
    log.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted without the rights of root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_keeps_whole_steps(small_disk: Path) -> None:
    """Else the embedded log is damaged by the most usual fault of a disk."""
    path = small_disk / "log.db"
    log = open_log(path)
    log.create_topic("t")
    steps = fill(log)
    assert steps > 5
    with pytest.raises(TransportFull, match=r"log\.db"):
        log.append([batch([bytes(900_000)] * 4)])
    for again in (log, open_log(path)):
        assert again.bounds(["t"]) == {PLACE: Bounds(0, steps * 10)}
        assert again.group_offsets("pipeline") == {PLACE: steps}
        assert len(again.read("t", 0, 0, 10_000)) == steps * 10
        again.close()


def test_a_disk_without_any_room(small_disk: Path) -> None:
    """Else the start on a full disk says "disk I/O error"."""
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(bytes(8 << 20))
    with pytest.raises(TransportFull, match=r"no room is left for .*log\.db"):
        open_log(small_disk / "log.db")
