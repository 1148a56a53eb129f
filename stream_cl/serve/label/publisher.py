"""How answers get into the labels topic: each of them once, whatever dies in between.

Order of a turn, and what a crash between two numbers leaves:

1. The answers that are due are marked as being sent, in the journal: a restart asks the log (5).
2. One transaction of the log: the answers, and beside them the number of the next one, as the
   offset of a reader whose name is the journal's. `Writer.commit`
3. The journal notes that they are there. Before that a restart finds them marked as being sent, and
   the number in the log says that they are there.
4. After any error of 2 the writer is given up.
5. A new writer fences the one before, and what that left open is decided: then the number that
   stands in the log tells which answers are there. The others are sent again.

The writer's name is the same for every labelling server of a log, so a second one, with a journal
of its own, fences the first: that one stops. With `delivery: at_least_once` there are neither fence
nor transaction, and a crash can send answers twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import orjson

from stream_cl.core.clock import Clock
from stream_cl.core.errors import Fenced, StreamClError, TransportError
from stream_cl.core.protocols import Transport, Writer
from stream_cl.core.records import Outgoing, TopicPartition
from stream_cl.serve.label.journal import Entry
from stream_cl.serve.label.journal_file import JournalFailed
from stream_cl.serve.label.office import Office

NAME: Final = "label"
HEADER: Final = "label-journal"
"""Stands on every label from here, with the journal's name: so that we know our own."""
TRACE: Final = "traceparent"
MOST: Final = 500
RETRY_S: Final = 1.0


class Publisher:
    """Publishes what people have answered.

    Args:
        labels: the topic. prefix: of all topics, and so of the writer's name.
        hold_ms: answers wait so long.
        say: told when the log cannot be written, and when it can again.

    Raises:
        TransportError, JournalFailed: they cannot be written at the start.
    """

    def __init__(
        self,
        office: Office,
        log: Transport,
        clock: Clock,
        labels: str,
        prefix: str,
        hold_ms: int,
        say: Callable[[str], None],
    ) -> None:
        self.published = 0
        self.reachable = True
        self._office = office
        self._log = log
        self._clock = clock
        self._labels = labels
        self._name = f"{prefix}{NAME}"
        self._group = f"{prefix}{NAME}-{office.journal.name}"
        self._at = TopicPartition(labels, 0)
        self._hold_ms = hold_ms
        self._say = say
        self._retry_s = 0.0
        self._writer: Writer | None = self._open()

    def turn(self) -> int:
        """Publish what is due; how many that were. Where log or journal cannot be written it is
        tried again later.

        Raises:
            Fenced: another labelling server has taken over.
        """
        return self._publish(self._hold_ms)

    def flush(self) -> int:
        """Publish everything that is not yet, due or not; how many that were. As `turn`."""
        self._retry_s = 0.0
        total = 0
        while sent := self._publish(0):
            total += sent
        return total

    def _publish(self, hold_ms: int) -> int:
        if self._clock.monotonic_s() < self._retry_s:
            return 0
        try:
            if self._writer is None:
                self._writer = self._open()
            due = self._office.due(hold_ms, MOST)
            if not due:
                return 0
            after = due[-1].number + 1
            self._writer.commit(self._batches(due), self._group, {self._at: after})
            self._office.resolve(after)
        except Fenced:
            raise
        except (TransportError, JournalFailed) as error:
            self._failed(error)
            return 0
        self.published += len(due)
        if not self.reachable:
            self.reachable = True
            self._say("answers are published again")
        return len(due)

    def _open(self) -> Writer:
        """Become the writer, and find out what is in the log."""
        writer = self._log.writer(self._name)
        self._office.resolve(self._log.group_offsets(self._group).get(self._at, 0))
        return writer

    def _failed(self, error: StreamClError) -> None:
        self._writer = None
        self._retry_s = self._clock.monotonic_s() + RETRY_S
        if self.reachable:
            self.reachable = False
            self._say(f"answers cannot be published: {error}; they wait in the journal")

    def _batches(self, due: Sequence[Entry]) -> list[Outgoing]:
        header = ((HEADER, self._office.journal.name.encode()),)
        parts: dict[int, list[Entry]] = {}
        for entry in due:
            at = self._log.partition_for(self._labels, entry.id.encode())
            parts.setdefault(at, []).append(entry)
        return [
            Outgoing(
                self._labels,
                at,
                keys=[entry.id.encode() for entry in part],
                values=[record(entry) for entry in part],
                common=header,
                each={TRACE: [entry.trace for entry in part]},
            )
            for at, part in parts.items()
        ]


def record(entry: Entry) -> bytes:
    """An answer as a record of the labels topic."""
    said = {"abstain": True} if entry.label is None else {"label": entry.label}
    revision = {"revision": entry.revision} if entry.revision else {}
    return orjson.dumps(
        {
            "v": 1,
            "id": entry.id,
            **said,
            "annotator": entry.person,
            "request": entry.request,
            **revision,
            "time": entry.time_ms,
        }
    )
