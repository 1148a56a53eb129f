"""Answers are read as they were meant."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream_cl.core.records import NONE_OF_THESE, Label
from stream_cl.decode.json_labels import decode_labels
from tests.decode.records import raw


def _one(**fields: Any) -> Label:
    labels, dead = decode_labels(raw(orjson.dumps({"id": "a", **fields})))
    assert not dead, dead
    return labels[0]


def test_all_fields() -> None:
    label = _one(
        v=1, label="UP", annotator="ann", revision=2, request="r1", cost=0.25, time=7, note="x"
    )
    assert label == Label(0, "a", "UP", "ann", 2, "r1", 0.25, 7)


def test_only_what_is_needed() -> None:
    nothing = dict.fromkeys(("annotator", "revision", "request", "cost", "time", "abstain"))
    assert _one(label="UP") == _one(label="UP", **nothing) == Label(0, "a", "UP")
    assert _one(label="UP", annotator="") == Label(0, "a", "UP")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("UP", "UP"),
        ("up", "up"),
        (1, "1"),
        (-3, "-3"),
        (1.50, "1.5"),
        (True, "true"),
        (False, "false"),
        ("1", "1"),
        ("e\u0301", "é"),
        ("日本", "日本"),
        (NONE_OF_THESE, NONE_OF_THESE),
    ],
)
def test_one_class_has_one_text(given: Any, text: str) -> None:
    """Two spellings of one label would be two classes for ever."""
    assert _one(label=given).label == text


def test_abstention() -> None:
    """Who says nothing must not be taken for an answer."""
    assert _one(abstain=True).label is None
    assert _one(abstain=True, label="UP").label is None
    assert _one(abstain=False, label="UP").label == "UP"


def test_the_key_is_not_the_id() -> None:
    records = raw(b'{"label":"UP"}')
    records.keys = [b"a"]
    labels, dead = decode_labels(records)
    assert not labels
    assert dead[0].code == "bad_id"


def test_cloudevents() -> None:
    """The envelope's id is the message's; the answer says itself what it answers."""
    envelope = {"specversion": "1.0", "id": "m1", "source": "/s", "type": "label"}
    document = {**envelope, "time": "1970-01-01T00:00:01Z", "data": {"id": "a", "label": 1}}
    expected = [Label(0, "a", "1", time_ms=1000)]
    assert decode_labels(raw(orjson.dumps(document))) == (expected, [])
    headers = tuple((f"ce_{name}", text.encode()) for name, text in envelope.items())
    records = raw(b'{"id":"a","label":1,"time":1000}', headers=[headers])
    assert decode_labels(records) == (expected, [])
