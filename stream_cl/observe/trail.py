"""What a step did with the records that somebody traces (W3C Trace Context 2021)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from stream_cl.core.records import Headers

_SAMPLED: Final = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]")


class TracedRecord(NamedTuple):
    """A record whose `traceparent` says that it is sampled. id: of its event."""

    topic: str
    partition: int
    offset: int
    id: str
    headers: Headers


class TracedEvent(NamedTuple):
    """An event and what was made of it. request: of its label request, None where none was sent."""

    record: TracedRecord
    asked: bool
    propensity: float
    reason: str
    request: str | None


class TracedLabel(NamedTuple):
    """A label that was read. abstained: it says nothing."""

    record: TracedRecord
    annotator: str
    abstained: bool


class Trail(NamedTuple):
    """A step in which something was traced. Moments are epoch nanoseconds: it began, had scored,
    committed and learned."""

    step: int
    model: str
    began_ns: int
    scored_ns: int
    committed_ns: int
    learned_ns: int
    events: Sequence[TracedEvent]
    labels: Sequence[TracedLabel]
    predictions: str
    requests: str


def sampled(headers: Headers) -> bool:
    """Whether the record is part of a trace that is recorded."""
    return any(
        name == "traceparent" and _SAMPLED.fullmatch(value) is not None for name, value in headers
    )
