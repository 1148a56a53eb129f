"""A label request as the labelling page takes it from its topic.

The topic is the pipeline's, but anybody may have written to it: what is no request is None here,
and counted by whoever reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeGuard

import orjson

from stream_cl.core.limits import ID_BYTES

_NAME_BYTES: Final = ID_BYTES + 32
"""An event's id, a slash and the attempt."""


@dataclass(frozen=True, slots=True)
class Question:
    """An open question.

    id: of the event. request: names the question. attempt: 1, or more where it was asked before.
    expires_ms: from then on an answer is late. priority: in [0, 1], larger first. guess: the most
    probable class, None where none is named. body: the record as it came. log_ms: when it was
    appended. trace: its header `traceparent`, which answers carry on.
    """

    id: str
    request: str
    attempt: int
    expires_ms: int
    priority: float
    guess: str | None
    body: bytes
    log_ms: int
    trace: bytes | None = None


class Withdrawn(NamedTuple):
    """Nobody need answer this request any more."""

    request: str


def parse(
    value: bytes | None, log_ms: int, trace: bytes | None = None
) -> Question | Withdrawn | None:
    """What a record of the topic says; None where it is no request."""
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    id_, request, status = fields.get("id"), fields.get("request"), fields.get("status")
    if not _is_name(id_) or not _is_name(request):
        return None
    if status == "withdrawn":
        return Withdrawn(request)
    expires_ms = _time_ms(fields.get("expires"))
    if status != "open" or expires_ms is None:
        return None
    attempt, priority = fields.get("attempt"), fields.get("priority")
    return Question(
        id=id_,
        request=request,
        attempt=attempt if type(attempt) is int else 1,
        expires_ms=expires_ms,
        priority=priority if type(priority) is float and 0 <= priority <= 1 else 0.5,
        guess=next(iter(candidates(fields)), None),
        body=value or b"",
        log_ms=log_ms,
        trace=trace,
    )


def candidates(fields: dict[str, Any]) -> list[str]:
    """The classes that a request names, most probable first."""
    named = fields.get("candidates")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _NAME_BYTES


def _time_ms(value: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
        return int(moment.timestamp() * 1000) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None
