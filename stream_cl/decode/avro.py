"""Avro with schema ids, beside JSON.

Confluent's wire format ("Formats, Serializers, and Deserializers"): a byte 0, the schema's id
as four bytes, big-endian, then one value in Avro's binary encoding. A record whose first byte
is another is JSON where it looks like an object, so a topic may go over from one to the other.

What Avro says is written as the JSON that would say the same, and that is decoded: each rule
about fields, sizes and CloudEvents (binary, with the attributes in headers) holds here too,
to the letter. About 8 µs for a record of ten numbers, of which fastavro takes 3.

What has no place in JSON: an id of type int or long becomes its decimal text; a decimal the
nearest number; a timestamp of any precision epoch milliseconds; a date days since 1970-01-01, a
time of day and a time without a zone milliseconds, none of which can be an event's time; an
enum or uuid text. Bytes and nested values are refused as features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from typing import Any, Final, Protocol

import orjson
from fastavro import schemaless_reader

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import RECORD_BYTES
from stream_cl.core.records import DeadLetter, Events, Headers, Label, RawRecords
from stream_cl.decode.avro_schema import WHOLE, NoMoment
from stream_cl.decode.fields import dead_letter, shown
from stream_cl.decode.json_events import decode_events
from stream_cl.decode.json_labels import decode_labels
from stream_cl.decode.registry import unknown_schema

HEADER_BYTES: Final = 5
_JSON_STARTS: Final = b"{ \t\r\n"
_LABEL_FIELDS: Final = (
    *("v", "id", "label", "abstain", "annotator", "revision", "request", "cost", "time"),
)
_NUMBERS: Final = {int, float, bool}
Document = dict[str, Any]


class Schemas(Protocol):
    """What gives schemas by id, parsed by `avro_schema.parse`; mostly a `SchemaCache`."""

    def get(self, id_: int) -> Any:
        """The schema `id_`.

        Raises:
            Rejected: `unknown_schema` or `bad_schema`.
            TransportError: nobody knows now; the same question may be answered later.
        """
        ...


@dataclass(slots=True)
class _Plain:
    """Records that are JSON now, where each stood, and what was written for it, if it was."""

    raw: RawRecords
    rows: list[int]
    documents: list[Document | None]
    dead: dict[int, DeadLetter]


class AvroDecoder:
    """Events and labels in Avro or JSON, record by record.

    An event is a record with the fields `id` and `time`, named as below, `features` (a record
    or a map) or `vector` (an array), and optionally `label`. A label has the fields that it
    has in JSON.

    Args:
        schemas: where they are had.
        id_field: the field that holds the event's id.
        time_field: the field that holds its time.
        label_field: the field that holds its label, if it is known; None where none does.
        features_field: the field that holds its features; None where all other fields are
            features.
    """

    def __init__(
        self,
        schemas: Schemas,
        id_field: str = "id",
        time_field: str = "time",
        label_field: str | None = "label",
        features_field: str | None = "features",
    ) -> None:
        self._schemas = schemas
        self._id = id_field
        self._time = time_field
        self._label = label_field
        self._features = features_field

    def events(
        self, raw: RawRecords, unknown: frozenset[int] | None = None
    ) -> tuple[Events, list[DeadLetter]]:
        """The events among the records of a step; see `Decoder.events`."""
        plain = self._plain(raw, self._event, unknown)
        events, letters = decode_events(plain.raw)
        for i, row in enumerate(events.rows):
            document, names = plain.documents[row], events.features[i]
            if document is not None and type(names) is tuple:
                # The record itself cannot be read again as JSON for what the names stand for.
                features = document["features"]
                if names != tuple(features):
                    features = {name: features[name] for name in names}
                events.features[i] = features
            events.rows[i] = plain.rows[row]
        return events, _letters(raw, plain, letters)

    def labels(
        self, raw: RawRecords, unknown: frozenset[int] | None = None
    ) -> tuple[list[Label], list[DeadLetter]]:
        """The labels among the records of a step; see `Decoder.events`."""
        plain = self._plain(raw, _answer, unknown)
        labels, letters = decode_labels(plain.raw)
        for label in labels:
            label.row = plain.rows[label.row]
        return labels, _letters(raw, plain, letters)

    def _plain(
        self,
        raw: RawRecords,
        written: Callable[[Document], Document],
        unknown: frozenset[int] | None,
    ) -> _Plain:
        """The records as JSON, `written` from what is Avro; dead letters of what is neither."""
        plain = _Plain(RawRecords(raw.topic, [], [], [], [], []), [], [], {})
        for row, (value, headers) in enumerate(zip(raw.values, raw.headers, strict=True)):
            document = None
            if value and value[0] not in _JSON_STARTS:
                try:
                    document = written(self._record(value, unknown))
                    value = _json(document)  # noqa: PLW2901  from here on it is JSON
                except Rejected as rejected:
                    plain.dead[row] = dead_letter(raw, row, rejected)
                    continue
                headers = _without_type(headers) if headers else ()  # noqa: PLW2901
            plain.rows.append(row)
            plain.documents.append(document)
            plain.raw.partitions.append(raw.partitions[row])
            plain.raw.offsets.append(raw.offsets[row])
            plain.raw.keys.append(raw.keys[row])
            plain.raw.values.append(value)
            plain.raw.headers.append(headers)
        return plain

    def _record(self, value: bytes, unknown: frozenset[int] | None) -> Document:
        """The record in a value.

        Raises:
            Rejected: `bad_avro`, `too_large`, `bad_value`, or what is wrong with its schema.
        """
        if value[0] != 0:
            reason = f"it begins with byte {value[0]:#04x}, and neither Avro (0) nor JSON does"
            raise Rejected("bad_avro", reason)
        if len(value) <= HEADER_BYTES:
            raise Rejected("bad_avro", f"{len(value)} bytes are a header without a value")
        if len(value) > RECORD_BYTES:
            raise Rejected("too_large", f"{len(value)} bytes are more than {RECORD_BYTES}")
        id_ = int.from_bytes(value[1:HEADER_BYTES], "big")
        if unknown is not None and id_ in unknown:
            raise unknown_schema(id_)
        schema = self._schemas.get(id_)
        body = BytesIO(value)
        body.seek(HEADER_BYTES)
        try:
            record = schemaless_reader(body, schema, None)[WHOLE]  # type: ignore[index,call-overload]
        except (Rejected, MemoryError):
            raise
        except Exception as error:  # bytes that are no such value raise whatever they lead to
            problem = f"{type(error).__name__}: {shown(str(error))}"
            raise Rejected("bad_avro", f"not what schema {id_} says: {problem}") from None
        if body.tell() != len(value):
            rest = len(value) - body.tell()
            raise Rejected("bad_avro", f"{rest} bytes more than schema {id_} says")
        if type(record) is not dict:
            raise Rejected("bad_schema", f"schema {id_} is of {shown(record)}, not of a record")
        return record

    def _event(self, record: Document) -> Document:
        # What is not there is left out: the short way of JSON takes what holds nothing unusual.
        document: Document = {}
        if self._features is not None and record.get("v") is not None:
            document["v"] = _scalar("v", record["v"], "bad_version")
        document["id"] = _id(record.get(self._id))
        document["time"] = _moment(record.get(self._time))
        if self._label is not None and record.get(self._label) is not None:
            document["label"] = _scalar("label", record[self._label], "bad_label")
        if self._features is None:
            own = (self._id, self._time, self._label)
            features: Any = {name: value for name, value in record.items() if name not in own}
        else:
            features = record.get(self._features)
        if type(features) is dict:
            document["features"] = _checked(features)
        elif features is not None:
            reason = f"`{self._features}` is {shown(features)}, not a record or a map"
            raise Rejected("bad_features", reason)
        vector = record.get("vector") if self._features is not None else None
        if vector is not None:
            document["vector"] = _vector(vector)
        return document


def _answer(record: Document) -> Document:
    """A label's fields, as they are."""
    document = {name: record.get(name) for name in _LABEL_FIELDS}
    document["id"] = _id(document["id"])
    if document["time"] is not None:
        document["time"] = _moment(document["time"])
    for name in _LABEL_FIELDS:
        document[name] = _scalar(name, document[name], "bad_label")
    return document


def _id(value: Any) -> Any:
    return str(value) if type(value) is int else _scalar("id", value, "bad_id")


def _moment(value: Any) -> Any:
    if type(value) is NoMoment:
        raise Rejected("bad_time", f"`time` is {value.kind}; give a timestamp or RFC 3339")
    return _scalar("time", value, "bad_time")


def _checked(features: Document) -> Document:
    kinds = set(map(type, features.values()))
    if kinds <= _NUMBERS:  # mostly; one by one they take longer than to be decoded
        try:
            if all(map(isfinite, features.values())):
                return features
        except OverflowError:
            pass
    return {name: _scalar(name, value, "bad_value") for name, value in features.items()}


def _scalar(name: str, value: Any, code: str) -> Any:
    """A value that JSON has too.

    Raises:
        Rejected: with `code`, for a number that is none, for bytes and for nested values.
    """
    kind = type(value)
    if kind is float:
        if not isfinite(value):
            raise Rejected(code, f"{shown(name)} is {value}, not a number")
        return value
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is NoMoment:
        return value.number
    problem = f"{len(value)} bytes" if kind is bytes else shown(value)
    raise Rejected(code, f"{shown(name)} is {problem}; give a number, a text or a boolean")


def _json(document: Document) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:  # without its compiled half fastavro reads any integer
        raise Rejected("bad_value", f"the record is too large for JSON: {error}") from None


def _vector(vector: Any) -> list[Any]:
    if type(vector) is not list:
        raise Rejected("bad_vector", f"`vector` is {shown(vector)}, not an array")
    return [_scalar(f"vector[{i}]", value, "bad_vector") for i, value in enumerate(vector)]


def _without_type(headers: Headers) -> Headers:
    """A content type speaks of the bytes as they came, which are JSON now; one of CloudEvents
    says that the whole envelope is in them, which JSON alone may be."""
    return tuple(
        (name, body)
        for name, body in headers
        if name.lower() != "content-type" or body.lower().startswith(b"application/cloudevents")
    )


def _letters(raw: RawRecords, plain: _Plain, letters: list[DeadLetter]) -> list[DeadLetter]:
    """All dead letters in the order of the records, with the bytes as they came."""
    dead = plain.dead
    if letters:
        places = zip(raw.partitions, raw.offsets, strict=True)
        row_of = {place: row for row, place in enumerate(places)}
        for letter in letters:
            row = row_of[letter.source.partition, letter.source.offset]
            dead[row] = letter._replace(value=raw.values[row])
    return [dead[row] for row in sorted(dead)]
