"""Reading ahead, over a reader that is scripted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.errors import OffsetOutOfRange, TransportError
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.testing.clock import FakeClock
from stream_cl.transport import kafka_ahead
from stream_cl.transport.kafka_ahead import Ahead
from stream_cl.transport.kafka_client import Failed

A, B = TopicPartition("a", 0), TopicPartition("b", 0)


class Scripted:
    """A reader of logs that are lists: None stands for a marker. A poll gives some of one
    partition, then of the next, and the time passes when nothing comes."""

    def __init__(self, clock: FakeClock, logs: dict[TopicPartition, list[bytes | None]]) -> None:
        self.clock, self.logs = clock, logs
        self.at: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.at_once = 3
        self.failing: dict[TopicPartition, TransportError] = {}
        self.polls = self.seeks = 0

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        self.at = {at: self.at.get(at, start) for at, start in positions.items()}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.at[place] = offset
        self.seeks += 1

    def position(self, place: TopicPartition) -> int:
        return self.at[place]

    def pause(self, places: Collection[TopicPartition], paused: bool) -> None:
        self.paused = self.paused | set(places) if paused else self.paused - set(places)

    def poll(self, timeout_s: float) -> Sequence[Chunk | Failed]:
        self.polls += 1
        for place in list(self.at):
            if place in self.failing:
                del self.at[place]
                return [Failed(place, self.failing.pop(place))]
            start = self.at[place]
            some = self.logs[place][start : start + self.at_once]
            if some and place not in self.paused:
                self.at[place] += len(some)
                found = [(start + i, value) for i, value in enumerate(some) if value is not None]
                if found:
                    offsets, values = zip(*found, strict=True)
                    n = len(found)
                    return [Chunk(*place, offsets, [1] * n, [None] * n, values, [()] * n)]
                return []
        self.clock.sleep(timeout_s)
        return []

    def close(self) -> None:
        pass


def reading(**logs: list[bytes | None]) -> tuple[Ahead, Scripted]:
    clock = FakeClock()
    reader = Scripted(clock, {TopicPartition(name, 0): log for name, log in logs.items()})
    ahead = Ahead(reader, clock, lambda place: TransportError(f"silence at {place.topic}"))
    return ahead, reader


@given(
    st.lists(st.none() | st.binary(max_size=2), max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=20),
    st.integers(1, 5),
)
def test_a_read_gives_what_stands_there(
    log: list[bytes | None], reads: list[tuple[int, int]], at_once: int
) -> None:
    """Else a slice gets records of its neighbours, wherever it begins and in whatever order
    slices are read (replay goes back)."""
    ahead, reader = reading(a=log, b=[b"other"] * 50)
    reader.at_once = at_once
    for wanted, count in reads:
        offset = min(wanted, len(log))
        expected = [(i, v) for i, v in enumerate(log) if i >= offset and v is not None]
        chunk, behind = ahead.read(A, offset, count, len(log))
        if chunk is None:
            assert not expected
            assert behind == len(log)
        else:
            got = list(zip(chunk.offsets, chunk.values, strict=True))
            assert 1 <= len(got) <= count
            assert got == expected[: len(got)]
            assert behind == got[-1][0] + 1
        ahead.wait({A: len(log), B: 0}, 0.1)


def test_reading_on_seeks_nowhere() -> None:
    """Else every step throws away what was prefetched."""
    ahead, reader = reading(a=[b"%d" % i for i in range(100)])
    position = 0
    while position < 100:
        chunk = ahead.in_hand(A, position, 7)
        position = chunk.offsets[-1] + 1 if chunk else ahead.read(A, position, 7, 100)[1]
    assert (reader.seeks, reader.polls) == (0, 34)


def test_a_partition_that_nobody_reads_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else waiting for labels fills the memory with events."""
    monkeypatch.setattr(kafka_ahead, "AHEAD_RECORDS", 10)
    ahead, reader = reading(a=[b"x"] * 1000, b=[])
    ahead.wait({A: 0, B: 0}, 0.1)
    for _ in range(50):
        ahead.poll(0.1)
    assert reader.paused == {A}
    assert reader.at[A] <= 10 + 2 * reader.at_once
    position = 0
    while position < 1000:
        position = ahead.read(A, position, 5, 1000)[1]
    assert position == 1000


def test_a_failure_is_told_to_who_reads_there() -> None:
    """Else an expired topic of labels would stop the reading of events, or be forgotten."""
    ahead, reader = reading(a=[b"0", b"1", b"2", b"3"], b=[b"x"])
    ahead.wait({B: 0}, 0.1)
    reader.failing = {B: OffsetOutOfRange("b[0] at 1")}
    assert ahead.read(A, 0, 2, 4)[1] == 2
    assert ahead.read(A, 2, 9, 4)[1] == 3
    assert ahead.read(B, 0, 9, 1)[1] == 1, "tried again"
    reader.failing = {B: OffsetOutOfRange("b[0] at 1")}
    with pytest.raises(OffsetOutOfRange):
        ahead.read(B, 0, 9, 1)


def test_silence_is_an_error() -> None:
    """Else a broker that is gone hangs the pipeline for ever."""
    ahead, _ = reading(a=[b"0"])
    with pytest.raises(TransportError, match="silence at a"):
        ahead.read(A, 1, 1, 2)


def test_what_is_not_followed_is_given_up() -> None:
    """Else the pipeline reads its own manifest, which it has just written, for ever."""
    ahead, reader = reading(a=[b"0"] * 9, b=[b"1"] * 9)
    ahead.read(A, 0, 1, 9)
    ahead.read(B, 0, 1, 9)
    ahead.drop_others(["b"])
    assert set(reader.at) == {B}
    assert ahead.in_hand(A, 1, 1) is None
    assert ahead.read(A, 1, 1, 9)[1] == 2
