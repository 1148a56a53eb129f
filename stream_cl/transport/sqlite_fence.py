"""Epochs of the embedded log: of all writers of a name only the latest may commit."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from stream_cl.core.errors import Fenced


class Fence(NamedTuple):
    """A writer's name and the epoch that it holds: 1 for the first, one more for each later."""

    name: str
    epoch: int

    @classmethod
    def take(cls, connection: sqlite3.Connection, name: str) -> Fence:
        """The next epoch, taken inside the caller's transaction."""
        connection.execute(
            "INSERT INTO writers VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1",
            (name,),
        )
        return cls(name, _current(connection, name))

    def check(self, connection: sqlite3.Connection, path: Path) -> None:
        """Inside the caller's transaction, so that nobody can take the next epoch meanwhile.

        Raises:
            Fenced: another writer of this name has started since.
        """
        current = _current(connection, self.name)
        if current != self.epoch:
            raise Fenced(
                f"writer {self.name} of {path} has epoch {self.epoch}, but epoch {current} has"
                " started: another process has taken over, this one must stop"
            )


def _current(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT epoch FROM writers WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0
