"""Opening the file of the embedded log: what stands in it, and how SQLite is set.

A file is recognised by `PRAGMA application_id` and the schema's version in `PRAGMA
user_version`; nothing is written to a file of another program, or of a newer version.

Batches are kept in one table with an integer key, the partition's number times 2^48 plus
the batch's first offset. Measured against `PRIMARY KEY (topic, partition, offset)`: rows of
270 kB are read in a sixth of the time that it takes WITHOUT ROWID and in less than half of
that with an index of its own, and written about as fast; small rows cost the same.

**The write-ahead log.** SQLite before 3.51.3 may damage a database when one connection
starts the write-ahead log anew while another copies it into the database (a checkpoint).
Both happen only under the write lock here, which shuts the fault out: automatic checkpoints
are off on every connection, and whoever has appended enough takes the write lock on one
connection and checkpoints on another (`checkpoint`). The log is started anew by a writer,
so under the same lock. Closing the last connection checkpoints too, but only after SQLite
has the whole file to itself. From 3.51.3 on SQLite's own way is left as it is.

The write-ahead log is overwritten in place after a checkpoint, not cut: a commit into it
costs half of one that makes the file longer (125 µs and 270 µs here).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from stream_cl.core.clock import Clock
from stream_cl.core.errors import TransportCorrupt, TransportError, UserError
from stream_cl.transport.sqlite_errors import SQLITE_FAILURES, translate

APPLICATION_ID: Final = 0x73634C67  # "scLg"
SCHEMA_VERSION: Final = 1
BUSY_TIMEOUT_S: Final = 30.0
"""How long a writer waits for another one's transaction."""
CHECKPOINT_BYTES: Final = 4 * 2**20
"""What a process appends between two checkpoints; the pause of one is about 10 ms. Four times
as much costs as much per byte, in pauses four times as long."""
PAGE_BYTES: Final = 4096
FILE_PARTITIONS_MAX: Final = 10_000
"""Partitions of all topics together."""
KEY_SHIFT: Final = 48
"""A batch's key is its partition's number << KEY_SHIFT, plus its first offset."""

_OWN_CHECKPOINTS: Final = sqlite3.sqlite_version_info < (3, 51, 3)
_OLDEST_SQLITE: Final = (3, 24, 0)  # ON CONFLICT DO UPDATE
_WAL_KEPT_BYTES: Final = 4 * CHECKPOINT_BYTES
_RETRY_S: Final = 0.02

_TABLES: Final = (
    """CREATE TABLE topics (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        retention_ms INTEGER
    )""",
    # oldest_ms and newest_ms are append times; newest_ms outlives the records, so that
    # append times never fall, as end_offset does, so that offsets are never used again.
    """CREATE TABLE partitions (
        id INTEGER PRIMARY KEY,
        topic_id INTEGER NOT NULL,
        partition INTEGER NOT NULL,
        start_offset INTEGER NOT NULL DEFAULT 0,
        end_offset INTEGER NOT NULL DEFAULT 0,
        oldest_ms INTEGER,
        newest_ms INTEGER NOT NULL DEFAULT 0,
        UNIQUE (topic_id, partition)
    )""",
    # body is last: what stands before it is read without its pages.
    """CREATE TABLE batches (
        key INTEGER PRIMARY KEY,
        records INTEGER NOT NULL,
        append_ms INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        body BLOB NOT NULL
    )""",
    """CREATE TABLE group_offsets (
        reader TEXT NOT NULL,
        partition_id INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (reader, partition_id)
    ) WITHOUT ROWID""",
    "CREATE TABLE writers (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID",
)


def connect(path: Path, clock: Clock) -> sqlite3.Connection:
    """A connection to the log in `path`, which is created if it is not there.

    Any thread may use it, one at a time. Transactions are begun by hand.

    Raises:
        UserError: the folder is not there, or `path` is one.
        TransportCorrupt: the file is damaged, or no log of ours.
        TransportError: it has a newer schema, cannot be opened, or stays locked.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise TransportError(
            f"SQLite {sqlite3.sqlite_version} cannot write {path}: use a Python whose SQLite is"
            " 3.24 or newer"
        )
    if not path.parent.is_dir():
        raise UserError(f"the folder {path.parent} is not there: create it, or name another file")
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file for the log")
    try:
        connection = sqlite3.connect(
            path.absolute(),
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise translate(error, path) from error
    try:
        _prepare(connection, path, clock)
    except SQLITE_FAILURES as error:
        connection.close()
        raise translate(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
    new = _is_new(connection, path)
    if new:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    if _pragma(connection, "journal_mode") != "wal":
        _use_wal(connection, path, clock)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    if _OWN_CHECKPOINTS:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    if new:
        connection.execute("BEGIN IMMEDIATE")
        if _is_new(connection, path):  # else another process was faster
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty.

    Raises:
        TransportCorrupt, TransportError: it is neither empty nor a log that can be read.
    """
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application = _pragma(connection, "application_id")
    version = int(_pragma(connection, "user_version"))
    if tables == 0 and application == 0 and version == 0:
        return True
    if application != APPLICATION_ID:
        raise TransportCorrupt(
            f"{path} is a database, but not a log of stream_cl: name another file in `transport`"
        )
    if version > SCHEMA_VERSION:
        raise TransportError(
            f"{path} has schema {version}, this program reads up to {SCHEMA_VERSION}:"
            " update stream_cl, or name another file in `transport`"
        )
    return False


def _use_wal(connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
    # SQLite does not wait for other connections here, so the waiting is done by hand.
    deadline_s = clock.monotonic_s() + BUSY_TIMEOUT_S
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or clock.monotonic_s() > deadline_s:
                raise
            clock.sleep(_RETRY_S)
            continue
        if mode != "wal":
            raise TransportError(
                f"{path} stands on a file system without shared memory: put it on a local disk"
            )
        return


def _pragma(connection: sqlite3.Connection, name: str) -> int | str:
    value: int | str = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def wal_bytes(path: Path) -> int:
    """Size of the write-ahead log's file. It is not opened: closing it would drop its locks."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def checkpoint(locking: sqlite3.Connection, copying: sqlite3.Connection) -> bool:
    """Copy the write-ahead log into the database; whether all of it could be copied.

    `locking` and `copying` are two connections without a transaction. A reader that still
    looks at an older moment keeps what came later from being copied.
    """
    if not _OWN_CHECKPOINTS:
        return True
    locking.execute("BEGIN IMMEDIATE")
    try:
        busy, frames, copied = copying.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        locking.execute("ROLLBACK")
    return not busy and frames == copied
