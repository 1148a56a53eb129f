"""Reads partitions ahead and hands their records out: the same for every Kafka client."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Final

from stream_cl.core.clock import Clock
from stream_cl.core.errors import TransportError
from stream_cl.core.records import Chunk, TopicPartition
from stream_cl.transport.kafka_client import REPLY_S, Failed, KafkaReader

AHEAD_BYTES: Final = 32 * 2**20
AHEAD_RECORDS: Final = 50_000
"""A partition with as much in hand is paused, and goes on below a quarter of it."""
_POLL_S: Final = 1.0


class _Partition:
    """What is in hand of one partition: records from `start` on, without a gap, up to where the
    client's reader is. Of the first chunk those before `_at` were taken."""

    __slots__ = ("_at", "bytes", "chunks", "paused", "records", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.chunks: deque[Chunk] = deque()
        self.records = 0
        self.bytes = 0
        self.paused = False
        self._at = 0

    def add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.records += len(chunk)
        self.bytes += _bytes(chunk)

    def take(self, offset: int, max_records: int) -> Chunk | None:
        """The next records from `offset` on; those before it are dropped."""
        self.start = offset
        while self.chunks:
            offsets = self.chunks[0].offsets
            # Nearly always it goes on where it was.
            if offsets[self._at] < offset:
                self._go(bisect_left(offsets, offset))
                continue
            taken = self._go(self._at + max_records)
            self.start = taken.offsets[-1] + 1
            return taken
        return None

    def _go(self, to: int) -> Chunk:
        """Leave the first chunk's records before `to` behind; these records."""
        chunk = self.chunks[0]
        passed = chunk.part(self._at, to) if self._at or to < len(chunk) else chunk
        self.records -= len(passed)
        self.bytes -= _bytes(passed)
        self._at = to
        if to >= len(chunk):
            self.chunks.popleft()
            self._at = 0
        return passed


class Ahead:
    """The partitions that somebody reads, each with what was fetched of it.

    Memory: per partition that is read about AHEAD_BYTES, and what one poll gives beyond.
    """

    def __init__(
        self, reader: KafkaReader, clock: Clock, silent: Callable[[TopicPartition], TransportError]
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._silent = silent
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._failed: dict[TopicPartition, TransportError] = {}

    def drop_others(self, topics: Collection[str]) -> None:
        """Give up what is read ahead of any other topic."""
        others = [at for at in self._partitions if at.topic not in topics]
        for at in others:
            del self._partitions[at]
        if others:
            self._assign()

    def wait(self, places: Mapping[TopicPartition, int], timeout_s: float) -> None:
        """Wait until there are records in hand, `timeout_s` at most. Of these partitions, those
        that are not read yet are read from the given offsets on."""
        new = places.keys() - self._partitions.keys() - self._failed.keys()
        if new:
            self._partitions.update((at, _Partition(places[at])) for at in new)
            self._assign()
        if not any(hand.records for hand in self._partitions.values()):
            self.poll(timeout_s)

    def in_hand(self, place: TopicPartition, offset: int, max_records: int) -> Chunk | None:
        """At most `max_records` records from `offset` on, if any are here already."""
        hand = self._partitions.get(place)
        if hand is None or not hand.start <= offset or not hand.chunks:
            return None
        return hand.take(offset, max_records) if hand.chunks[-1].offsets[-1] >= offset else None

    def reached(self, place: TopicPartition) -> int:
        """The offset behind all that was fetched of a partition; 0 if it is not read."""
        return self._reader.position(place) if place in self._partitions else 0

    def read(
        self, place: TopicPartition, offset: int, max_records: int, end: int
    ) -> tuple[Chunk | None, int]:
        """At most `max_records` records from `offset` on, and the offset behind them.

        No chunk where there is no record between `offset` and the returned offset, which is at
        least `end` then.

        Raises:
            OffsetOutOfRange, UnknownTopic, TransportError: it cannot be read there.
            TransportError: nothing came for REPLY_S.
        """
        hand = self._at(place, offset)
        deadline_s = self._clock.monotonic_s() + REPLY_S
        while True:
            chunk = hand.take(offset, max_records)
            if chunk is not None:
                return chunk, chunk.offsets[-1] + 1
            if (reached := self._reader.position(place)) >= end:
                return None, reached
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                self._forget(place)
                raise self._silent(place)
            self.poll(min(left_s, _POLL_S))
            if place in self._failed:
                raise self._failed.pop(place)

    def poll(self, timeout_s: float) -> bool:
        """Take in what has come, or what comes first in the time given; whether it was anything."""
        self._pause()
        arrived = self._reader.poll(timeout_s)
        for one in arrived:
            if isinstance(one, Failed):
                self._failed[one.place] = one.error
                self._partitions.pop(one.place, None)
            elif (
                hand := self._partitions.get(TopicPartition(one.topic, one.partition))
            ) is not None:
                hand.add(one)
        return bool(arrived)

    def close(self) -> None:
        """Close the client's reader."""
        self._reader.close()

    def _at(self, place: TopicPartition, offset: int) -> _Partition:
        """What is in hand from `offset` on, after a jump where that is needed."""
        self._failed.pop(place, None)
        hand = self._partitions.get(place)
        if hand is None:
            self._partitions[place] = hand = _Partition(offset)
            self._assign()
        elif not hand.start <= offset <= self._reader.position(place):
            self._partitions[place] = hand = _Partition(offset)
            self._reader.seek(place, offset)
            self._reader.pause([place], False)
        return hand

    def _assign(self) -> None:
        self._reader.assign({at: one.start for at, one in self._partitions.items()})

    def _forget(self, place: TopicPartition) -> None:
        self._partitions.pop(place, None)
        self._assign()

    def _pause(self) -> None:
        for paused in (True, False):
            turned = [
                at for at, one in self._partitions.items() if one.paused != paused
                and _is_full(one, paused) == paused
            ]  # fmt: skip
            if turned:
                self._reader.pause(turned, paused)
                for at in turned:
                    self._partitions[at].paused = paused


def _is_full(hand: _Partition, going: bool) -> bool:
    share = 1 if going else 4
    return hand.bytes * share > AHEAD_BYTES or hand.records * share > AHEAD_RECORDS


def _bytes(chunk: Chunk) -> int:
    return sum([len(value) for value in chunk.values if value])
