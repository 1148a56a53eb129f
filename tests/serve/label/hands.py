"""A labelling office in memory, over a log and a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from stream_cl.core.faults import Faults
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Outgoing
from stream_cl.core.topics import Topics
from stream_cl.serve.label.desk import Desk
from stream_cl.serve.label.form import Form, Manner
from stream_cl.serve.label.gold import Gold
from stream_cl.serve.label.intake import Intake, begin
from stream_cl.serve.label.journal import Journal
from stream_cl.serve.label.looks import Looks
from stream_cl.serve.label.office import Office
from stream_cl.serve.label.people import People
from stream_cl.serve.label.publisher import Publisher
from stream_cl.testing.clock import FakeClock
from stream_cl.transport.follow import Follower
from stream_cl.transport.sqlite import SqliteTransport
from tests.serve.label.questions import record

SECRET = b"k" * 32
TOPICS = Topics()
LEASE_S = 60.0
HOLD_MS = 3000
HELD_S = HOLD_MS / 1000 + 0.1


class Server:
    """What `stream-cl label` puts together, without HTTP. It dies by `die`, or by a fault."""

    def __init__(
        self, folder: Path, clock: FakeClock, faults: Faults | None = None, **more: Any
    ) -> None:
        tokens = {"anna": "a" * 16, "bob": "b" * 16, "carl": "c" * 16}
        overlap, gold = more.pop("overlap", 1), more.pop("gold", None)
        lease_s = more.setdefault("lease_s", LEASE_S)
        journal = folder / more.pop("journal", "journal.db")
        self.said: list[str] = []
        self.log: Transport = SqliteTransport(folder / "log.db", clock, faults)
        for name in (TOPICS.label_requests, TOPICS.labels):
            self.log.create_topic(name, 2)
        self.journal = Journal(journal, "log.db", SECRET)
        desk = Desk(clock, overlap, lease_s, self.journal.leases())
        form = Form(Manner(**more), self.journal, Looks())
        people = People(tokens, self.journal.key, clock)
        given = None if gold is None else Gold(gold, 0.5, 0)
        self.office = Office(self.journal, desk, people, clock, form, given)
        self.publisher = Publisher(
            self.office, self.log, clock, TOPICS.labels, "", HOLD_MS, self.said.append
        )
        names = [TOPICS.label_requests, TOPICS.labels]
        ends = {at: bounds.end for at, bounds in self.log.bounds(names).items()}
        where = begin(self.journal.position(), ends)
        requests, labels = (
            Follower(self.log, [name], {at: n for at, n in where.items() if at.topic == name})
            for name in names
        )
        self.intake = Intake(self.office, requests, labels, clock)
        self.read()

    def read(self) -> None:
        while self.intake.turn():
            pass

    def ask(self, *ids: str, **fields: Any) -> None:
        """The pipeline asks."""
        for id_ in ids:
            self.send(record(id_, **fields), id_)
        self.read()

    def send(self, value: bytes, id_: str = "", topic: str = TOPICS.label_requests) -> None:
        at = self.log.partition_for(topic, id_.encode())
        self.log.append([Outgoing(topic, at, [id_.encode()], [value])])

    def items(self, person: str, want: int = 3, have: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.office.sync(person, have, want)["items"]
        return found

    def answer(self, person: str, item: dict[str, Any], label: str | None, name: str = "") -> str:
        said = {"skip": True} if label is None else {"label": label}
        given = {"answer": name or f"{item['id']} {item['ticket'][-8:]}",
                 "ticket": item["ticket"], **said}  # fmt: skip
        (told,) = self.office.answer(person, [given])
        return str(told["state"])

    def labels(self) -> list[dict[str, Any]]:
        chunks = Follower(self.log, [TOPICS.labels]).poll()
        return [orjson.loads(value or b"") for chunk in chunks for value in chunk.values]

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """The journal cannot grow: as on a disk that is full."""
        file = self.journal._file._file
        most = file.execute("PRAGMA max_page_count").fetchone()[0]
        file.execute("PRAGMA max_page_count = 1")  # SQLite takes what the file has
        yield
        file.execute(f"PRAGMA max_page_count = {most}")

    def die(self) -> None:
        """Nothing is finished: what is in the files is all that is left."""
        self.journal.close()
        self.log.close()


@contextmanager
def server(
    folder: Path, clock: FakeClock, faults: Faults | None = None, **more: Any
) -> Iterator[Server]:
    made = Server(folder, clock, faults, **more)
    try:
        yield made
    finally:
        made.die()


def published(here: Server) -> dict[tuple[str, int], str]:
    """(id, revision) → label, as they stand in the log; each is there once."""
    found = {}
    for one in here.labels():
        key = one["id"], one.get("revision", 0)
        assert key not in found, "twice in the log"
        found[key] = one.get("label", "abstain")
    return found
