"""Reads requests, and the labels of others, from the log.

The place where reading begins after a restart is kept in the journal: before the oldest request
that is open, and before every label that may have come since that request. What is read a second
time is known by then from the journal, or is what it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

from stream_cl.core.clock import Clock
from stream_cl.core.errors import UserError
from stream_cl.core.records import Chunk, Headers, TopicPartition
from stream_cl.serve.label.office import Heard, Office
from stream_cl.serve.label.publisher import HEADER, TRACE
from stream_cl.serve.label.question import Question, Withdrawn, parse

KEEP_S: Final = 5.0
TRACE_BYTES: Final = 256
"""Longest `traceparent` that answers carry on; the standard's have 55."""
Positions = dict[TopicPartition, int]


class Reader(Protocol):
    """Reads topics on and on (`transport.follow.Follower`)."""

    positions: Positions

    def poll(self, max_records: int = ...) -> list[Chunk]: ...


class Intake:
    """Brings what is new in the log to the office.

    Args:
        requests, labels: one reader each, that begins at `begin(journal)`.
    """

    def __init__(self, office: Office, requests: Reader, labels: Reader, clock: Clock) -> None:
        self.unreadable = 0
        self._office = office
        self._requests = requests
        self._labels = labels
        self._clock = clock
        self._own = office.journal.name.encode()
        self._since: dict[str, tuple[TopicPartition, int, Positions]] = {}
        self._keep_s = 0.0

    def turn(self) -> int:
        """Take in what has come; how many records that were.

        Raises:
            TransportError: the log cannot be read.
            JournalFailed: the journal cannot be written.
        """
        read = 0
        if not self._office.is_full:
            before = dict(self._labels.positions)
            for chunk in self._requests.poll():
                self._office.take(self._asked(chunk, before))
                read += len(chunk)
        for chunk in self._labels.poll():
            self._office.take(self._heard(chunk))
            read += len(chunk)
        now_s = self._clock.monotonic_s()
        if now_s >= self._keep_s:
            self._keep_s = now_s + KEEP_S
            self._office.keep(self._place())
        return read

    def _asked(self, chunk: Chunk, labels: Positions) -> list[Question | Withdrawn | Heard]:
        at = TopicPartition(chunk.topic, chunk.partition)
        found: list[Question | Withdrawn | Heard] = []
        for offset, log_ms, value, headers in zip(
            chunk.offsets, chunk.timestamps_ms, chunk.values, chunk.headers, strict=True
        ):
            one = parse(value, log_ms, _trace(headers))
            if one is None:
                self.unreadable += 1
                continue
            if isinstance(one, Question):
                self._since[one.request] = (at, offset, labels)
            found.append(one)
        return found

    def _heard(self, chunk: Chunk) -> list[Question | Withdrawn | Heard]:
        columns = zip(chunk.timestamps_ms, chunk.values, chunk.headers, strict=True)
        heard = (
            heard_of(value, log_ms)
            for log_ms, value, headers in columns
            if (HEADER, self._own) not in headers
        )
        return [one for one in heard if one is not None]

    def _place(self) -> bytes:
        """Where a restart must begin."""
        self._since = {name: at for name, at in self._since.items() if self._office.is_open(name)}
        safe = {**self._requests.positions, **self._labels.positions}
        for at, offset, labels in self._since.values():
            for place, position in {**labels, at: offset}.items():
                safe[place] = min(safe[place], position)
            for place in self._labels.positions.keys() - labels.keys():
                safe[place] = 0  # nothing of it had been read yet
        return orjson.dumps([[*place, position] for place, position in sorted(safe.items())])


def begin(position: bytes, ends: Mapping[TopicPartition, int]) -> Positions:
    """Where the readers begin.

    Args:
        position: what the journal has.
        ends: of the topics' partitions.

    Raises:
        UserError: the journal has read further than the log goes: it belongs to another log.
    """
    kept: Sequence[Any] = orjson.loads(position or b"[]")
    positions = {TopicPartition(topic, partition): at for topic, partition, at in kept}
    for place, at in positions.items():
        if place in ends and at > ends[place]:
            raise UserError(
                f"label.journal: it has read {place.topic} up to {at}, and the log ends at "
                f"{ends[place]}: the journal belongs to another log, or this one was made anew; "
                "name another file"
            )
    return {place: at for place, at in positions.items() if place in ends}


def _trace(headers: Headers) -> bytes | None:
    trace = dict(headers).get(TRACE)
    return trace if trace and len(trace) <= TRACE_BYTES else None


def heard_of(value: bytes | None, log_ms: int) -> Heard | None:
    """A label as the pipeline would read it, as far as it matters here; None for what is none."""
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None  # Avro, or nothing that the pipeline can read either
    if not isinstance(fields, dict):
        return None
    id_, request, annotator = fields.get("id"), fields.get("request"), fields.get("annotator")
    label = fields.get("label")
    if not isinstance(id_, str) or (label is None and fields.get("abstain") is not True):
        return None
    if label is not None and not isinstance(label, str):
        label = orjson.dumps(label).decode()
    return Heard(
        id_,
        request if isinstance(request, str) else None,
        annotator if isinstance(annotator, str) else "",
        label,
        log_ms,
    )
