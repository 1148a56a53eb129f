"""What SQLite's errors mean for whoever runs the program."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Final

from stream_cl.core.errors import TransportCorrupt, TransportError, TransportFull

_PRIMARY_CODE: Final = 0xFF
_NO_ROOM_BYTES: Final = 1 << 20

SQLITE_FAILURES: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a statement may raise; the second when the damage is in the text of a message."""


def translate(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> TransportError:
    """The error to raise: what was wrong, with which file, what to do; one line."""
    if isinstance(error, UnicodeDecodeError):
        return corrupt(path, "a text in it is not UTF-8")
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return full(path)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN if _no_room(path):
            # SQLite has no other word for shared memory that cannot be made longer.
            return full(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return corrupt(path, str(error))
        case sqlite3.SQLITE_ERROR if isinstance(error, sqlite3.OperationalError):
            # Our statements are fixed, so what does not fit them is the schema.
            return corrupt(path, f"its tables are not those of a log ({error})")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            advice = "it stays locked: end the program that holds a transaction on it"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            advice = "check the rights on it and on its folder"
        case sqlite3.SQLITE_IOERR:
            advice = "check the disk, its quota and the system's messages"
        case _:
            advice = "this is a fault of the program"
    return TransportError(f"{path} cannot be read or written ({error}, {_name(error)}): {advice}")


def commit_failed(error: sqlite3.Error, path: Path) -> TransportError:
    """The error to raise for a failed COMMIT.

    A full disk or a lock stops it before its last page is written. After any other error,
    of a sync above all, it may be found as committed when the file is opened anew.
    """
    if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
        return translate(error, path)
    return TransportError(
        f"{path}: whether the last transaction is written is unknown ({error}, {_name(error)}):"
        " start again, what then stands in the log counts"
    )


def corrupt(path: Path, what: str) -> TransportCorrupt:
    """The file is damaged."""
    return TransportCorrupt(
        f"{path} is damaged: {what}; restore it from a copy, or move it away and start anew"
    )


def full(path: Path) -> TransportFull:
    """No room is left."""
    return TransportFull(
        f"no room is left for {path}, and nothing of the transaction was written: free some"
        " space or shorten the retention of a topic, then start again"
    )


def _no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _NO_ROOM_BYTES
    except OSError:
        return False


def _code(error: sqlite3.Error) -> int:
    # Errors of the Python module itself have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "no code")
