"""What every transport must do: subclass `TransportContract` in a pytest file.

Longer than other files because a contract is read, and inherited, as one class.

    class TestMyTransport(TransportContract):
        @pytest.fixture
        def open_transport(self, tmp_path):
            opened = []

            def open_again():
                opened.append(MyTransport(tmp_path))
                return opened[-1]

            yield open_again
            for transport in opened:
                transport.close()

`open_transport()` opens the same log anew, as another process would; each test gets a log
of its own. A subclass whose append times come from a clock that can be set overrides
`set_clock` too; without it the test that sets the clock back is skipped. Where transactions
take offsets for themselves, as Kafka's do, a subclass says how many: `marker_offsets`. Where all
tests share one log, `testing.prefixed` gives each topics of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import ClassVar

import pytest

from stream_cl.core import limits
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import (
    Fenced,
    OffsetOutOfRange,
    RecordTooLarge,
    TransportError,
    UnknownTopic,
)
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Bounds, Chunk, Outgoing, TopicPartition

OpenTransport = Callable[[], Transport]
SetClock = Callable[[int], None]


def outgoing(topic: str, values: Iterable[bytes], partition: int = 0) -> Outgoing:
    """A batch without keys and headers."""
    values = list(values)
    return Outgoing(topic, partition, [None] * len(values), values)


def read_all(transport: Transport, topic: str, partition: int = 0) -> Chunk:
    """Every record of a partition, in one chunk."""
    place = TopicPartition(topic, partition)
    start, end = transport.bounds([topic])[place]
    chunk = read_many(transport, place, start, end - start)
    position = chunk.offsets[-1] + 1 if len(chunk) else start
    end = transport.bounds([topic])[place].end
    assert position == end, f"nothing was read at {position}, below the end {end}"
    return chunk


def read_many(transport: Transport, place: TopicPartition, start: int, max_records: int) -> Chunk:
    """`max_records` records from `start` on, or all there are, in one chunk."""
    whole = Chunk(*place, [], [], [], [], [])
    while max_records:
        chunk = transport.read(*place, start, max_records)
        if not len(chunk):
            break
        whole = Chunk(
            *place,
            [*whole.offsets, *chunk.offsets],
            [*whole.timestamps_ms, *chunk.timestamps_ms],
            [*whole.keys, *chunk.keys],
            [*whole.values, *chunk.values],
            [*whole.headers, *chunk.headers],
        )
        start, max_records = chunk.offsets[-1] + 1, max_records - len(chunk)
    return whole


class TransportContract:
    """Tests that hold for the embedded log and for Kafka. `a` and `b` are their topics.

    marker_offsets: offsets that a transaction takes behind its records in each partition that
        it writes to.
    first_of_nothing: what is told as the first offset of a batch without records; None for the
        end of the partition.
    """

    marker_offsets: ClassVar[int] = 0
    first_of_nothing: ClassVar[int | None] = None

    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        """A function that opens the log of this test, again at each call."""
        raise NotImplementedError("a subclass says how to open its transport")

    @pytest.fixture
    def set_clock(self) -> SetClock | None:
        """A function that sets the clock of append times, in ms; None where none can."""
        return None

    @pytest.fixture
    def transport(self, open_transport: OpenTransport) -> Transport:
        """The log, with topics `a` of two partitions and `b` of one."""
        transport = open_transport()
        transport.create_topic("a", 2)
        transport.create_topic("b")
        return transport

    def test_what_is_written_is_read(self, transport: Transport) -> None:
        """Else events reach the learner changed: keys, headers or binary values."""
        keys = [b"key", None, b"", bytes(range(256))]
        values = [b"value", b"", bytes(range(256)), b"\x00" * 1000]
        common = (("content-type", b"application/json"), ("empty", b""), ("again", b"1"))
        each: dict[str, Sequence[bytes]] = {
            "step": [b"0", b"1", b"", b"\xff"],
            "ünïcode": [b"a", b"b", b"c", b"d"],
        }
        batch = Outgoing("a", 1, keys, values, common, each)
        assert transport.append([batch]) == [0]
        chunk = read_many(transport, TopicPartition("a", 1), 0, 4)
        assert (chunk.topic, chunk.partition) == ("a", 1)
        assert list(chunk.offsets) == [0, 1, 2, 3]
        assert list(chunk.keys) == keys
        assert list(chunk.values) == values
        assert [tuple(headers) for headers in chunk.headers] == [batch.headers(i) for i in range(4)]
        assert len(chunk.timestamps_ms) == 4

    def test_offsets_go_on(self, transport: Transport, open_transport: OpenTransport) -> None:
        """Else records are lost or read twice after another process appended."""
        assert transport.append([outgoing("b", [b"0", b"1"])]) == [0]
        other, gap = open_transport(), self.marker_offsets
        assert other.append([outgoing("b", [b"2"])]) == [2 + gap]
        assert transport.append([outgoing("b", [b"3", b"4"])]) == [3 + 2 * gap]
        assert list(read_all(other, "b").values) == [b"0", b"1", b"2", b"3", b"4"]
        expected = [0, 1, 2 + gap, 3 + 2 * gap, 4 + 2 * gap]
        assert list(read_all(other, "b").offsets) == expected

    def test_several_batches_of_one_partition(self, transport: Transport) -> None:
        """Else a producer that sends two batches at once overwrites its own records."""
        batches = [outgoing("a", [b"0", b"1"]), outgoing("b", [b"x"]), outgoing("a", [b"2"])]
        assert transport.append(batches) == [0, 0, 2]
        assert list(read_all(transport, "a").values) == [b"0", b"1", b"2"]

    def test_an_empty_batch(self, transport: Transport) -> None:
        """Else a step without outputs would fail."""
        transport.append([outgoing("b", [b"0"])])
        first = 1 if self.first_of_nothing is None else self.first_of_nothing
        assert transport.append([outgoing("b", [])]) == [first]
        assert transport.append([]) == []
        assert len(read_all(transport, "b")) == 1

    @pytest.mark.parametrize(("offset", "max_records"), [(0, 4), (3, 4), (4, 3), (7, 100), (9, 1)])
    def test_reading_starts_and_ends_anywhere(
        self, transport: Transport, offset: int, max_records: int
    ) -> None:
        """Else a slice gets records of its neighbours, or too many."""
        for first in (0, 5):
            values = [b"%d" % i for i in range(first, first + 5)]
            each: dict[str, Sequence[bytes]] = {"n": values}
            transport.append([Outgoing("b", 0, values, values, (("all", b""),), each)])
        gap = self.marker_offsets
        start = offset + gap * (offset >= 5)
        chunk = read_many(transport, TopicPartition("b", 0), start, max_records)
        expected = range(offset, min(offset + max_records, 10))
        assert list(chunk.offsets) == [i + gap * (i >= 5) for i in expected]
        assert list(chunk.values) == [b"%d" % i for i in expected]
        assert list(chunk.keys) == list(chunk.values)
        assert [headers[-1] for headers in chunk.headers] == [("n", b"%d" % i) for i in expected]

    def test_reading_at_the_end_gives_nothing(self, transport: Transport) -> None:
        """Else a pipeline that has caught up would fail."""
        assert len(transport.read("b", 0, 0, 10)) == 0
        transport.append([outgoing("b", [b"0"])])
        assert len(transport.read("b", 0, 1, 10)) == 0

    def test_out_of_range_names_the_place(self, transport: Transport) -> None:
        """Else an expired input would be skipped in silence, or not be found."""
        transport.append([outgoing("a", [b"0", b"1", b"2"], partition=1)])
        transport.truncate("a", 1, 2)
        for offset in (1, 4 + self.marker_offsets):
            with pytest.raises(OffsetOutOfRange) as raised:
                transport.read("a", 1, offset, 1)
            assert "a" in str(raised.value)
            assert str(offset) in str(raised.value)
        assert list(transport.read("a", 1, 2, 10).values) == [b"2"]

    def test_truncated_offsets_are_not_used_again(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else a position would silently mean other records than before."""
        transport.append([outgoing("b", [b"0", b"1", b"2"])])
        transport.truncate("b", 0, 3)
        transport.truncate("b", 0, 1)  # below the start: nothing happens
        end = 3 + self.marker_offsets
        assert open_transport().bounds(["b"]) == {TopicPartition("b", 0): Bounds(3, end)}
        assert transport.append([outgoing("b", [b"3"])]) == [end]
        assert list(read_all(transport, "b").values) == [b"3"]

    def test_bounds(self, transport: Transport) -> None:
        """Else the slicer waits for records that are not there, or misses some."""
        nothing = Bounds(0, 0)
        a0, a1, b0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)
        assert transport.bounds(["a", "b"]) == {a0: nothing, a1: nothing, b0: nothing}
        transport.append([outgoing("a", [b"0", b"1"], 1), outgoing("b", [b"0"])])
        gap = self.marker_offsets
        expected = {a0: nothing, a1: Bounds(0, 2 + gap), b0: Bounds(0, 1 + gap)}
        assert transport.bounds(["a", "b"]) == expected
        assert transport.bounds([]) == {}

    def test_what_was_read_is_behind(self, transport: Transport) -> None:
        """Else a pipeline that has read everything never sees that it is idle."""
        b0 = TopicPartition("b", 0)
        for _ in range(3):
            position = transport.append([outgoing("b", [b"0"])])[0] + 1
            read_all(transport, "b")
            assert transport.bounds(["b"])[b0].end == position
            assert len(transport.read("b", 0, position, 10)) == 0
        position = transport.append([outgoing("b", [b"1", b"2"])])[0]
        assert transport.bounds(["b"])[b0].end == position + 2 + self.marker_offsets
        assert list(read_many(transport, b0, position, 9).values) == [b"1", b"2"]

    def test_nothing_is_written_if_one_batch_is_refused(self, transport: Transport) -> None:
        """Else half a step would be published."""
        good = outgoing("a", [b"0"])
        too_large = outgoing("b", [b"x" * (limits.RECORD_BYTES + 1)])
        with pytest.raises(RecordTooLarge):
            transport.append([good, too_large])
        with pytest.raises(UnknownTopic):
            transport.append([good, outgoing("nowhere", [b"0"])])
        with pytest.raises(UnknownTopic):
            transport.append([good, outgoing("b", [b"0"], partition=1)])
        assert {bounds.end for bounds in transport.bounds(["a", "b"]).values()} == {0}

    def test_the_largest_record_is_taken(self, transport: Transport) -> None:
        """Else the limit that users are told of is not the real one."""
        value = b"x" * limits.RECORD_BYTES
        transport.append([outgoing("b", [value, value, b"small"])])
        assert list(read_all(transport, "b").values) == [value, value, b"small"]

    def test_group_offsets(self, transport: Transport, open_transport: OpenTransport) -> None:
        """Else a reader that starts again reads twice or skips."""
        a0, b0 = TopicPartition("a", 0), TopicPartition("b", 0)
        assert transport.group_offsets("readers") == {}
        transport.append_and_commit([], "readers", {a0: 1, b0: 5})
        transport.append_and_commit([outgoing("a", [b"0"])], "readers", {a0: 2})
        transport.append_and_commit([], "others", {a0: 9})
        other = open_transport()
        assert other.group_offsets("readers") == {a0: 2, b0: 5}
        assert other.group_offsets("others") == {a0: 9}

    def test_a_step_is_written_as_a_whole(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else predictions could be there without the step's offsets, or twice."""
        writer = transport.writer("pipeline")
        offsets = {TopicPartition("b", 0): 7}
        batches = [outgoing("a", [b"0"]), outgoing("a", [b"1", b"2"], 1), outgoing("b", [b"3"])]
        assert writer.commit(batches, "pipeline", offsets) == [0, 0, 0]
        gap = self.marker_offsets
        assert writer.commit([outgoing("a", [b"4"], 1)], "pipeline", {}) == [2 + gap]
        other = open_transport()
        assert list(read_all(other, "a", 1).values) == [b"1", b"2", b"4"]
        assert other.group_offsets("pipeline") == offsets
        with pytest.raises(UnknownTopic):
            writer.commit([outgoing("a", [b"5"]), outgoing("nowhere", [b"6"])], "pipeline", {})
        assert other.bounds(["a"])[TopicPartition("a", 0)].end == 1 + gap

    def test_what_is_done_while_a_commit_waits(self, transport: Transport) -> None:
        """Once at most, and with the step: else the next one would be taken twice, or a fault in
        taking it would leave a step that nobody knows of."""
        calls: list[int] = []
        writer = transport.writer("pipeline")
        writer.commit([outgoing("a", [b"0"])], "pipeline", {}, lambda: calls.append(1))
        assert len(calls) <= 1

        def fails() -> None:
            raise TransportError("taking the next step failed")

        if calls:
            with pytest.raises(TransportError, match="taking the next step"):
                writer.commit([outgoing("a", [b"1"])], "pipeline", {}, fails)
            writer = transport.writer("pipeline")
        writer.commit([outgoing("a", [b"2"])], "pipeline", {})
        assert list(read_all(transport, "a").values) == [b"0", b"2"]

    def test_an_earlier_writer_is_fenced(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else two pipelines would answer every event, each with its own state."""
        earlier = transport.writer("pipeline")
        earlier.commit([outgoing("a", [b"0"])], "pipeline", {})
        later = open_transport().writer("pipeline")
        assert later.epoch > earlier.epoch
        with pytest.raises(Fenced, match="pipeline"):
            earlier.commit([outgoing("a", [b"1"])], "pipeline", {TopicPartition("a", 0): 1})
        later.commit([outgoing("a", [b"2"])], "pipeline", {})
        with pytest.raises(Fenced):
            earlier.commit([], "pipeline", {})
        assert list(read_all(transport, "a").values) == [b"0", b"2"]
        assert transport.group_offsets("pipeline") == {}

    def test_writers_of_other_names_do_not_fence(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else an annotator would stop the pipeline."""
        writer = transport.writer("one")
        open_transport().writer("two").commit([outgoing("a", [b"0"])], "two", {})
        second = writer.commit([outgoing("a", [b"1"])], "one", {})
        assert second == [1 + self.marker_offsets]

    def test_append_times_never_fall(
        self, transport: Transport, set_clock: SetClock | None
    ) -> None:
        """Else the order of events and labels would depend on who looks when."""
        if set_clock is None:
            pytest.skip("this transport's clock cannot be set")
        for now_ms in (2_000, 1_000, 3_000, 2_500):
            set_clock(now_ms)
            transport.append([outgoing("a", [b"x", b"y"])])
        assert list(read_all(transport, "a").timestamps_ms) == [2000] * 4 + [3000] * 4

    def test_records_of_one_batch_have_times_in_order(self, transport: Transport) -> None:
        """Else merging by append time would reorder a partition."""
        for _ in range(3):
            transport.append([outgoing("a", [b"x"] * 5)])
        times = read_all(transport, "a").timestamps_ms
        assert all(earlier <= later for earlier, later in pairwise(times))

    def test_what_is_settled_is_all_there(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else a pipeline that takes over misses the last step of the one before."""
        earlier, other = transport.writer("pipeline"), open_transport()
        for i in range(5):
            earlier.commit([outgoing("b", [b"%d" % i])], "pipeline", {})
            other.writer("pipeline")
            other.settle("b")
            assert list(read_all(other, "b").values) == [b"%d" % j for j in range(i + 1)]
            earlier = transport.writer("pipeline")
        with pytest.raises(UnknownTopic):
            transport.settle("nowhere")

    def test_unknown_topics(self, transport: Transport) -> None:
        """Else a misspelt topic would look like one without records."""
        with pytest.raises(UnknownTopic, match="nowhere"):
            transport.read("nowhere", 0, 0, 1)
        with pytest.raises(UnknownTopic, match="b"):
            transport.read("b", 1, 0, 1)
        with pytest.raises(UnknownTopic, match="nowhere"):
            transport.bounds(["a", "nowhere"])
        with pytest.raises(UnknownTopic, match="nowhere"):
            transport.partition_for("nowhere", b"key")

    def test_creating_a_topic_again(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else a second start fails, or keys go to other partitions than before."""
        transport.append([outgoing("a", [b"0"])])
        other = open_transport()
        other.create_topic("a", 2)
        assert {name: other.topics()[name] for name in ("a", "b")} == {"a": 2, "b": 1}
        with pytest.raises(TransportError, match="a"):
            other.create_topic("a", 3)
        assert len(read_all(transport, "a")) == 1

    def test_a_topic_created_by_another_is_found(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else a pipeline would have to be started again to see a new topic."""
        with pytest.raises(UnknownTopic):
            transport.bounds(["c"])
        open_transport().create_topic("c", 3)
        transport.append([outgoing("c", [b"0"], partition=2)])
        assert transport.topics()["c"] == 3

    def test_a_key_keeps_its_partition(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else labels and examples of one event would be in different shards."""
        transport.create_topic("wide", 5)
        keys = [b"%d" % i for i in range(100)] + [b""]
        chosen = [transport.partition_for("wide", key) for key in keys]
        other = open_transport()
        assert [other.partition_for("wide", key) for key in keys] == chosen
        assert set(chosen) == set(range(5))

    def test_waiting_ends_when_something_comes(
        self, transport: Transport, open_transport: OpenTransport
    ) -> None:
        """Else a pipeline would sleep while records wait."""
        transport.bounds(["a", "b"])
        transport.wait(0.05, 0.01)
        open_transport().append([outgoing("b", [b"0"])])
        clock = SystemClock()
        began_s = clock.monotonic_s()
        transport.wait(30.0, 0.01)
        assert clock.monotonic_s() - began_s < 10
        end = transport.bounds(["b"])[TopicPartition("b", 0)].end
        assert end == 1 + self.marker_offsets

    def test_waiting_ends_by_itself(self, transport: Transport) -> None:
        """Else an idle pipeline could not be stopped, and would never expire a question."""
        transport.bounds(["a", "b"])
        transport.wait(0.05, 0.01)
        transport.wait(0.05, 0.01)
