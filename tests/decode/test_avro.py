"""Avro records are the events that their JSON twins would be, and bad ones are dead letters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.errors import TransportError
from stream_cl.core.limits import FEATURE_ABS_MAX
from stream_cl.core.records import DeadLetter, Events, Headers
from stream_cl.decode.avro import AvroDecoder
from stream_cl.decode.decoder import Decoder, JsonDecoder
from stream_cl.decode.encoder import by_name
from stream_cl.decode.json_events import decode_events
from stream_cl.testing.decoder_contract import DecoderContract, records
from tests.decode.avro_values import (
    EVENT,
    LABEL,
    MILLIS,
    VECTOR,
    Schemas,
    framed,
    record_of,
)
from tests.decode.records import GOOD

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = 1_772_366_400_000


def decode(
    schema: Any, value: Any, headers: Headers = (), **settings: Any
) -> tuple[Events, list[DeadLetter]]:
    decoder = AvroDecoder(Schemas(s7=schema), **settings)
    return decoder.events(records([framed(7, schema, value)], [headers]))


def taken(schema: Any, value: Any, **settings: Any) -> Events:
    events, dead = decode(schema, value, **settings)
    assert not dead, dead
    return events


def refused(schema: Any, value: Any, **settings: Any) -> str:
    _, (letter,) = decode(schema, value, **settings)
    return letter.code


class TestJsonContract(DecoderContract):
    @pytest.fixture
    def decoder(self) -> Decoder:
        return JsonDecoder()

    @pytest.fixture
    def good(self) -> list[bytes]:
        return [GOOD, GOOD.replace(b"good", b"b"), b'{"id":"c","time":1,"vector":[1]}']


class TestAvroContract(DecoderContract):
    @pytest.fixture
    def decoder(self) -> Decoder:
        return AvroDecoder(Schemas(s1=EVENT, s2=VECTOR, s3=LABEL))

    @pytest.fixture
    def good(self) -> list[bytes]:
        event = {"id": "a", "time": NOON, "features": {"x": 1.5, "city": "Kiel", "on": True}}
        return [
            framed(1, EVENT, event),
            framed(1, EVENT, {"id": "b", "time": NOON, "features": {"x": 1.5}, "label": "up"}),
            framed(2, VECTOR, {"id": "c", "time": NOON, "vector": [0.5, -2]}),
            GOOD,
        ]


class TestFlatAvroContract(TestAvroContract):
    """All fields but id and time are features."""

    @pytest.fixture
    def decoder(self) -> Decoder:
        flat = record_of(id="long", at=MILLIS, x="double", city=["null", "string"])
        schemas = Schemas(s1=flat, s2=VECTOR, s3=LABEL)
        return AvroDecoder(schemas, "id", "at", None, None)

    @pytest.fixture
    def good(self) -> list[bytes]:
        flat = record_of(id="long", at=MILLIS, x="double", city=["null", "string"])
        return [framed(1, flat, {"id": i, "at": NOON, "x": 0.5, "city": None}) for i in range(3)]


_names = st.text(min_size=1, max_size=20)
_features = st.dictionaries(
    _names,
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(-FEATURE_ABS_MAX, FEATURE_ABS_MAX)
    | st.text(max_size=20),
    max_size=6,
)


@given(st.lists(st.tuples(_features, st.none() | st.sampled_from(["up", "down"])), max_size=12))
def test_an_avro_event_is_what_its_json_twin_is(given_: list[tuple[Any, str | None]]) -> None:
    """A stream that goes over from JSON to Avro must not change what is predicted."""
    documents = [
        {"id": f"e{i}", "time": NOON_MS + i, "features": features, "label": label}
        for i, (features, label) in enumerate(given_)
    ]
    moments = [NOON + timedelta(milliseconds=i) for i in range(len(documents))]
    avro = [
        framed(7, EVENT, {**document, "time": moment})
        for document, moment in zip(documents, moments, strict=True)
    ]
    events, dead = AvroDecoder(Schemas(s7=EVENT)).events(records(avro))
    twins, twins_dead = decode_events(records([orjson.dumps(d) for d in documents]))
    assert [letter.source for letter in dead] == [letter.source for letter in twins_dead]
    for name in ("rows", "ids", "times_ms", "numbers", "vectors", "labels"):
        assert getattr(events, name) == getattr(twins, name), name
    for features, twin, numbers in zip(events.features, twins.features, twins.numbers, strict=True):
        assert type(features) is dict, "a request shows them, and the record is not JSON"
        assert twin is not None
        assert features == by_name(twin, numbers)


def test_json_and_avro_in_one_topic() -> None:
    """What was written before a topic went over to Avro must be replayed as well."""
    avro = framed(7, EVENT, {"id": "a", "time": NOON, "features": {"x": 1.0}})
    decoder = AvroDecoder(Schemas(s7=EVENT))
    cloud = b'{"specversion":"1.0","id":"1","source":"s","type":"t","time":5,"data":{"x":1}}'
    values = [GOOD, avro, None, b" " + GOOD.replace(b"good", b"b"), b"\1" + avro, cloud, b"[1]"]
    events, dead = decoder.events(records(values))
    assert events.ids == ["good", "a", "b", "s#1"]
    assert events.rows == [0, 1, 3, 5]
    assert [letter.code for letter in dead] == ["not_json", "bad_avro", "bad_avro"]
    assert [letter.value for letter in dead] == [None, b"\1" + avro, b"[1]"]


def test_a_vector() -> None:
    events = taken(VECTOR, {"id": "c", "time": NOON, "vector": [0.5, -2]})
    assert events.vectors == [[0.5, -2.0]]
    assert refused(VECTOR, {"id": "c", "time": NOON, "vector": []}) == "bad_vector"
    assert refused(VECTOR, {"id": "c", "time": NOON, "vector": [1, float("nan")]}) == "bad_vector"


def test_fields_by_other_names() -> None:
    """A stream that others defined is read as it is."""
    inner = {"type": "record", "name": "I", "fields": [{"name": "x", "type": "float"}]}
    schema = record_of(order="long", at=MILLIS, truth="boolean", measured=inner)
    value = {"order": 17, "at": NOON, "truth": True, "measured": {"x": 0.5}}
    events = taken(
        schema, value, id_field="order", time_field="at", label_field="truth",
        features_field="measured",
    )  # fmt: skip
    assert (events.ids, events.times_ms, events.labels) == (["17"], [NOON_MS], ["true"])
    assert events.features == [{"x": 0.5}]


def test_all_other_fields_as_features() -> None:
    schema = record_of(id="string", time=MILLIS, label="string", v="int", x=["null", "double"])
    value = {"id": "a", "time": NOON, "label": "up", "v": 3, "x": None}
    events = taken(schema, value, features_field=None)
    assert events.features == [{"v": 3, "x": None}]
    assert events.labels == ["up"]
    events = taken(schema, value, features_field=None, label_field=None)
    assert events.features == [{"label": "up", "v": 3, "x": None}]
    assert events.labels == [None]


def test_cloudevents_in_binary_mode_carry_avro() -> None:
    """The envelope gives what the data does not."""
    headers: Headers = tuple(
        (f"ce_{name}", body.encode())
        for name, body in (("id", "7"), ("source", "/plant"), ("type", "t"),
                           ("specversion", "1.0"), ("time", "1970-01-01T00:00:01Z"))
    )  # fmt: skip
    headers = (*headers, ("content-type", b"application/avro"), ("trace", b"\xff"))
    events, dead = decode(record_of(x="double"), {"x": 1.5}, headers, features_field=None)
    assert not dead, dead
    assert (events.ids, events.times_ms) == (["/plant#7"], [1000])
    assert events.features == [{"x": 1.5}]
    own, _ = decode(EVENT, {"id": "a", "time": NOON, "features": {}}, headers)
    assert (own.ids, own.times_ms) == (["a"], [NOON_MS])
    structured = (("content-type", b"application/cloudevents+avro"),)
    _, (letter,) = decode(EVENT, {"id": "a", "time": NOON, "features": {}}, structured)
    assert letter.code == "bad_cloudevent"


def test_labels() -> None:
    """People answer in JSON, programs in Avro, in one topic."""
    answers = [
        {"id": "a", "label": "up", "abstain": False, "annotator": "anna", "time": NOON},
        {"id": "b", "label": 3, "abstain": False, "annotator": "", "time": None},
        {"id": "c", "label": None, "abstain": True, "annotator": "rule", "time": None},
        {"id": "d", "label": None, "abstain": False, "annotator": "", "time": None},
    ]
    values = [framed(3, LABEL, answer) for answer in answers]
    values[1:1] = [b'{"id":"j","label":"down"}', b"\0\0\0\0\7\0"]
    decoder = AvroDecoder(Schemas(s3=LABEL))
    labels, dead = decoder.labels(records(values))
    assert [(one.row, one.id, one.label) for one in labels] == [
        (0, "a", "up"), (1, "j", "down"), (3, "b", "3"), (4, "c", None),
    ]  # fmt: skip
    assert (labels[0].annotator, labels[0].time_ms) == ("anna", NOON_MS)
    assert [letter.code for letter in dead] == ["unknown_schema", "bad_label"]


def test_bytes_that_are_not_what_their_schema_says() -> None:
    """Each is a dead letter that names the schema, and none is half an event."""
    good = framed(7, EVENT, {"id": "a", "time": NOON, "features": {"x": 1.0}})
    decoder = AvroDecoder(Schemas(s7=EVENT, s8="string"))
    cases = [
        (good + b"\0", "bad_avro"),
        (good[:-1], "bad_avro"),
        (good[:5], "bad_avro"),
        (b"\0", "bad_avro"),
        (b"\0\0\0\0\x08\2a", "bad_schema"),
        (b"\0\0\0\0\x09\2a", "unknown_schema"),
        (good[:5] + b"\x02a" + b"\xff" * 12, "bad_avro"),
        (good[:5] + b"\x02\xff" + good[7:], "bad_avro"),
        (good + b"\0" * 1_000_000, "too_large"),
    ]
    for value, code in cases:
        _, (letter,) = decoder.events(records([value]))
        assert letter.code == code, (value[:20], letter.reason)
        assert letter.value == value


def test_ids_that_were_unknown_stay_so_on_replay() -> None:
    """What is registered later must not change what a step once was."""
    value = framed(7, EVENT, {"id": "a", "time": NOON, "features": {}})
    before = AvroDecoder(Schemas()).events(records([value]))
    decoder = AvroDecoder(Schemas(s7=EVENT))
    assert decoder.events(records([value]), frozenset({7})) == before
    assert len(decoder.events(records([value]), frozenset({8}))[0]) == 1


@pytest.mark.parametrize("part", ["events", "labels"])
def test_a_registry_that_is_down_is_no_dead_letter(part: str) -> None:
    """An outage must stop the stream, not empty it."""
    schemas = Schemas(s7=EVENT)
    schemas.down = True
    decode_: Callable[..., Any] = getattr(AvroDecoder(schemas), part)
    with pytest.raises(TransportError, match="down"):
        decode_(records([framed(7, EVENT, {"id": "a", "time": NOON, "features": {}})]))
