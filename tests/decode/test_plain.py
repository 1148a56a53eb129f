"""The short way through `decode_events` gives what the careful one gives.

Else an event's meaning, or whether it is refused, would depend on the records before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.limits import RECORD_BYTES, TIME_MAX_MS
from stream_cl.core.records import DeadLetter, Events
from stream_cl.decode import json_events
from stream_cl.decode.encoder import by_name
from stream_cl.decode.json_events import decode_events
from stream_cl.decode.plain import reader_for
from tests.decode.records import raw

LIKE = [b'{"v":1,"id":"%d","time":1,"features":{"x":1.5,"y":-2}}' % i for i in range(8)]


def _careful(value: bytes) -> tuple[Events, list[DeadLetter]]:
    """The value alone: too few records to read any the short way."""
    return decode_events(raw(value))


def _behind_others(value: bytes) -> tuple[Events, list[DeadLetter]]:
    events, dead = decode_events(raw(*LIKE, value, *LIKE))
    places = [i for i, row in enumerate(events.rows) if row == len(LIKE)]
    assert len(events) == 2 * len(LIKE) + len(places), "its neighbours were lost"
    return events.take(places), dead


def _assert_same(value: bytes) -> None:
    careful, refused = _careful(value)
    short, dead = _behind_others(value)
    assert [(letter.code, letter.reason) for letter in dead] == [
        (letter.code, letter.reason) for letter in refused
    ]
    for name in ("ids", "times_ms", "labels", "vectors", "content"):
        assert getattr(short, name) == getattr(careful, name), name
    assert _features(short) == _features(careful)


def _features(events: Events) -> list[Any]:
    found: list[Any] = []
    for features, numbers in zip(events.features, events.numbers, strict=True):
        named = None if features is None else by_name(features, numbers)
        if named and numbers is not None:
            named = {name: float(value) for name, value in named.items()}
            assert list(named.values()) == np.frombuffer(numbers).tolist()
        found.append(named)
    return found


_ODD_NUMBERS = (
    "0 -0 1 01 1. .5 +1 -1 1e5 1E+2 1e 1e400 -1e400 1e-400 2e308 1e151 NaN Infinity true null"
    ' "1" [] {} 9007199254740993 123456789012345678901234567890 1e0 - 0x1 1_0'
)
_NUMBERS = st.one_of(
    st.sampled_from(_ODD_NUMBERS.split(" ")),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
_TEXTS = st.one_of(
    st.sampled_from(
        ['""', '"a"', '"a b"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"a\nb"', '"\\/"']
    ),
    st.sampled_from(['"\x7f"', '"\u00a0"', '"é"', '"e\u0301"', f'"{"x" * 64}"', f'"{"ü" * 129}"']),
    st.text(max_size=8).map(lambda text: orjson.dumps(text).decode()),
)
_TIMES = st.sampled_from(
    [
        *("0", "-1", "1.0", "1e3", "true", "null", "{}", str(TIME_MAX_MS), str(TIME_MAX_MS + 1)),
        *('"2026-11-21T09:00:00Z"', '"2026-11-21T09:00:00"', '"yesterday"', '"1"', '""'),
    ]
)
_VERSIONS = st.sampled_from(["1", "1.0", "2", "0", "true", "null", '"1"'])
_EXTRA = st.sampled_from(
    ["", "", ',"note":1', ',"vector":[1]', ',"vector":null', ',"specversion":"1.0"', ',"id":"b"']
)


@given(
    id_=_TEXTS, time=_TIMES, x=_NUMBERS, y=_NUMBERS, v=_VERSIONS, label=_TEXTS | _NUMBERS, at=_EXTRA
)
def test_any_field(id_: str, time: str, x: str, y: str, v: str, label: str, at: str) -> None:
    """One field at a time is unusual, and then all of them."""
    plain = {"v": "1", "id": '"a"', "time": "1", "x": "1.5", "y": "-2", "label": '"up"', "at": ""}
    unusual = {"v": v, "id": id_, "time": time, "x": x, "y": y, "label": label, "at": at}
    for name in (*plain, None):
        given_ = unusual if name is None else plain | {name: unusual[name]}
        text = (
            '{{"v":{v},"id":{id},"time":{time},"features":{{"x":{x},"y":{y}}},"label":{label}{at}}}'
        ).format(**given_)
        _assert_same(text.encode(errors="surrogatepass"))


@given(st.binary(max_size=4), st.integers(0, 60), st.integers(0, 4))
def test_any_damage(put: bytes, at: int, cut: int) -> None:
    """Some bytes of a plain record are others."""
    value = LIKE[0]
    _assert_same(value[:at] + put + value[at + cut :])


@pytest.mark.parametrize(
    "value",
    [
        b'{"v":1,"id":"a","time":1,"features":{"y":-2,"x":1.5}}',
        b'{"v":1,"id":"a","time":1,"features":{"x":1.5}}',
        b'{"v":1,"id":"a","time":1,"features":{"x":1,"x":2,"y":3}}',
        b'{"v":1,"id":"a","time":1,"features":{"\\u0078":1,"y":3}}',
        b'{"v":1,"id":"a","time":1,"features":{"x":1,"y":3,"z":4}}',
        b'{"v":1,"id":"a","time":1,"features":{"x":1,"y":3}}' + b" " * RECORD_BYTES,
        b' {"v":1,"id":"a","time":1,"features":{"x":1,"y":3}}\n',
        b'\xef\xbb\xbf{"v":1,"id":"a","time":1,"features":{"x":1,"y":3}}',
        b'{"v":1,"id":"a","time":1,"features":{"x":1,"y":3}}{}',
        b'{"v":1,"id":"a","time":1,"features":{"x":1,"y":3}',
        b"",
    ],
)
def test_what_producers_do(value: bytes) -> None:
    """Other orders, more or fewer features, keys twice, spaces, what is too large or cut off."""
    _assert_same(value)


def test_most_records_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a stream of plain numbers costs four times as much."""
    careful = 0
    one = json_events._event

    def counted(*given_: Any) -> Any:
        nonlocal careful
        careful += 1
        return one(*given_)

    monkeypatch.setattr(json_events, "_event", counted)
    values = [b'{"id":"%d","time":1,"features":{"x":%d,"y":0.5}}' % (i, i) for i in range(1000)]
    events, dead = decode_events(raw(*values))
    assert (len(events), dead) == (1000, [])
    assert careful == json_events._ALIKE


@pytest.mark.parametrize("name", ["a\nb", 'a"b', "a\\b", "\x1f"])
def test_names_that_msgspec_cannot_write(name: str) -> None:
    """Else a stream with such a name would stop the pipeline."""
    assert reader_for((name, "x")) is None
    values = [
        orjson.dumps({"id": str(i), "time": 1, "features": {name: 1, "x": 2}}) for i in range(20)
    ]
    events, dead = decode_events(raw(*values))
    assert (len(events), dead) == (20, [])
