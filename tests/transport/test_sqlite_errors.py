"""What SQLite's errors become: each names the file and what to do, in one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from stream_cl.core.errors import TransportCorrupt, TransportError, TransportFull
from stream_cl.transport import sqlite_errors


def failure(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind("what SQLite says")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_NAME"
    return error


@pytest.mark.parametrize(
    ("code", "expected", "advice"),
    [
        (sqlite3.SQLITE_FULL, TransportFull, "free some space"),
        (sqlite3.SQLITE_CORRUPT, TransportCorrupt, "restore it from a copy"),
        (sqlite3.SQLITE_CORRUPT_VTAB, TransportCorrupt, "restore it from a copy"),
        (sqlite3.SQLITE_NOTADB, TransportCorrupt, "restore it from a copy"),
        (sqlite3.SQLITE_ERROR, TransportCorrupt, "its tables are not those of a log"),
        (sqlite3.SQLITE_BUSY, TransportError, "end the program that holds"),
        (sqlite3.SQLITE_READONLY, TransportError, "check the rights"),
        (sqlite3.SQLITE_IOERR_FSYNC, TransportError, "check the disk"),
        (sqlite3.SQLITE_MISUSE, TransportError, "a fault of the program"),
    ],
)
def test_every_error_says_what_to_do(
    tmp_path: Path, code: int, expected: type[TransportError], advice: str
) -> None:
    """Else the operator reads "disk I/O error" and does not know of which file."""
    error = sqlite_errors.translate(failure(code), tmp_path / "log.db")
    assert type(error) is expected
    assert str(tmp_path / "log.db") in str(error)
    assert advice in str(error)
    assert "\n" not in str(error)


def test_a_failed_sync_leaves_the_outcome_open(tmp_path: Path) -> None:
    """Else a step is repeated that the log already holds: every event is answered twice."""
    path = tmp_path / "log.db"
    error = sqlite_errors.commit_failed(failure(sqlite3.SQLITE_IOERR_FSYNC), path)
    assert "whether the last transaction is written is unknown" in str(error)
    full = sqlite_errors.commit_failed(failure(sqlite3.SQLITE_FULL), path)
    assert type(full) is TransportFull
