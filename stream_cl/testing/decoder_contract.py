"""What every decoder must do: subclass `DecoderContract` in a pytest file.

class TestMyDecoder(DecoderContract):
    @pytest.fixture
    def decoder(self):
        return MyDecoder()

    @pytest.fixture
    def good(self):
        return [...]  # two or more values that are events, of different ids
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.limits import REASON_CHARS
from stream_cl.core.records import DEAD_LETTER_CODES, DeadLetter, Headers, RawRecords
from stream_cl.decode.decoder import Decoder

_NAMES: Final = (
    *("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "trace"),
)
_BODIES: Final = (
    *(b"1.0", b"a", b"application/json", b"application/avro", b"application/cloudevents+json"),
    *(b"application/cloudevents+avro", b"2024-01-01T00:00:00Z"),
)
_headers = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.binary(max_size=20) | st.sampled_from(_BODIES)),
    max_size=7,
).map(tuple)
_FRAMES: Final = (b"\0\0\0\0\1", b"\0\0\0\0\2", b"\0\0\0\0\3", b"\0\xff\xff\xff\xff", b"{", b"\1")


def records(values: Sequence[bytes | None], headers: Sequence[Headers] | None = None) -> RawRecords:
    """Records of one partition, with offsets from 10 in steps of 2, as in Kafka."""
    n = len(values)
    offsets = list(range(10, 10 + 2 * n, 2))
    return RawRecords(
        "events", [3] * n, offsets, [None] * n, list(values), list(headers or [()] * n)
    )


def accounted(raw: RawRecords, rows: list[int], dead: list[DeadLetter]) -> None:
    """Every record is there once and in order; dead letters are as an operator needs them."""
    refused = [raw.offsets.index(letter.source.offset) for letter in dead]
    assert sorted(rows + refused) == list(range(len(raw)))
    assert rows == sorted(rows)
    assert refused == sorted(refused)
    for row, letter in zip(refused, dead, strict=True):
        assert letter.code in DEAD_LETTER_CODES
        assert 0 < len(letter.reason) <= REASON_CHARS
        assert letter.reason.isprintable(), "reasons are printed and logged"
        assert (letter.key, letter.value) == (raw.keys[row], raw.values[row])
        assert letter.source == raw.source(row)


class DecoderContract:
    """Tests that hold for every decoder."""

    @pytest.fixture
    def decoder(self) -> Decoder:
        """The decoder."""
        raise NotImplementedError("a subclass gives the decoder")

    @pytest.fixture
    def good(self) -> list[bytes]:
        """Values that are events, each with another id."""
        raise NotImplementedError("a subclass gives the events")

    def test_no_records(self, decoder: Decoder) -> None:
        """A step may hold labels alone, or nothing."""
        events, dead = decoder.events(records([]))
        assert (len(events), dead) == (0, [])
        assert decoder.labels(records([])) == ([], [])

    def test_good_events_are_taken(self, decoder: Decoder, good: list[bytes]) -> None:
        """With ids of their own, and as often as they are read."""
        events, dead = decoder.events(records(good))
        assert not dead
        assert len(set(events.ids)) == len(good)
        assert decoder.events(records(good)) == (events, [])

    def test_an_event_does_not_depend_on_those_beside_it(
        self, decoder: Decoder, good: list[bytes]
    ) -> None:
        """Steps may be cut anywhere; replay and another run must give the same."""
        values: list[bytes | None] = [*good, None, b"\0", *good]
        together, _ = decoder.events(records(values))
        alone = [decoder.events(records([value]))[0] for value in good]
        for i, one in enumerate(alone * 2):
            for name in ("ids", "times_ms", "numbers", "vectors", "labels", "content"):
                assert getattr(together, name)[i] == getattr(one, name)[0], name
            assert list(together.features[i] or ()) == list(one.features[0] or ())

    def test_any_bytes_are_an_event_or_a_dead_letter(
        self, decoder: Decoder, good: list[bytes]
    ) -> None:
        """One bad record must neither stop a stream nor take good ones with it."""

        @settings(deadline=None)
        @given(st.lists(entry(good), max_size=6))
        def check(drawn: list[tuple[bytes | None, Any]]) -> None:
            entries = [(good[0], ()), *drawn, (good[1], ())]
            raw = records([value for value, _ in entries], [headers for _, headers in entries])
            events, dead = decoder.events(raw)
            accounted(raw, events.rows, dead)
            assert {0, len(entries) - 1} <= set(events.rows)
            labels, dead = decoder.labels(raw)
            accounted(raw, [label.row for label in labels], dead)

        check()


def entry(good: list[bytes]) -> st.SearchStrategy[tuple[bytes | None, Any]]:
    """A value of any kind, and headers that may go with it."""
    framed = st.tuples(st.sampled_from(_FRAMES), st.binary(max_size=40)).map(b"".join)
    values = st.none() | st.binary(max_size=40) | framed | mutated(good)
    return st.tuples(values, st.just(()) | _headers)


@st.composite
def mutated(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """A good value with pieces of it cut out, doubled or overwritten."""
    value = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(value)))
        stop = min(len(value), start + draw(st.integers(0, 8)))
        value[start:stop] = draw(st.binary(max_size=4) | st.just(bytes(value[start:stop]) * 2))
    return bytes(value)
