"""The file of the journal: how it is made, recognised, locked and written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from stream_cl.core.errors import StreamClError, UserError

KEY_BYTES: Final = 32
_APPLICATION: Final = 0x5343_4C4A
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    person TEXT NOT NULL,
    answer TEXT NOT NULL,
    id TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    label TEXT,
    truth TEXT,
    guess TEXT,
    time_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,
    question BLOB,
    log_ms INTEGER NOT NULL,
    trace BLOB,
    UNIQUE (person, answer)
);
CREATE INDEX answers_by_question ON answers (person, request, expires_ms);
CREATE INDEX answers_by_state ON answers (state, number);
CREATE TABLE leases (request TEXT, person TEXT, PRIMARY KEY (request, person)) WITHOUT ROWID;
CREATE TABLE classes (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
"""


class JournalFailed(StreamClError):
    """The journal could not be written: what was to be written is not."""


class JournalFile:
    """A SQLite file that one process has; the arguments and errors are those of `Journal`."""

    def __init__(self, path: Path, log: str, secret: bytes) -> None:
        assert len(secret) == KEY_BYTES
        self._path = path
        if not path.parent.is_dir():
            raise UserError(f"label.journal: there is no folder {path.parent}; make it")
        try:
            # Answers are worth as much as what people see of the events.
            path.touch(mode=0o600, exist_ok=True)
            self._file = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"label.journal: {path} cannot be opened ({error})") from None
        try:
            self._open(log, secret)
        except sqlite3.Error as error:
            self._file.close()
            raise self._unusable(error) from None
        except BaseException:
            self._file.close()
            raise

    def _open(self, log: str, secret: bytes) -> None:
        self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute("BEGIN EXCLUSIVE")
        application = self._file.execute("PRAGMA application_id").fetchone()[0]
        tables = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application == 0 and tables == 0:
            for statement in _SCHEMA.split(";\n"):
                self._file.execute(statement)
            self._file.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._file.execute(f"PRAGMA user_version = {_VERSION}")
            meta = [("key", secret), ("log", log.encode())]
            self._file.executemany("INSERT INTO meta VALUES (?, ?)", meta)
        elif application != _APPLICATION:
            raise UserError(
                f"label.journal: {self._path} is no journal of the labelling page; name another "
                "file"
            )
        elif self._file.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            raise UserError(f"label.journal: {self._path} is of another version; name another file")
        self._file.execute("COMMIT")
        self.key: bytes = self._meta("key")
        there = self._meta("log").decode()
        if there != log:
            raise UserError(
                f"label.journal: {self._path} has answers for the log {there}, and this is {log}; "
                "name another file"
            )

    def _unusable(self, error: sqlite3.Error) -> StreamClError:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return UserError(
                f"label.journal: another process has {self._path}; end the labelling server that "
                "runs, or name another file for another log"
            )
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            return UserError(f"label.journal: {self._path} is no journal; name another file")
        return JournalFailed(f"label.journal: {self._path} cannot be used ({error})")

    def close(self) -> None:
        """Close the file and give it free."""
        self._file.close()

    def _meta(self, name: str) -> bytes:
        return bytes(self.query("SELECT value FROM meta WHERE name = ?", name)[0][0])

    def query(self, sql: str, *values: object) -> list[Any]:
        """The rows that `sql` finds.

        Raises:
            JournalFailed: it cannot be read.
        """
        try:
            return self._file.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalFailed(f"{self._path} cannot be read ({error})") from None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: durable, or nothing.

        Raises:
            JournalFailed: nothing was written.
        """
        try:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield self._file
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise JournalFailed(f"{self._path} cannot be written ({error})") from None
