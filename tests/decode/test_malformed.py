"""Whatever stands in a record, it becomes an event or a dead letter with a reason.

When one of these fails, one bad record stops a stream, or good ones beside it are lost.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.limits import REASON_CHARS
from stream_cl.core.records import DEAD_LETTER_CODES, DeadLetter, RawRecords
from stream_cl.decode.json_events import decode_events
from stream_cl.decode.json_labels import decode_labels
from tests.corpus.malformed import EVENTS, LABELS
from tests.decode.records import GOOD, raw

_FIELDS = (
    *("v", "id", "time", "features", "vector", "label", "annotator", "revision", "request"),
    *("cost", "abstain", "specversion", "source", "type", "data", "data_base64"),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_fields = st.dictionaries(
    st.sampled_from(_FIELDS),
    _json | st.sampled_from(["1.0", "a", 1, 1.0, True, {"x": 1}, {"x": "t"}, [1.0, 2], "e30="]),
)
_header_names = st.sampled_from(
    ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "trace"]
)
_header_values = st.binary(max_size=20) | st.sampled_from(
    [b"1.0", b"a", b"application/json", b"application/cloudevents+json", b"2024-01-01T00:00:00Z"]
)
_headers = st.lists(st.tuples(_header_names, _header_values), max_size=7).map(tuple)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A good event with a piece of it cut out, doubled or overwritten."""
    value = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(value)))
        stop = min(len(value), start + draw(st.integers(0, 8)))
        value[start:stop] = draw(st.binary(max_size=4) | st.just(bytes(value[start:stop]) * 2))
    return bytes(value)


def _dumps(document: Any) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # integers and texts that JSON cannot hold, in a form that is not JSON
        return repr(document).encode("utf-8", "replace")


_values = st.none() | st.binary() | _json.map(_dumps) | _fields.map(_dumps) | _mutated()


def _accounted(records: RawRecords, rows: list[int], dead: list[DeadLetter]) -> None:
    """Every record is there once, dead letters have what an operator needs."""
    refused = [letter.source.offset for letter in dead]
    assert sorted(rows + refused) == list(range(len(records)))
    assert rows == sorted(rows)
    assert refused == sorted(refused)
    for letter in dead:
        assert letter.code in DEAD_LETTER_CODES
        assert 0 < len(letter.reason) <= REASON_CHARS
        assert letter.reason.isprintable(), "reasons are printed and logged"
        assert letter.value == records.values[letter.source.offset]


@given(st.lists(st.tuples(_values, st.just(()) | _headers), max_size=8))
def test_no_event_is_lost_and_none_raises(entries: list[tuple[bytes | None, Any]]) -> None:
    entries = [(GOOD, ()), *entries, (GOOD, ())]
    records = raw(*(value for value, _ in entries), headers=[headers for _, headers in entries])
    events, dead = decode_events(records)
    _accounted(records, events.rows, dead)
    assert events.rows[0] == 0
    assert events.rows[-1] == len(entries) - 1


@given(st.lists(st.tuples(_values, st.just(()) | _headers), max_size=8))
def test_no_label_is_lost_and_none_raises(entries: list[tuple[bytes | None, Any]]) -> None:
    records = raw(*(value for value, _ in entries), headers=[headers for _, headers in entries])
    labels, dead = decode_labels(records)
    _accounted(records, [label.row for label in labels], dead)


@pytest.mark.parametrize(("value", "headers", "code"), EVENTS)
def test_event_corpus(value: bytes | None, headers: Any, code: str) -> None:
    """Operators build alerts on these codes."""
    records = raw(GOOD, value, GOOD, headers=[(), headers, ()])
    events, dead = decode_events(records)
    assert events.rows == [0, 2], "the good events beside it"
    assert [letter.code for letter in dead] == [code], dead[0].reason[:200] if dead else events
    _accounted(records, events.rows, dead)


@pytest.mark.parametrize(("value", "headers", "code"), LABELS)
def test_label_corpus(value: bytes | None, headers: Any, code: str) -> None:
    records = raw(value, headers=[headers])
    labels, dead = decode_labels(records)
    assert [letter.code for letter in dead] == [code], dead or labels
    _accounted(records, [], dead)


def test_all_of_the_corpus_in_one_step() -> None:
    """A step full of rubbish still gives its good events, and dead letters in order."""
    values, headers = [], []
    for value, head, _ in EVENTS:
        values += [value, GOOD]
        headers += [head, ()]
    events, dead = decode_events(raw(*values, headers=headers))
    assert events.rows == list(range(1, len(values), 2))
    assert [letter.code for letter in dead] == [code for _, _, code in EVENTS]
