"""What `stream-cl doctor` looks at when the log is a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from stream_cl.cli.doctor_checks import Finding, disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stream_cl.config import Config

WAIT_S: Final = 5.0
"""Seconds to wait for the write lock, which a step holds for milliseconds."""


def examine(config: Config, path: Path) -> Iterator[Finding]:
    """Disk and locks; a fault of the last one means that the log must not be opened."""
    file = config.log_file
    yield from disk("log", file.parent)
    if not file.exists():
        yield Finding("warning", f"{file} is not there yet", f"stream-cl run {path}", stops=True)
        return
    yield _locks(file)


def _locks(file: Path) -> Finding:
    """Whether one connection's lock keeps another one out, as SQLite needs it."""
    with (
        closing(sqlite3.connect(file, timeout=WAIT_S, isolation_level=None)) as one,
        closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as two,
    ):
        try:
            one.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return Finding(
                "fault",
                f"{file}: not writable within {WAIT_S:g} s ({error})",
                f"fuser {file}   # which process holds it",
            )
        except sqlite3.DatabaseError as error:
            return Finding("fault", f"{file}: {error}", "restore the log from a backup")
        try:
            two.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            one.execute("ROLLBACK")
            return Finding("ok", f"locks work on {file} (SQLite {sqlite3.sqlite_version})")
    return Finding(
        "fault",
        f"{file}: two processes could write at once; its file system has no locks (NFS?)",
        "move the log to a local disk",
    )
