"""Good events are read as they were meant."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core import limits
from stream_cl.decode.encoder import by_name
from stream_cl.decode.json_events import decode_events
from tests.decode.records import GOOD, raw

_numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(-1e150, 1e150) | st.booleans()
_values = _numbers | st.none() | st.text(max_size=20)
_names = st.text(min_size=1, max_size=20)


def _one(**fields: Any) -> Any:
    document = {"id": "a", "time": 1, **fields}
    events, dead = decode_events(raw(orjson.dumps(document)))
    assert not dead, dead
    return events


def _floats(features: dict[str, Any], numbers: bytes | None) -> dict[str, Any]:
    """As an encoder takes them where all are numbers."""
    return features if numbers is None else {k: float(v) for k, v in features.items()}


@given(st.lists(st.dictionaries(_names, _values, max_size=5), max_size=5))
def test_features_come_out_as_they_went_in(given_features: list[dict[str, Any]]) -> None:
    values = [
        orjson.dumps({"v": 1, "id": f"e{i}", "time": i, "features": features})
        for i, features in enumerate(given_features)
    ]
    events, dead = decode_events(raw(*values))
    assert not dead
    numbers = events.numbers
    named = [by_name(f or {}, n) for f, n in zip(events.features, numbers, strict=True)]
    assert [_floats(f, n) for f, n in zip(named, numbers, strict=True)] == [
        _floats(f, n) for f, n in zip(given_features, numbers, strict=True)
    ]
    assert events.ids == [f"e{i}" for i in range(len(values))]
    assert events.times_ms == list(range(len(values)))
    assert events.vectors == [None] * len(values)
    for features, packed in zip(given_features, events.numbers, strict=True):
        if all(isinstance(value, int | float) for value in features.values()):
            expected = struct.pack(f"{len(features)}d", *features.values())
            assert packed == expected
        else:
            assert packed is None


def test_vector() -> None:
    events = _one(vector=[1, 2.5, -3])
    assert events.vectors == [[1, 2.5, -3]]
    assert events.features == [None]
    assert events.numbers == [struct.pack("3d", 1, 2.5, -3)]


def test_unknown_fields_and_nulls_are_ignored() -> None:
    """Producers add fields of their own, and many serialisers write null for what is not set."""
    events = _one(features={"x": 1}, vector=None, label=None, v=None, note={"deep": [1, {"a": 2}]})
    assert events.features == [{"x": 1}]
    assert events.labels == [None]


@pytest.mark.parametrize(
    ("label", "text"),
    [("UP", "UP"), (1, "1"), (1.5, "1.5"), (True, "true"), ("e\u0301", "é"), ("__none__",) * 2],
)
def test_inline_label(label: Any, text: str) -> None:
    """A label in the event and the same label in the labels topic are one class."""
    assert _one(features={"x": 1}, label=label).labels == [text]
    assert _one(features={"x": "t"}, label=label).labels == [text]


def test_ids_up_to_the_limit_in_bytes() -> None:
    for id_ in ("i" * limits.ID_BYTES, "é" * (limits.ID_BYTES // 2), "with space", "日本"):
        assert _one(id=id_, features={"x": 1}).ids == [id_]


def test_limits_are_inclusive() -> None:
    """What the documentation allows is taken."""
    n = limits.FEATURES_PER_EVENT
    features = {f"f{i}": 0 for i in range(n)}
    assert len(_one(features=features).features[0]) == n
    assert len(_one(vector=[0] * n).vectors[0]) == n
    edge = {"n" * limits.FEATURE_NAME_BYTES: limits.FEATURE_ABS_MAX, "m": -limits.FEATURE_ABS_MAX}
    assert _one(features=edge).features == [edge]
    text = {"t": "x" * limits.FEATURE_TEXT_BYTES}
    assert _one(features=text).features == [text]
    deep: Any = 1
    for _ in range(limits.JSON_DEPTH - 1):
        deep = [deep]
    assert len(_one(features={"x": 1}, other=deep)) == 1
    padded = GOOD + b" " * (limits.RECORD_BYTES - len(GOOD))
    assert len(decode_events(raw(padded))[0]) == 1


def test_content_tells_repetitions_from_conflicts() -> None:
    """Without it a changed event under a used id would be dropped in silence."""
    other = GOOD.replace(b"1.5", b"1.6")
    events, _ = decode_events(raw(GOOD, GOOD, other))
    assert events.content[0] == events.content[1] != events.content[2]
    assert all(0 <= content < 2**64 for content in events.content)


def test_rows_and_sources_point_at_the_record() -> None:
    """A dead letter must lead to the record that it was."""
    records = raw(b"x", GOOD, b"y", GOOD)
    records.partitions = [0, 3, 1, 2]
    records.offsets = [5, 6, 7, 8]
    records.keys = [b"k", None, None, None]
    events, dead = decode_events(records)
    assert events.rows == [1, 3]
    assert [letter.source for letter in dead] == [("events", 0, 5), ("events", 1, 7)]
    assert dead[0].key == b"k"
