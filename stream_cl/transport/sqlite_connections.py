"""The two connections of an embedded log, their locks and their transactions.

One connection reads, with transactions as short as one call; one writes. Threads may
share them; each is used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final

from stream_cl.core.clock import Clock
from stream_cl.transport import sqlite_errors, sqlite_schema

_RETRY_BYTES: Final = 1 << 20
"""How much is appended before a checkpoint is tried again that a reader kept from its end."""


class Connections:
    """The file `path`, opened twice; errors as those of `sqlite_schema.connect`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._write_lock, self._read_lock = Lock(), Lock()
        # What stands in the write-ahead log may be what a killed process left there.
        self._uncopied_bytes = sqlite_schema.wal_bytes(path)
        self._write = sqlite_schema.connect(path, clock)
        try:
            self._read = sqlite_schema.connect(path, clock)
        except BaseException:
            self._write.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The reading connection, alone, in a transaction: everything seen is of one moment."""
        with self._read_lock:
            connection = self._read
            try:
                connection.execute("BEGIN")
                yield connection
            except sqlite_errors.SQLITE_FAILURES as error:
                raise sqlite_errors.translate(error, self.path) from error
            finally:
                _roll_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writing connection, alone, in a transaction that is committed at the end.

        Any exception rolls it back.

        Raises:
            TransportError: it is unknown whether the commit will be found after a restart.
        """
        with self._write_lock:
            connection = self._write
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
            except sqlite_errors.SQLITE_FAILURES as error:
                raise sqlite_errors.translate(error, self.path) from error
            else:
                self._commit(connection)
            finally:
                _roll_back(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise sqlite_errors.commit_failed(error, self.path) from error

    def data_version(self) -> int:
        """A number that is another one after anybody's commit, this object's included."""
        with self._read_lock:
            try:
                # The reading connection sees the writing one's commits as another's.
                version: int = self._read.execute("PRAGMA data_version").fetchone()[0]
            except sqlite_errors.SQLITE_FAILURES as error:
                raise sqlite_errors.translate(error, self.path) from error
        return version

    def appended(self, size_bytes: int) -> None:
        """Say that so much was committed; now and then the write-ahead log is checkpointed."""
        with self._write_lock:
            self._uncopied_bytes += size_bytes
            if self._uncopied_bytes < sqlite_schema.CHECKPOINT_BYTES:
                return
            self._uncopied_bytes = sqlite_schema.CHECKPOINT_BYTES - _RETRY_BYTES
            # The append is durable already, so it must not fail by what is only tidying;
            # what is wrong with the file comes up at the next append or read.
            with suppress(sqlite3.Error), self._read_lock:
                if sqlite_schema.checkpoint(self._write, self._read):
                    self._uncopied_bytes = 0

    def close(self) -> None:
        """Close both; a second call does nothing."""
        with self._write_lock, self._read_lock:
            if self._uncopied_bytes:
                # What cannot be copied now is safe where it is, so nothing is waited for.
                with suppress(sqlite3.Error):
                    self._write.execute("PRAGMA busy_timeout = 0")
                    sqlite_schema.checkpoint(self._write, self._read)
            self._uncopied_bytes = 0
            self._read.close()
            self._write.close()


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        # An error here would hide the one that led here; the file is safe either way.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
