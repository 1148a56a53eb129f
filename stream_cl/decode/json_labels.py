"""Labels from bytes: JSON, and CloudEvents that carry it.

The record's key is not read: a log that was repartitioned or rewritten by another tool may
have lost it, so the id stands in the value and a label without one is refused.
"""

from __future__ import annotations

from typing import Any, Final

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import ANNOTATOR_BYTES, FEATURE_ABS_MAX, ID_BYTES
from stream_cl.core.records import DeadLetter, Headers, Label, RawRecords
from stream_cl.decode.cloudevents import open_record, open_structured
from stream_cl.decode.fields import (
    check_version,
    dead_letter,
    label_text,
    parse_object,
    short_text,
    shown,
)
from stream_cl.decode.times import parse_time

REVISION_MAX: Final = 2**63 - 1
"""Revisions are kept in 64 bits."""


def decode_labels(raw: RawRecords) -> tuple[list[Label], list[DeadLetter]]:
    """The labels among the records of a step, and a dead letter for each of the others.

    Never raises for what a record holds. About 2 µs a label.
    """
    labels: list[Label] = []
    dead: list[DeadLetter] = []
    for row, (value, headers) in enumerate(zip(raw.values, raw.headers, strict=True)):
        try:
            labels.append(_label(row, value, headers))
        except Rejected as rejected:
            dead.append(dead_letter(raw, row, rejected))
    return labels, dead


def _label(row: int, value: bytes | None, headers: Headers) -> Label:
    envelope = open_record(headers, value) if headers else None
    if envelope is None:
        document = parse_object(value)
        if "specversion" in document and "label" not in document and "abstain" not in document:
            envelope = open_structured(document)
    if envelope is not None:
        # The envelope's id is that of the message, not of the event that it answers for.
        document = envelope.data
        if document.get("time") is None:
            document["time"] = envelope.time
    check_version(document)
    id_ = short_text(document.get("id"), "bad_id", "id")
    annotator = document.get("annotator")
    request, time = document.get("request"), document.get("time")
    return Label(
        row=row,
        id=id_,
        label=_answer(document),
        annotator=_annotator(annotator) if annotator is not None else "",
        revision=_revision(document.get("revision")),
        request=None
        if request is None
        else short_text(request, "bad_request", "request", ID_BYTES),
        cost=_cost(document.get("cost")),
        time_ms=None if time is None else parse_time(time),
    )


def _answer(document: dict[str, Any]) -> str | None:
    abstain = document.get("abstain")
    if abstain is not None and type(abstain) is not bool:
        raise Rejected("bad_label", f"`abstain` is {shown(abstain)}, not true or false")
    return None if abstain else label_text(document.get("label"))


def _annotator(value: Any) -> str:
    # The empty text is what an annotator without a name has anyway.
    return "" if value == "" else short_text(value, "bad_annotator", "annotator", ANNOTATOR_BYTES)


def _revision(value: Any) -> int:
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= REVISION_MAX:
        raise Rejected("bad_revision", f"`revision` is {shown(value)}, not a whole number from 0")
    return value


def _cost(value: Any) -> float | None:
    if value is None:
        return None
    if (type(value) is not int and type(value) is not float) or not 0 <= value <= FEATURE_ABS_MAX:
        raise Rejected("bad_cost", f"`cost` is {shown(value)}, not a number from 0")
    return float(value)
