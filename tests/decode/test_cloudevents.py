"""CloudEvents 1.0 in both modes are the events that they carry."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_cl.core.records import Events, Headers, Outgoing
from stream_cl.decode.json_events import decode_events
from stream_cl.testing.driver import TestDriver
from tests.decode.records import raw

_ENVELOPE = {
    "specversion": "1.0",
    "id": "7",
    "source": "/plant/3",
    "type": "reading",
    "time": "1970-01-01T00:00:01Z",
}
_STRUCTURED: Headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


def _binary(content_type: str = "application/json", **attributes: str) -> Headers:
    named = {**_ENVELOPE, **attributes}
    headers = [(f"ce_{name}", text.encode()) for name, text in named.items()]
    return (("trace", b"\xff"), *headers, ("content-type", content_type.encode()))


def _decode(document: Any, headers: Headers = ()) -> Events:
    events, dead = decode_events(raw(orjson.dumps(document), headers=[headers]))
    assert not dead, dead
    return events


@pytest.mark.parametrize("headers", [(), _STRUCTURED])
def test_structured_bare_features(headers: Headers) -> None:
    events = _decode({**_ENVELOPE, "data": {"x": 1, "city": "Kiel"}, "extension": 1}, headers)
    assert events.ids == ["/plant/3#7"]
    assert events.times_ms == [1000]
    assert events.features == [{"x": 1, "city": "Kiel"}]


def test_structured_base64() -> None:
    data = base64.b64encode(b'{"vector":[1,2]}').decode()
    events = _decode({**_ENVELOPE, "data_base64": data, "datacontenttype": "application/json"})
    assert events.vectors == [[1, 2]]
    assert events.ids == ["/plant/3#7"]


@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.plant+json"])
def test_binary(content_type: str) -> None:
    events = _decode({"x": 1}, _binary(content_type))
    assert events.ids == ["/plant/3#7"]
    assert events.times_ms == [1000]
    assert events.features == [{"x": 1}]


def test_data_that_is_our_event_wins_over_its_envelope() -> None:
    """Labels name the id that the producer chose."""
    own = {"v": 1, "id": "own", "time": 5, "features": {"x": 1}, "label": "UP"}
    for events in (_decode({**_ENVELOPE, "data": own}), _decode(own, _binary())):
        assert events.ids == ["own"]
        assert events.times_ms == [5]
        assert events.features == [{"x": 1}]
        assert events.labels == ["UP"]
    partly = _decode({**_ENVELOPE, "data": {"features": {"x": 1}}})
    assert (partly.ids, partly.times_ms) == (["/plant/3#7"], [1000])


def test_two_sources_may_use_the_same_id() -> None:
    """CloudEvents promises only source and id together to be unique."""
    ids = {
        _decode({**_ENVELOPE, "source": source, "id": id_, "data": {"x": 1}}).ids[0]
        for source, id_ in (("a", "1"), ("b", "1"), ("a", "b#c"), ("a#b", "c"), ("a", "b%23c"))
    }
    assert len(ids) == 5


def test_binary_content_covers_the_envelope() -> None:
    """The same reading at another time is not a repetition."""
    first = _decode({"x": 1}, _binary())
    again = _decode({"x": 1}, (*_binary(), ("attempt", b"2")))
    later = _decode({"x": 1}, _binary(time="1970-01-01T00:00:02Z"))
    assert first.content == again.content
    assert first.content != later.content


def test_an_event_of_ours_may_have_a_field_called_specversion() -> None:
    events = _decode({"id": "a", "time": 1, "features": {"x": 1}, "specversion": "9"})
    assert events.ids == ["a"]


def test_headers_of_no_cloudevent_are_ignored() -> None:
    headers = (("content-type", b"application/json"), ("traceparent", b"00-1"))
    events = _decode({"id": "a", "time": 1, "features": {"x": 1}}, headers)
    assert events.ids == ["a"]


def test_both_modes_come_through_the_log(tmp_path: Path) -> None:
    """The attributes are headers of the record, so they must get from the log to the decoder,
    and a label in an envelope to the event that it names."""
    own: Headers = (("content-type", b"application/cloudevents+json"),)
    label = {**_ENVELOPE, "id": "9", "data": {"id": "/plant/3#7", "label": "up"}}
    with TestDriver({}, tmp_path) as driver:

        def pipe(topic: str, document: Any, headers: Headers) -> None:
            name = driver.topics.named(topic)
            driver.log.append([Outgoing(name, 0, [b"k"], [orjson.dumps(document)], headers)])

        pipe("events", {"x": 1}, _binary())
        pipe("events", {**_ENVELOPE, "id": "8", "data": {"x": 2}}, own)
        pipe("events", {"x": 1}, _binary(specversion="0.3"))
        pipe("events", [{**_ENVELOPE}], (("content-type", b"application/cloudevents-batch+json"),))
        driver.settle()
        pipe("labels", label, own)
        driver.settle()
        assert [one.value["id"] for one in driver.read("predictions")] == [
            "/plant/3#7",
            "/plant/3#8",
        ]
        assert {one.key for one in driver.read("predictions")} == {"k"}
        letters = [one.headers["code"] for one in driver.read("dead-letters")]
        assert letters == ["bad_cloudevent", "bad_cloudevent"]
        assert driver.pipeline is not None
        assert driver.pipeline.state.learned == 1
