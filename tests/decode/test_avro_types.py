"""What each type of Avro becomes, and which are refused as a feature or a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from stream_cl.core.records import Events
from stream_cl.decode.avro import AvroDecoder
from stream_cl.testing.decoder_contract import records
from tests.decode.avro_values import EVENT, MILLIS, Schemas, framed, record_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = 1_772_366_400_000


def taken(schema: Any, value: Any, **settings: Any) -> Events:
    decoder = AvroDecoder(Schemas(s7=schema), **settings)
    events, dead = decoder.events(records([framed(7, schema, value)]))
    assert not dead, dead
    return events


def refused(schema: Any, value: Any) -> str:
    _, (letter,) = AvroDecoder(Schemas(s7=schema)).events(records([framed(7, schema, value)]))
    return letter.code


def _logical(kind: str, logical: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical, **more}


FIXED = {"name": "F", "size": 16}
FEATURES: list[tuple[Any, Any, Any]] = [
    (_logical("bytes", "decimal", precision=9, scale=2), Decimal("-129.90"), -129.9),
    (_logical("fixed", "decimal", precision=9, scale=3, **FIXED), Decimal("0.125"), 0.125),
    (_logical("int", "date"), date(1970, 1, 11), 10),
    (_logical("int", "time-millis"), time(0, 0, 1), 1000),
    (_logical("long", "time-micros"), time(0, 0, 0, 1500), 1.5),
    (MILLIS, NOON, NOON_MS),
    (_logical("long", "timestamp-micros"), NOON + timedelta(microseconds=1999), NOON_MS + 1),
    (_logical("long", "local-timestamp-millis"), NOON.replace(tzinfo=None), NOON_MS),
    (_logical("string", "uuid"), UUID(int=5), str(UUID(int=5))),
    (_logical("fixed", "uuid", **FIXED), UUID(int=5).bytes, str(UUID(int=5))),
    (_logical("long", "of-nobody"), 5, 5),
    ({"type": "enum", "name": "E", "symbols": ["LOW", "HIGH"]}, "HIGH", "HIGH"),
    (["null", _logical("int", "date")], date(1970, 1, 2), 1),
    (["null", _logical("int", "date")], None, None),
    ({"type": "string", "avro.java.string": "String"}, "a", "a"),
    ("float", 0.1, 0.10000000149011612),
]


@pytest.mark.parametrize(("kind", "value", "feature"), FEATURES)
def test_what_a_type_becomes(kind: Any, value: Any, feature: Any) -> None:
    """The same value must be the same number for whoever wrote it."""
    schema = record_of(id="string", time=MILLIS, x=kind)
    events = taken(schema, {"id": "a", "time": NOON, "x": value}, features_field=None)
    assert events.features == [{"x": feature}]


NO_FEATURES: list[tuple[Any, Any, str]] = [
    ("bytes", b"abc", "bad_value"),
    (_logical("fixed", "duration", name="F", size=12), b"0" * 12, "bad_value"),
    (_logical("bytes", "decimal", precision=9, scale=9999), b"\1", "bad_value"),
    ({"type": "array", "items": "int"}, [1], "bad_value"),
    ({"type": "map", "values": "int"}, {"a": 1}, "bad_value"),
    ("double", float("nan"), "bad_value"),
    ("double", float("-inf"), "bad_value"),
    ("double", 1e200, "bad_value"),
]


@pytest.mark.parametrize(("kind", "value", "code"), NO_FEATURES)
def test_what_is_no_feature(kind: Any, value: Any, code: str) -> None:
    """A number that is none, or bytes that mean anything, would spoil what is learned."""
    written = record_of(id="string", time=MILLIS, x="bytes" if isinstance(value, bytes) else kind)
    if isinstance(kind, dict) and kind["type"] == "fixed":
        written["fields"][2]["type"] = {"type": "fixed", "name": "F", "size": 12}
    value_ = framed(7, written, {"id": "a", "time": NOON, "x": value})
    schemas = Schemas(s7=record_of(id="string", time=MILLIS, x=kind))
    decoder = AvroDecoder(schemas, features_field=None)
    events, (letter,) = decoder.events(records([value_]))
    assert (len(events), letter.code) == (0, code), letter.reason


def test_a_huge_decimal_is_refused_at_once() -> None:
    """As a number it would take a minute; a stream must not wait for it."""
    schema = record_of(id="string", time=MILLIS, x=_logical("bytes", "decimal", precision=4))
    written = record_of(id="string", time=MILLIS, x="bytes")
    value = framed(7, written, {"id": "a", "time": NOON, "x": b"\x7f" * 900_000})
    decoder = AvroDecoder(Schemas(s7=schema), features_field=None)
    _, (letter,) = decoder.events(records([value]))
    assert letter.code == "too_large"


@pytest.mark.parametrize(
    ("kind", "value", "time_ms"),
    [
        ("long", 5000, 5000),
        ("string", "1970-01-01T00:00:05Z", 5000),
        (_logical("long", "timestamp-micros"), NOON, NOON_MS),
        (_logical("long", "timestamp-nanos"), NOON_MS * 10**6 + 999_999, NOON_MS),
        (["null", MILLIS], NOON, NOON_MS),
    ],
)
def test_what_a_time_may_be(kind: Any, value: Any, time_ms: int) -> None:
    schema = record_of(id="string", time=kind, features=EVENT["fields"][2]["type"])
    assert taken(schema, {"id": "a", "time": value, "features": {}}).times_ms == [time_ms]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (_logical("int", "date"), date(2026, 3, 1)),
        (_logical("int", "time-millis"), time(12)),
        (_logical("long", "local-timestamp-micros"), NOON.replace(tzinfo=None)),
        ("double", 5.0),
        ("long", 2**62),
        ("string", "2026-03-01T12:00:00"),
        (["null", MILLIS], None),
        ("bytes", b"5"),
    ],
)
def test_what_is_no_time(kind: Any, value: Any) -> None:
    """Days taken for milliseconds, or a guessed zone, would be wrong by hours or decades."""
    schema = record_of(id="string", time=kind, features=EVENT["fields"][2]["type"])
    assert refused(schema, {"id": "a", "time": value, "features": {}}) == "bad_time"
