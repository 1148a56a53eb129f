"""Frames of the embedded log: what goes in comes out, and damage is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core import limits
from stream_cl.core.errors import RecordTooLarge
from stream_cl.core.records import Outgoing
from stream_cl.transport.sqlite_frame import FrameDamaged, decode, encode

HEADER = st.tuples(st.text(max_size=5), st.binary(max_size=5))


@st.composite
def batches(draw: st.DrawFn) -> Outgoing:
    n = draw(st.integers(1, 6))

    def column(strings: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(strings, min_size=n, max_size=n)

    nullable = st.none() | st.binary(max_size=5)
    return Outgoing(
        "t",
        0,
        draw(column(nullable) | st.just([None] * n)),
        draw(column(nullable)),
        tuple(draw(st.lists(HEADER, max_size=3))),
        draw(
            st.dictionaries(
                st.text(max_size=3), column(st.none() | st.binary(max_size=3)), max_size=3
            )
        ),
    )


@given(batches(), st.integers(0, 7), st.integers(0, 7))
def test_every_part_of_a_frame_is_what_was_written(batch: Outgoing, start: int, stop: int) -> None:
    """Else records come out of the log with another's key, value or headers; nulls too."""
    (frame,) = encode(batch)
    part = decode(frame.body, start, stop)
    expected = range(len(batch))[start:stop]
    assert frame.records == len(batch)
    assert part.keys == [batch.keys[i] for i in expected]
    assert part.values == [batch.values[i] for i in expected]
    assert part.headers == [batch.headers(i) for i in expected]


def consistent(body: bytes) -> None:
    """Decoding gives columns of one length, or FrameDamaged; nothing else is raised."""
    try:
        part = decode(body, 0, 1 << 40)
    except FrameDamaged:
        return
    assert len(part.keys) == len(part.values) == len(part.headers)
    for column in (part.keys, part.values):
        assert all(item is None or type(item) is bytes for item in column)


@given(st.binary(max_size=60), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_random_bytes_never_crash(tail: bytes, common: int, each: int, records: int) -> None:
    """Else a damaged file ends in a traceback, or in all memory being used."""
    consistent(tail)
    consistent(bytes((1, common, each, 0)) + records.to_bytes(4, "little") + tail)
    consistent(bytes((1, common, each, 0)) + (records % 4).to_bytes(4, "little") + tail)


@settings(max_examples=300)
@given(batches(), st.data())
def test_damaged_frames_never_crash(batch: Outgoing, data: st.DataObject) -> None:
    """Else one flipped bit on disk ends in a traceback."""
    body = bytearray(encode(batch)[0].body)
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    consistent(bytes(body))
    consistent(bytes(body[: data.draw(st.integers(0, len(body)))]))


def test_many_bytes_are_split_into_several_frames() -> None:
    """Else one row could be larger than SQLite takes."""
    value = b"x" * limits.RECORD_BYTES
    values = [value] * 40
    frames = encode(Outgoing("t", 0, [b"%d" % i for i in range(40)], values, (("h", b""),)))
    assert sum(frame.records for frame in frames) == 40
    assert max(len(frame.body) for frame in frames) <= limits.BATCH_BYTES
    keys = [key for frame in frames for key in decode(frame.body, 0, frame.records).keys]
    assert keys == [b"%d" % i for i in range(40)]


def too_large_batches() -> dict[str, Outgoing]:
    over, half = b"x" * (limits.RECORD_BYTES + 1), b"x" * (limits.RECORD_BYTES // 2 + 1)
    small = [b"", b""]
    many = tuple(("h", b"") for _ in range(limits.HEADERS_PER_RECORD + 1))
    return {
        "value": Outgoing("t", 0, [None, None], [b"", over]),
        "key": Outgoing("t", 0, [None, over], small),
        "common": Outgoing("t", 0, [None, None], small, (("h", over),)),
        "each": Outgoing("t", 0, [None, None], small, each={"h": [b"", over]}),
        "together": Outgoing("t", 0, [b"", half], small, each={"h": [b"", half]}),
        "headers": Outgoing("t", 0, [None, None], small, many),
    }


@pytest.mark.parametrize("kind", too_large_batches())
def test_too_large_is_refused(kind: str) -> None:
    """Else a record is written that Kafka, or a reader with little memory, cannot take."""
    with pytest.raises(RecordTooLarge, match=r"record [01] of a batch for t\[0\]"):
        encode(too_large_batches()[kind])


def test_keys_and_headers_are_counted_record_by_record() -> None:
    """Else two records that are each small enough are refused for standing in one batch."""
    half = b"x" * (limits.RECORD_BYTES // 2 + 1)
    encode(Outgoing("t", 0, [half, b""], [b"", b""], each={"h": [b"", half]}))
