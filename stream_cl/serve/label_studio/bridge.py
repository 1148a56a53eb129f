"""Carries label requests into Label Studio and answers into the log, exactly once each.

The order of a round, and what a crash between two numbers means:

1. ask what changed since the cursor      nothing happened
2. append new answers to the log          the ledger is read back from the topic: they are known
3. read requests, those that are there already left out
                                          nothing happened
4. delete tasks that were withdrawn       the next round finds them gone
5. import tasks                           the next start looks for each request before it imports it
6. commit the reading position            the next round goes on behind it

So an answer is appended once, whether a webhook, the clock or a restart brought it; a task is made
once, unless somebody deletes it. One bridge per project: a second one would do all of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import orjson

from stream_cl.core.errors import UserError
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Chunk, Headers, Outgoing, TopicPartition
from stream_cl.serve.label_studio.client import PAGE_TASKS, LabelStudioClient, Task
from stream_cl.serve.label_studio.ledger import TRACE, Ledger
from stream_cl.serve.label_studio.tasks import Answer, Control, Request, answers_of, task_of

AT_ONCE: Final = 50
"""Requests of a partition that one round takes: what may have been imported and not committed."""
OVERLAP: Final = timedelta(seconds=30)
"""A change may become visible so long after its time; what was seen already is known."""
PAGE_MAX: Final = 5000
"""Tasks asked for at once where a page of them was changed in the same moment."""


class Reader(Protocol):
    """Follows a topic (`transport.follow.Follower`)."""

    positions: dict[TopicPartition, int]

    def poll(self, max_records: int = ...) -> list[Chunk]: ...


class Bridge:
    """Call `take_answers` and `take_requests`, in this order, again and again.

    Args:
        client: Label Studio.
        project: number of the project.
        control: its Choices tag.
        log: where requests and answers are.
        labels: the topic of the answers.
        requests: follows the topic of the requests, from what `group` has committed.
        group: who commits.
        ledger: what was published before; `read_back` has filled it.
        people: email → annotator.
        predictions: whether tasks carry what the model takes them for.
    """

    def __init__(
        self,
        client: LabelStudioClient,
        project: int,
        control: Control,
        log: Transport,
        labels: str,
        requests: Reader,
        group: str,
        ledger: Ledger,
        people: dict[str, str],
        predictions: bool,
    ) -> None:
        self.sent = self.withdrawn = self.published = 0
        self._client = client
        self._project = project
        self._control = control
        self._log = log
        self._labels = labels
        self._requests = requests
        self._group = group
        self._ledger = ledger
        self._people = people
        self._predictions = predictions
        self._cursor = ledger.cursor
        self._emails: dict[int, str] = {}
        self._certain: set[TopicPartition] = set()

    def take_answers(self) -> int:
        """Append what people have answered since; how many answers.

        Raises:
            Unreachable: Label Studio does not answer. What was not done is done next time.
            TransportError: the log does not answer. Whether the answers are in it the topic alone
                can say: make another bridge.
        """
        before, size = self.published, PAGE_TASKS
        since = _earlier(self._cursor)
        while True:
            tasks = self._client.changed(self._project, since, size)
            self._publish(tasks)
            if not tasks:
                break
            last = _moment(str(tasks[-1]["updated_at"]))
            self._cursor = max(self._cursor, last)
            if len(tasks) < size:
                break
            if last <= since and size == PAGE_MAX:
                raise UserError(
                    f"label_studio.project: more than {PAGE_MAX} tasks of project {self._project} "
                    f"were changed at {last}; give the bridge a project of its own"
                )
            size = PAGE_TASKS if last > since else min(2 * size, PAGE_MAX)
            since = last
        return self.published - before

    def take_requests(self) -> int:
        """Make tasks of new requests, and delete those that were withdrawn; how many records of
        the topic were read.

        Raises:
            Unreachable, TransportError: as `take_answers`; the same requests are taken next time.
        """
        taken = 0
        while moved := self._take_some():
            taken += moved
        return taken

    def _publish(self, tasks: Sequence[Task]) -> None:
        pairs: list[tuple[Answer, str]] = []
        for task in tasks:
            for answer in answers_of(task, self._control):
                pairs.append((answer, self._annotator(answer.user)))
        made = self._ledger.records(pairs, self._cursor)
        if not made:
            return
        self._log.append(self._batches(made))
        self.published += len(made)

    def _batches(self, made: Sequence[tuple[bytes, bytes, Headers]]) -> list[Outgoing]:
        batches: dict[int, tuple[list[bytes | None], list[bytes], list[Headers]]] = {}
        for key, value, headers in made:
            at = self._log.partition_for(self._labels, key)
            keys, values, each = batches.setdefault(at, ([], [], []))
            keys.append(key)
            values.append(value)
            each.append(headers)
        return [
            Outgoing(self._labels, at, keys, values, each=_columns(each))
            for at, (keys, values, each) in batches.items()
        ]

    def _annotator(self, user: int) -> str:
        if user not in self._emails:
            self._emails = self._client.people()
            self._emails.setdefault(user, "")
        return self._people.get(self._emails[user], f"label-studio-{user}")

    def _take_some(self) -> int:
        before = dict(self._requests.positions)
        chunks = self._requests.poll(AT_ONCE)
        fresh = {TopicPartition(chunk.topic, chunk.partition) for chunk in chunks}
        try:
            if chunks:
                self._carry([one for chunk in chunks for one in requests_of(chunk)],
                            bool(fresh - self._certain))  # fmt: skip
                self._log.append_and_commit([], self._group, self._requests.positions)
        except BaseException:
            # An answer that did not come says nothing of what was imported.
            self._requests.positions = before
            self._certain -= fresh
            raise
        self._certain |= fresh
        return sum(len(chunk) for chunk in chunks)

    def _carry(self, requests: Sequence[Request], look: bool) -> None:
        """Import and delete; with `look` only what is not there yet, as after a crash."""
        found = {request.request: request for request in requests}
        opened = [request for request in found.values() if request.open]
        closed = [name for name, request in found.items() if not request.open]
        known = self._client.find(self._project, closed)
        self._delete([int(task["id"]) for task in known if not _answered(task)])
        if look:
            there = self._client.find(self._project, [request.request for request in opened])
            names = {task["data"].get("request") for task in there}
            opened = [request for request in opened if request.request not in names]
        if opened:
            tasks = [task_of(request, self._control, self._predictions) for request in opened]
            self._client.add(self._project, tasks)
            self.sent += len(opened)

    def _delete(self, tasks: Sequence[int]) -> None:
        if tasks:
            self._client.delete(self._project, tasks)
            self.withdrawn += len(tasks)


def requests_of(chunk: Chunk) -> list[Request]:
    """The requests in a chunk of their topic; what is none is passed over."""
    found = []
    for value, headers in zip(chunk.values, chunk.headers, strict=True):
        try:
            document = orjson.loads(value or b"null")
        except orjson.JSONDecodeError:
            continue
        if not isinstance(document, dict):
            continue
        id_, request, status = (document.get(name) for name in ("id", "request", "status"))
        if isinstance(id_, str) and isinstance(request, str) and status in ("open", "withdrawn"):
            trace = dict(headers).get(TRACE)
            text = None if trace is None else trace.decode("ascii", "replace")
            found.append(Request(id_, request, status == "open", document, text))
    return found


def read_back(reader: Reader, ledger: Ledger) -> None:
    """Fill the ledger from the labels topic."""
    while chunks := reader.poll(2000):
        for chunk in chunks:
            for value, headers in zip(chunk.values, chunk.headers, strict=True):
                if headers:
                    ledger.note(value, headers)


def _answered(task: Task) -> bool:
    return bool(task.get("total_annotations") or task.get("cancelled_annotations"))


def _moment(text: str) -> str:
    """RFC 3339 with all digits, so that texts compare as the moments do."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _earlier(cursor: str) -> str:
    """A little before the cursor."""
    if not cursor:
        return ""
    return _moment((datetime.fromisoformat(cursor) - OVERLAP).isoformat())


def _columns(each: Sequence[Headers]) -> dict[str, list[bytes | None]]:
    """Headers of records as columns by name."""
    names = dict.fromkeys(name for headers in each for name, _ in headers)
    return {name: [dict(headers).get(name) for headers in each] for name in names}
