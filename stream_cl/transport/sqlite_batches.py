"""Rows of the embedded log: a batch of records each, in the order of their offsets.

These functions work inside a transaction that the caller has begun. A row's checksum is
CRC-32 over its body and its place (key, records, append time), so a body that was swapped
with another one is found like one whose bytes were changed.

**Retention.** A batch expires as a whole, when it is older than the newest batch of its
partition by more than `retention_ms`. Whoever appends looks whether the oldest batch is
10 % older than that, and then deletes what has expired, at most `_EXPIRE_ROWS` rows an
append, so that no append becomes long. The newest batch always stays. Offsets and append
times go on from where they were even after `truncate` has deleted everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from stream_cl.core import limits
from stream_cl.core.errors import OffsetOutOfRange
from stream_cl.core.records import Chunk, Headers
from stream_cl.transport import sqlite_frame
from stream_cl.transport.sqlite_errors import corrupt
from stream_cl.transport.sqlite_frame import Frame
from stream_cl.transport.sqlite_schema import KEY_SHIFT
from stream_cl.transport.sqlite_topics import Partition

READ_BYTES: Final = 4 * limits.BATCH_BYTES
"""A read ends after so many bytes of rows, however many records were asked for."""
_EXPIRE_ROWS: Final = 256
_PLACE: Final = Struct("<qqq")
_LAST_OFFSET: Final = (1 << KEY_SHIFT) - 1


class Row(NamedTuple):
    """A batch as it stands in the file."""

    key: int
    records: int
    append_ms: int
    checksum: int
    body: bytes


def append(
    connection: sqlite3.Connection,
    path: Path,
    partition: Partition,
    frames: Sequence[Frame],
    now_ms: int,
) -> int:
    """Append frames to a partition; the offset of their first record.

    All get one append time: `now_ms`, or the partition's newest where the clock went back.
    """
    start, end, oldest_ms, newest_ms = _state(connection, path, partition)
    if not frames:
        return end
    append_ms = max(now_ms, newest_ms)
    next_offset = end
    for records, body in frames:
        key = partition.key(next_offset)
        checksum = crc32(_PLACE.pack(key, records, append_ms), crc32(body))
        try:
            connection.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
                (key, records, append_ms, checksum, body),
            )
        except sqlite3.IntegrityError as error:
            what = f"{partition} ends at {end}, but records stand behind its end"
            raise corrupt(path, what) from error
        next_offset += records
    if oldest_ms is None:
        oldest_ms = append_ms
    connection.execute(
        "UPDATE partitions SET end_offset = ?, oldest_ms = ?, newest_ms = ? WHERE id = ?",
        (next_offset, oldest_ms, append_ms, partition.id),
    )
    retention_ms = partition.retention_ms
    if retention_ms is not None and append_ms - oldest_ms > retention_ms + retention_ms // 10:
        _expire(connection, partition, partition.key(start), partition.key(next_offset), append_ms)
    return end


def _expire(
    connection: sqlite3.Connection, partition: Partition, first: int, last: int, newest_ms: int
) -> None:
    assert partition.retention_ms is not None
    # One row more than is deleted, since the first row that stays gives the new start.
    rows = connection.execute(
        "SELECT key, append_ms FROM batches WHERE key <= ? AND key >="
        " (SELECT max(key) FROM batches WHERE key <= ?) ORDER BY key LIMIT ?",
        (last, first, _EXPIRE_ROWS + 1),
    ).fetchall()
    kept = next(
        (i for i, row in enumerate(rows) if newest_ms - row[1] <= partition.retention_ms),
        len(rows) - 1,
    )
    if kept > 0:
        key, append_ms = rows[kept]
        _delete(connection, partition, key - partition.key(0), append_ms)


def truncate(connection: sqlite3.Connection, path: Path, partition: Partition, offset: int) -> None:
    """Delete what stands below `offset`; nothing happens if it is below the start.

    Rows are deleted whole; of one that `offset` divides the first part is only no longer
    read.

    Raises:
        OffsetOutOfRange: `offset` is above the end.
    """
    start, end, *_ = _state(connection, path, partition)
    if offset > end:
        raise _out_of_range(partition, offset, start, end)
    if offset <= start:
        return
    row = connection.execute(
        "SELECT append_ms FROM batches WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
        (partition.key(0), partition.key(offset)),
    ).fetchone()
    everything = offset == end
    _delete(connection, partition, offset, None if everything or row is None else row[0])


def _delete(
    connection: sqlite3.Connection, partition: Partition, start: int, oldest_ms: int | None
) -> None:
    connection.execute(
        "DELETE FROM batches WHERE key >= ? AND key + records <= ? AND key < ?",
        (partition.key(0), partition.key(start), partition.key(start)),
    )
    connection.execute(
        "UPDATE partitions SET start_offset = ?, oldest_ms = ? WHERE id = ?",
        (start, oldest_ms, partition.id),
    )


def fetch(
    connection: sqlite3.Connection, path: Path, partition: Partition, offset: int, max_records: int
) -> list[Row]:
    """The rows in which up to `max_records` records from `offset` on stand.

    Raises:
        OffsetOutOfRange: `offset` is below the partition's start or above its end.
        TransportCorrupt: rows are missing, or hold something else than was written.
    """
    start, end, *_ = _state(connection, path, partition)
    if not start <= offset <= end:
        raise _out_of_range(partition, offset, start, end)
    if offset == end or max_records <= 0:
        return []
    cursor = connection.execute(
        "SELECT key, records, append_ms, checksum, body FROM batches WHERE key < ? AND key >="
        " (SELECT max(key) FROM batches WHERE key <= ?) ORDER BY key",
        (partition.key(end), partition.key(offset)),
    )
    rows: list[Row] = []
    room_bytes = READ_BYTES
    last = partition.key(min(end, offset + max_records))
    for row in map(Row._make, cursor):
        if type(row.body) is not bytes or not _whole_numbers(row[:4]):
            raise corrupt(path, f"{partition} at or after offset {offset}: a row of another kind")
        rows.append(row)
        room_bytes -= len(row.body)
        if row.key + row.records >= last or room_bytes <= 0:
            break
    else:
        raise corrupt(path, f"{partition} from offset {offset} on: records are missing")
    cursor.close()  # or the snapshot would stay open
    return rows


def chunk(
    path: Path, partition: Partition, rows: Sequence[Row], offset: int, max_records: int
) -> Chunk:
    """The records of `rows` from `offset` on, at most `max_records`.

    Raises:
        TransportCorrupt: the rows are not what was written.
    """
    timestamps_ms: list[int] = []
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    headers: list[Headers] = []
    position = offset
    for row in rows:
        base = row.key - partition.key(0)
        stop = min(base + row.records, offset + max_records)
        try:
            if not (base == position or base < position == offset) or stop <= position:
                raise sqlite_frame.FrameDamaged("records are missing before it")
            if row.checksum != crc32(_PLACE.pack(*row[:3]), crc32(row.body)):
                raise sqlite_frame.FrameDamaged("its checksum is another")
            part = sqlite_frame.decode(row.body, position - base, stop - base)
            if len(part.values) != stop - position:
                raise sqlite_frame.FrameDamaged("it holds fewer records than it says")
        except sqlite_frame.FrameDamaged as error:
            raise corrupt(path, f"{partition} at offset {position}: {error}") from error
        timestamps_ms += [row.append_ms] * (stop - position)
        keys += part.keys
        values += part.values
        headers += part.headers
        position = stop
    return Chunk(*partition.place, range(offset, position), timestamps_ms, keys, values, headers)


def verify(connection: sqlite3.Connection, path: Path, partition: Partition) -> None:
    """Whether a partition's last row ends where the partition does.

    Raises:
        TransportCorrupt: it does not, so records are missing.
    """
    start, end, *_ = _state(connection, path, partition)
    last = connection.execute(
        "SELECT key, records FROM batches WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
        (partition.key(0), partition.key(0) | _LAST_OFFSET),
    ).fetchone()
    if last is None and start == end:
        return
    if last is None or not _whole_numbers(last) or sum(last) != partition.key(end):
        raise corrupt(path, f"{partition} ends at {end}, but its records do not")


def _state(
    connection: sqlite3.Connection, path: Path, partition: Partition
) -> tuple[int, int, int | None, int]:
    """Start, end, oldest and newest append time."""
    row = connection.execute(
        "SELECT start_offset, end_offset, oldest_ms, newest_ms FROM partitions WHERE id = ?",
        (partition.id,),
    ).fetchone()
    if row is None:
        raise corrupt(path, f"the state of {partition} is missing")
    start, end, oldest_ms, newest_ms = row
    if not _whole_numbers((start, end, oldest_ms or 0, newest_ms)) or not 0 <= start <= end:
        raise corrupt(path, f"the state of {partition} is {row}")
    return start, end, oldest_ms, newest_ms


def _whole_numbers(values: Sequence[object]) -> bool:
    return all(type(value) is int for value in values)


def _out_of_range(partition: Partition, offset: int, start: int, end: int) -> OffsetOutOfRange:
    return OffsetOutOfRange(
        f"offset {offset} of {partition} is out of range: it holds {start} up to, not"
        f" including, {end}; records below the start have expired"
    )
