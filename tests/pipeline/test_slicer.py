"""The slicer against a plain merge of everything: a function of positions and log alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.errors import InputChanged, OffsetOutOfRange
from stream_cl.core.records import Bounds, Chunk, TopicPartition
from stream_cl.pipeline import slicer as module
from stream_cl.pipeline.slicer import Slicer
from stream_cl.pipeline.taken import Taken

TOPICS = ["events", "labels", "control"]
Positions = Mapping[TopicPartition, int]


@dataclass(order=True, frozen=True)
class Record:
    """One record, in the order of the merge."""

    time_ms: int
    topic: str
    partition: int
    offset: int
    size: int | None = 0

    @property
    def value(self) -> bytes | None:
        return None if self.size is None else (b"%d" % self.offset).ljust(self.size, b".")

    @property
    def at(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class FakeLog:
    """Records with gaps between their offsets; a read gives `at_once` records at most."""

    def __init__(self, records: list[Record], at_once: int = 1000) -> None:
        self.records = records
        self.at_once = at_once
        self.partitions = {TopicPartition(topic, 0) for topic in TOPICS} | {r.at for r in records}
        self.starts: dict[TopicPartition, int] = {}
        self.markers = 0
        self.reads = 0

    def bounds(self, topics: list[str]) -> dict[TopicPartition, Bounds]:
        ends = dict.fromkeys((at for at in self.partitions if at.topic in topics), 0)
        for r in self.records:
            ends[r.at] = max(ends.get(r.at, 0), r.offset + 1)
        return {
            at: Bounds(self.starts.get(at, 0), end + (self.markers if end else 0))
            for at, end in ends.items()
        }

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> Chunk:
        self.reads += 1
        at = TopicPartition(topic, partition)
        bounds = self.bounds([topic])[at]
        if not bounds.start <= offset <= bounds.end:
            raise OffsetOutOfRange(f"{at} {offset}")
        own = sorted(r for r in self.records if r.at == at and r.offset >= offset)
        own = own[: min(max_records, self.at_once)]
        return Chunk(
            topic,
            partition,
            [r.offset for r in own],
            [r.time_ms for r in own],
            [b"%d" % r.offset for r in own],
            [r.value for r in own],
            [(("h", b"%d" % r.time_ms),) for r in own],
        )


@st.composite
def logs(draw: Any) -> FakeLog:
    """Up to five partitions of three topics; times never fall within one, offsets have gaps."""
    records = []
    partitions = st.tuples(st.sampled_from(TOPICS), st.integers(0, 2))
    for topic, partition in draw(st.lists(partitions, unique=True, max_size=5)):
        offset = time_ms = 0
        for _ in range(draw(st.integers(0, 12))):
            offset += draw(st.sampled_from([0, 0, 0, 1, 3]))
            time_ms += draw(st.sampled_from([0, 0, 1, 5]))
            size = draw(st.sampled_from([None, 0, 3, 10, 40, 90]))
            records.append(Record(time_ms, topic, partition, offset, size))
            offset += 1
    log = FakeLog(records, at_once=draw(st.sampled_from([1, 2, 3, 1000])))
    log.markers = draw(st.sampled_from([0, 2]))
    return log


def sliced(log: FakeLog, max_records: int) -> Slicer:
    return Slicer(log, TOPICS, ["labels"], max_records)  # type: ignore[arg-type]


def expected(log: FakeLog, positions: Positions, most: int, most_bytes: int) -> list[Record]:
    """The first records of the merge, by the rule as it is written down."""
    unread = sorted(r for r in log.records if r.offset >= positions.get(r.at, 0))
    taken, size = [], 0
    for record in unread[:most]:
        size += len(record.value or b"")
        if size > most_bytes and taken:
            break
        taken.append(record)
    return taken


def check(taken: Taken, log: FakeLog, positions: Positions, wanted: list[Record]) -> None:
    """What was taken is what is wanted, in every column, and the slices say so."""
    assert [(s.topic, s.partition) for s in taken.slices] == sorted({r.at for r in wanted})
    for chunk, slice_ in zip(taken.chunks, taken.slices, strict=True):
        own = [r for r in wanted if r.at == slice_.at]
        assert list(chunk.offsets) == [r.offset for r in own]
        assert list(chunk.values) == [r.value for r in own]
        assert slice_.start == positions.get(slice_.at, 0)
        assert (slice_.stop, slice_.records) == (own[-1].offset + 1, len(own))
    assert taken.newest_ms == max((r.time_ms for r in wanted), default=None)
    left = [
        r.time_ms
        for r in log.records
        if r.topic == "labels" and r.offset >= positions.get(r.at, 0) and r not in wanted
    ]
    assert taken.unread_ms == min(left, default=None)
    for topic in TOPICS:
        own = [r for r in wanted if r.topic == topic]
        raw = taken.records(topic)
        assert list(zip(raw.partitions, raw.offsets, raw.values, strict=True)) == [
            (r.partition, r.offset, r.value) for r in own
        ]
        by_partition = sorted(own, key=lambda r: (r.partition, r.offset))
        assert taken.by_partition(topic).offsets == [r.offset for r in by_partition]


@settings(max_examples=150, deadline=None)
@given(logs(), st.integers(1, 9), st.sampled_from([100, 150, 10**9]), st.data())
def test_every_step_is_the_next_part_of_the_merge(log, most, most_bytes, data):
    """Whatever was read ahead before: else a run that was killed takes other steps.

    A slicer that goes on, one that is new at every step, and the plain rule must agree, and
    reading the slices again must give the same.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "STEP_BYTES", most_bytes)
        going_on, positions, order = sliced(log, most), dict[TopicPartition, int](), list[Record]()
        while True:
            limit = data.draw(st.none() | st.integers(1, most + 2))
            wanted = expected(log, positions, min(limit or most, most), most_bytes)
            taken = going_on.take(positions, limit)
            check(taken, log, positions, wanted)
            fresh = sliced(log, most)
            assert fresh.take(positions, limit) == taken
            assert fresh.again(taken.slices, taken.unread_ms) == taken
            if not wanted:
                break
            order += wanted
            positions |= {s.at: s.stop for s in taken.slices}
    if most_bytes == 10**9:
        assert order == sorted(log.records)
    assert sorted(order) == sorted(log.records)


def many(topic: str, n: int, partition: int = 0, first: int = 0) -> list[Record]:
    return [Record(i, topic, partition, i, 5) for i in range(first, n)]


def test_a_step_ends_at_its_bytes(monkeypatch):
    """Else a thousand large records are one step, and the memory of the machine its bound."""
    monkeypatch.setattr(module, "STEP_BYTES", 100)
    log = FakeLog([Record(i, "events", 0, i, 30) for i in range(10)])
    assert [s.records for s in sliced(log, 1000).take({}).slices] == [3]
    large = FakeLog([Record(i, "events", 0, i, 500) for i in range(3)])
    assert [s.records for s in sliced(large, 1000).take({}).slices] == [1], "one at least"


def test_reading_ahead_stops_at_the_bytes_of_a_step(monkeypatch):
    """What waits in memory is bounded, however far behind the pipeline is."""
    monkeypatch.setattr(module, "STEP_BYTES", 100)
    log = FakeLog([Record(i, "events", 0, i, 30) for i in range(10_000)], at_once=2)
    going_on, position = sliced(log, 5000), 0
    for _ in range(10):
        (slice_,) = going_on.take({TopicPartition("events", 0): position}).slices
        position = slice_.stop
    assert log.reads <= 30


def test_expired_records_stop_and_say_where():
    """Else events are skipped in silence."""
    log = FakeLog(many("events", 20, first=10))
    log.starts[TopicPartition("events", 0)] = 10
    with pytest.raises(OffsetOutOfRange, match=r"events\[0\]: offset 4 .*below 10.*retention"):
        sliced(log, 5).take({TopicPartition("events", 0): 4})
    assert sliced(log, 5).take({TopicPartition("events", 0): 10}).slices[0].start == 10


def test_a_partition_that_appears_later_is_read_from_its_beginning():
    """Else the first records of a grown topic are never predicted."""
    log = FakeLog(many("events", 3))
    going_on = sliced(log, 10)
    positions = {s.at: s.stop for s in going_on.take({}).slices}
    log.records += [Record(1, "events", 7, 0, 5)]
    (slice_,) = going_on.take(positions).slices
    assert (slice_.at, slice_.start) == (TopicPartition("events", 7), 0)


def test_records_that_come_between_two_steps_are_merged_where_they_belong():
    """What was read ahead does not go before what was written earlier elsewhere."""
    log = FakeLog([Record(10, "events", 0, i, 5) for i in range(6)])
    going_on = sliced(log, 2)
    positions = {s.at: s.stop for s in going_on.take({}).slices}
    log.records += [Record(9, "labels", 0, 0, 5), Record(11, "labels", 0, 1, 5)]
    taken = going_on.take(positions)
    assert [(s.topic, s.records) for s in taken.slices] == [("events", 1), ("labels", 1)]
    assert taken.unread_ms == 11
    assert sliced(log, 2).take(positions) == taken


def test_only_transaction_markers_are_nothing_to_take():
    """They count neither as lag nor against idle."""
    log = FakeLog(many("events", 3))
    log.markers = 2
    at = TopicPartition("events", 0)
    assert sliced(log, 10).take({at: 3}).slices == []
    assert sliced(log, 10).take({at: 5}).slices == []
    assert sliced(log, 10).take({at: 3}).newest_ms is None


def test_a_quiet_log_is_not_read():
    """An idle pipeline asks for the bounds only."""
    log = FakeLog(many("events", 3))
    going_on = sliced(log, 10)
    positions = {s.at: s.stop for s in going_on.take({}).slices}
    before = log.reads
    for _ in range(5):
        assert going_on.take(positions).slices == []
    assert log.reads == before


@pytest.mark.parametrize("column", ["values", "keys", "headers"])
def test_a_changed_record_is_found_when_read_again(column, monkeypatch):
    """The state would be another one than the log gave: recovery must refuse."""
    log = FakeLog(many("events", 4))
    slices = sliced(log, 10).take({}).slices
    read = log.read

    def changed(*arguments: Any) -> Chunk:
        chunk = read(*arguments)
        other: Any = (("h", b"other"),) if column == "headers" else b"other"
        setattr(chunk, column, [other, *list(getattr(chunk, column))[1:]])
        return chunk

    assert sliced(log, 10).again(slices, None).slices == slices
    monkeypatch.setattr(log, "read", changed)
    with pytest.raises(InputChanged, match=r"events\[0\] offsets 0 to 4.*--new-state"):
        sliced(log, 10).again(slices, None)


def test_missing_records_are_found_when_read_again():
    log = FakeLog(many("events", 8))
    slices = sliced(log, 10).take({}).slices
    log.records = log.records[:-1]
    with pytest.raises(InputChanged, match="missing|events"):
        sliced(log, 10).again(slices, None)
    log.records = many("events", 8)
    log.starts[TopicPartition("events", 0)] = 3
    with pytest.raises(InputChanged, match=r"events\[0\]"):
        sliced(log, 10).again(slices, None)


def test_an_empty_key_is_not_a_missing_one():
    """Two logs that differ in it are two logs."""
    one, other = (Chunk("t", 0, [0], [0], [key], [b"v"], [()]) for key in (None, b""))
    assert module.slice_of(one, 0) != module.slice_of(other, 0)
    keys = ([b"ab", b""], [b"a", b"b"])
    one, other = (Chunk("t", 0, [0, 1], [0, 0], k, [b"", b""], [(), ()]) for k in keys)
    assert module.slice_of(one, 0) != module.slice_of(other, 0)
