"""Keeps every answer on disk from the moment it is acknowledged until it is in the log.

One SQLite file, one process: it is locked while it is open. An answer is written durably before the
browser hears that it is taken. What becomes of it:

| state      | means                                                              |
|------------|--------------------------------------------------------------------|
| written    | waits until it is due; undone now, it is taken back                 |
| sending    | on its way into the log; after a crash the log tells whether it came |
| published  | it is in the log                                                   |
| taken_back | undone before it was sent; it never will be                        |
| gold       | answers a question whose answer is known; stays here               |

Numbers ascend and are published in their order, so that one number, committed to the log with the
answers below it, tells what is there (`resolve`).

Bounded: besides what waits, the last `KEPT` answers, and the questions of everybody's last
`UNDOABLE`. Not safe between threads; `office` has the lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from stream_cl.serve.label.journal_file import JournalFile

WRITTEN, SENDING, PUBLISHED, TAKEN_BACK, GOLD = range(5)
STATES: Final = ("written", "sending", "published", "taken_back", "gold")
KEPT: Final = 100_000
UNDOABLE: Final = 10
"""Latest answers of a person that can be changed."""
_COLUMNS: Final = (
    "number, person, answer, id, request, expires_ms, revision, label, truth, guess, time_ms,"
    " state, question, log_ms, trace"
)


class Entry(NamedTuple):
    """One answer.

    person: who. answer: the name that the browser gave to it. revision: 0, and one more for each
    time that it was changed. label: None where the person does not know. truth: the known answer
    of a gold question. guess: what the model took the event for. question: the record, while the
    answer can be changed. trace: the question's `traceparent`.
    """

    number: int
    person: str
    answer: str
    id: str
    request: str
    expires_ms: int
    revision: int
    label: str | None
    truth: str | None
    guess: str | None
    time_ms: int
    state: int
    question: bytes | None
    log_ms: int
    trace: bytes | None = None


class Journal:
    """The file `path`, created where it is not there.

    Args:
        log: the name of the log that the answers are for.
        secret: `KEY_BYTES` random bytes, taken as the key of a new journal.

    Raises:
        UserError: another process has it, it is no journal, or one for another log.
        JournalFailed: it cannot be read or written.

    Every method raises JournalFailed.
    """

    def __init__(self, path: Path, log: str, secret: bytes) -> None:
        self.path = path
        self._file = JournalFile(path, log, secret)
        self.key = self._file.key

    @property
    def name(self) -> str:
        """Names this journal among all; no secret."""
        return blake2b(self.key, digest_size=8, person=b"journal name").hexdigest()

    def close(self) -> None:
        """Close the file and give it free."""
        self._file.close()

    def add(self, entry: Entry) -> Entry | None:
        """Write an answer durably, with the number that comes next; the entry as it stands. None
        where it was written before: by this name, or a newer one to the same question."""
        with self._file.writing() as file:
            if self.known(entry.person, entry.answer) is not None:
                return None
            newest = self.newest(entry.person, entry.request, entry.expires_ms)
            if newest is not None and newest.revision >= entry.revision:
                return None
            marks = ",".join("?" * (len(entry) - 1))
            done = file.execute(
                f"INSERT INTO answers ({_COLUMNS.removeprefix('number, ')}) VALUES ({marks})",
                entry[1:],
            )
            file.execute(
                "DELETE FROM leases WHERE request = ? AND person = ?",
                (entry.request, entry.person),
            )
            number = done.lastrowid
            assert number is not None
            self._forget(file, entry.person, number)
        return entry._replace(number=number)

    def _forget(self, file: sqlite3.Connection, person: str, number: int) -> None:
        """What is beyond the bounds."""
        beyond = file.execute(
            "SELECT number FROM answers WHERE person = ? AND question IS NOT NULL"
            " ORDER BY number DESC LIMIT -1 OFFSET ?",
            (person, 2 * UNDOABLE),
        ).fetchall()
        file.executemany("UPDATE answers SET question = NULL WHERE number = ?", beyond)
        if number % 1000 == 0:
            file.execute(
                "DELETE FROM answers WHERE number < ? AND state NOT IN (?, ?)",
                (number - KEPT, WRITTEN, SENDING),
            )

    def known(self, person: str, answer: str) -> Entry | None:
        """The answer that a browser gave this name."""
        return self._one("WHERE person = ? AND answer = ?", person, answer)

    def newest(self, person: str, request: str, expires_ms: int) -> Entry | None:
        """What a person said last of a question, taken back or not."""
        where = "WHERE person = ? AND request = ? AND expires_ms = ? ORDER BY revision DESC LIMIT 1"
        return self._one(where, person, request, expires_ms)

    def latest(self, person: str) -> list[Entry]:
        """The last answers of a person that can be changed, the newest first; of an answer that was
        changed only what it became."""
        rows = self._rows(
            "WHERE person = ? AND question IS NOT NULL ORDER BY number DESC LIMIT ?",
            person,
            2 * UNDOABLE,
        )
        found: dict[tuple[str, int], Entry] = {}
        for row in rows:
            found.setdefault((row.request, row.expires_ms), row)
        return [row for row in found.values() if row.state != TAKEN_BACK][:UNDOABLE]

    def all(self) -> Iterator[Entry]:
        """Every answer that is kept, in order, without its question."""
        columns = _COLUMNS.replace("question", "NULL")
        for row in self._file.query(f"SELECT {columns} FROM answers ORDER BY number"):
            yield Entry(*row)

    def take_back(self, number: int) -> bool:
        """Undo an answer that was not sent; False where it was."""
        with self._file.writing() as file:
            changed = file.execute(
                "UPDATE answers SET state = ? WHERE number = ? AND state IN (?, ?, ?)",
                (TAKEN_BACK, number, WRITTEN, GOLD, TAKEN_BACK),
            )
        return changed.rowcount == 1

    def to_send(self, written_until_ms: int, most: int) -> list[Entry]:
        """At most `most` answers that are due, in order; from now on they are being sent.

        Nothing is sent before what was written earlier, whatever the clock did meanwhile.
        """
        rows = self._rows("WHERE state = ? ORDER BY number LIMIT ?", WRITTEN, most)
        late = next((at for at, row in enumerate(rows) if row.time_ms > written_until_ms), None)
        due = rows[:late]
        if due:
            with self._file.writing() as file:
                file.execute(
                    "UPDATE answers SET state = ? WHERE state = ? AND number <= ?",
                    (SENDING, WRITTEN, due[-1].number),
                )
        return due

    def resolve(self, sent_before: int) -> None:
        """What was being sent and has a smaller number is in the log, the rest is not."""
        with self._file.writing() as file:
            file.execute(
                "UPDATE answers SET state = CASE WHEN number < ? THEN ? ELSE ? END WHERE state = ?",
                (sent_before, PUBLISHED, WRITTEN, SENDING),
            )

    def waiting(self) -> int:
        """Answers that are not in the log yet."""
        count: int = self._file.query(
            "SELECT count(*) FROM answers WHERE state IN (?, ?)", WRITTEN, SENDING
        )[0][0]
        return count

    def lease(self, person: str, requests: Iterable[str]) -> None:
        """Note who has which question."""
        with self._file.writing() as file:
            rows = [(request, person) for request in requests]
            file.executemany("INSERT OR IGNORE INTO leases VALUES (?, ?)", rows)

    def leases(self) -> dict[str, list[str]]:
        """Request → people who had it last."""
        found: dict[str, list[str]] = {}
        for request, person in self._file.query("SELECT request, person FROM leases"):
            found.setdefault(request, []).append(person)
        return found

    def keep_leases(self, requests: Iterable[str]) -> None:
        """Forget all leases but those of these requests."""
        kept = set(requests)
        gone = [(request,) for request in self.leases() if request not in kept]
        if gone:
            with self._file.writing() as file:
                file.executemany("DELETE FROM leases WHERE request = ?", gone)

    def classes(self) -> list[str]:
        """The classes seen, in the order of their keys."""
        return [name for (name,) in self._file.query("SELECT name FROM classes ORDER BY number")]

    def add_classes(self, names: Iterable[str]) -> None:
        with self._file.writing() as file:
            file.executemany(
                "INSERT OR IGNORE INTO classes (name) VALUES (?)", [(name,) for name in names]
            )

    def position(self) -> bytes:
        """Where reading begins after a restart, as it was kept; empty at first."""
        rows = self._file.query("SELECT value FROM meta WHERE name = 'position'")
        return bytes(rows[0][0]) if rows else b""

    def keep_position(self, value: bytes) -> None:
        with self._file.writing() as file:
            file.execute("INSERT OR REPLACE INTO meta VALUES ('position', ?)", (value,))

    def _one(self, where: str, *values: object) -> Entry | None:
        return next(iter(self._rows(where, *values)), None)

    def _rows(self, where: str, *values: object) -> list[Entry]:
        rows = self._file.query(f"SELECT {_COLUMNS} FROM answers {where}", *values)
        return [Entry(*row) for row in rows]


def state_name(state: int) -> str:
    """The state of an answer as people read it."""
    return STATES[state]
