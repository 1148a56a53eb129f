"""Chooses what a step takes: a pure function of the positions and of what is in the log.

Records of all input partitions are merged one by one by (append time, topic, partition,
offset), so that after an outage events and labels are read in the order in which they came.
Within a partition both append time and offset ascend, so the merge takes a prefix of each
partition, and a slice is enough to say which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from xxhash import xxh3_128

from stream_cl.core.errors import InputChanged, OffsetOutOfRange
from stream_cl.core.limits import RECORD_BYTES
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Chunk, Slice, TopicPartition
from stream_cl.pipeline.taken import Taken

STEP_BYTES: Final = 32_000_000
"""A step takes no further record that would give its values more bytes than this."""

assert RECORD_BYTES < STEP_BYTES, "reading ahead must go beyond what a step takes"


NOTHING: Final = Taken([], [], None, None)


class Slicer:
    """Reads ahead from the input topics and cuts steps.

    Args:
        transport: the log.
        topics: the input topics.
        labels: those of them whose unread records hold back expiry.
        max_records: most records per step.

    Memory: about 2 × max_records records per partition, of which a log
    gives no more at once than it likes to hold in memory.
    """

    def __init__(
        self, transport: Transport, topics: Sequence[str], labels: Sequence[str], max_records: int
    ) -> None:
        self._transport = transport
        self._topics = sorted(topics)
        self._labels = frozenset(labels)
        self._max_records = max_records
        self._ahead: dict[TopicPartition, tuple[int, Chunk]] = {}

    def take(self, positions: Mapping[TopicPartition, int], limit: int | None = None) -> Taken:
        """The next slices from `positions`, at most `limit` (or `max_records`) records.

        A partition that is not in `positions` starts at 0: it appeared later.

        Raises:
            OffsetOutOfRange: records at a position have expired.
        """
        wanted = min(limit or self._max_records, self._max_records)
        ahead = self._look_ahead(positions)
        if not ahead:
            return NOTHING
        counts = _merge(ahead, wanted)
        chunks, slices, unread, newest = [], [], [], 0
        for chunk, count in zip(ahead, counts, strict=True):
            if count:
                part = chunk.part(0, count)
                chunks.append(part)
                start = positions.get(TopicPartition(chunk.topic, chunk.partition), 0)
                slices.append(slice_of(part, start))
                newest = max(newest, part.timestamps_ms[-1])
            if chunk.topic in self._labels and count < len(chunk):
                unread.append(chunk.timestamps_ms[count])
        return Taken(chunks, slices, newest, min(unread, default=None))

    def oldest_ms(self, positions: Mapping[TopicPartition, int]) -> int | None:
        """Append time of the oldest record from `positions` on that was read ahead, if any was."""
        ahead = self._ahead.items()
        found = [_from(chunk, positions.get(at, 0)) for at, (_, chunk) in ahead]
        return min((chunk.timestamps_ms[0] for chunk in found if chunk), default=None)

    def again(self, slices: Sequence[Slice], unread_ms: int | None) -> Taken:
        """Read slices of the manifest once more.

        Raises:
            InputChanged: records are gone, or are not those that were read before.
        """
        chunks, newest = [], 0
        for wanted in slices:
            chunk = self._read_slice(wanted)
            if slice_of(chunk, wanted.start) != wanted:
                raise InputChanged(_changed(wanted, "its records are not those of the manifest"))
            chunks.append(chunk)
            newest = max(newest, chunk.timestamps_ms[-1])
        return Taken(chunks, list(slices), newest if chunks else None, unread_ms)

    def _read_slice(self, wanted: Slice) -> Chunk:
        parts: list[Chunk] = []
        offset, left = wanted.start, wanted.records
        while left:
            try:
                part = self._transport.read(wanted.topic, wanted.partition, offset, left)
            except OffsetOutOfRange as error:
                raise InputChanged(_changed(wanted, str(error))) from error
            if not len(part):
                raise InputChanged(_changed(wanted, "records are missing"))
            parts.append(part)
            offset, left = part.offsets[-1] + 1, left - len(part)
        return _join(parts)

    def _look_ahead(self, positions: Mapping[TopicPartition, int]) -> list[Chunk]:
        """What is known beyond the positions, for each partition that has something."""
        bounds = self._transport.bounds(self._topics)
        ahead = []
        for at in sorted(bounds):
            position = positions.get(at, 0)
            if position < bounds[at].start:
                raise OffsetOutOfRange(
                    f"{at.topic}[{at.partition}]: offset {position} is next, but records below "
                    f"{bounds[at].start} have expired; lengthen the topic's retention, and see "
                    "`stream-cl doctor` for the ways on"
                )
            chunk = self._filled(at, position, bounds[at].end)
            if len(chunk):
                self._ahead[at] = position, chunk
                ahead.append(chunk)
        return ahead

    def _filled(self, at: TopicPartition, position: int, end: int) -> Chunk:
        """As much from `position` as a step can take, in records or in bytes, or all there is.

        Of labels one record more, so that the first that is left unread is known, whatever was
        read ahead before.
        """
        enough = self._max_records + (at.topic in self._labels)
        since, chunk = self._ahead.pop(at, (0, None))
        # After a commit that failed the position is an earlier one again.
        chunk = _from(chunk, position) if since <= position else None
        parts = [chunk] if chunk else []
        records = len(chunk) if chunk else 0
        size = _bytes(chunk) if chunk and records < enough else 0
        following = chunk.offsets[-1] + 1 if chunk else position
        while following < end and records < enough and size <= STEP_BYTES:
            part = self._transport.read(at.topic, at.partition, following, enough)
            if not len(part):
                break  # only transaction markers are left
            parts.append(part)
            records, size = records + len(part), size + _bytes(part)
            following = part.offsets[-1] + 1
        return _join(parts) if parts else Chunk(at.topic, at.partition, [], [], [], [], [])


def slice_of(chunk: Chunk, start: int) -> Slice:
    """The slice that a chunk is, when reading began at `start`.

    `start` and the first record's offset differ where the log has gaps.
    """
    return Slice(
        chunk.topic, chunk.partition, start, chunk.offsets[-1] + 1, len(chunk), _digest(chunk)
    )


def _digest(chunk: Chunk) -> str:
    """Digest of keys, values and headers; costs about 0.15 µs a record.

    XXH3 in 128 bits (Collet 2019): it must show that records are others than before, not
    withstand somebody who can write the manifest too.
    """
    hasher = xxh3_128()
    for column in (chunk.keys, chunk.values):
        lengths = [-1 if item is None else len(item) for item in column]
        hasher.update(np.array(lengths, dtype="<i4").tobytes())
        hasher.update(b"".join([item for item in column if item]))
    if any(chunk.headers):
        for i, headers in enumerate(chunk.headers):
            hasher.update(b"%d" % i + repr(headers).encode() if headers else b"")
    return hasher.hexdigest()


def _merge(chunks: list[Chunk], wanted: int) -> list[int]:
    """How many records of each chunk are among the first `wanted` of the merge."""
    if len(chunks) == 1:
        counts = [min(wanted, len(chunks[0]))]
    else:
        # The chunks stand in (topic, partition) order, so a stable sort by time is the merge.
        times = np.concatenate([np.asarray(c.timestamps_ms, dtype=np.int64) for c in chunks])
        owner = np.repeat(np.arange(len(chunks)), [len(c) for c in chunks])
        first = owner[np.argsort(times, kind="stable")[:wanted]]
        counts = np.bincount(first, minlength=len(chunks)).tolist()
    return _within_bytes(chunks, counts)


def _within_bytes(chunks: list[Chunk], counts: list[int]) -> list[int]:
    """Cut the merge where it has STEP_BYTES; at least one record is taken."""
    if sum(counts) * RECORD_BYTES <= STEP_BYTES:
        return counts
    taken = [c.part(0, n) for c, n in zip(chunks, counts, strict=True)]
    if sum(_bytes(part) for part in taken) <= STEP_BYTES:
        return counts
    merged = sorted(
        (time, i, j) for i, part in enumerate(taken) for j, time in enumerate(part.timestamps_ms)
    )
    size, cut = 0, [0] * len(chunks)
    for _, i, j in merged:
        size += len(taken[i].values[j] or b"")
        if size > STEP_BYTES and any(cut):
            break
        cut[i] = j + 1
    return cut


def _bytes(chunk: Chunk) -> int:
    return sum([len(value) for value in chunk.values if value])


def _from(chunk: Chunk | None, position: int) -> Chunk | None:
    """What of a chunk is at `position` or beyond it."""
    if chunk is None or chunk.offsets[-1] < position:
        return None
    index = int(np.searchsorted(np.asarray(chunk.offsets), position))
    return chunk.part(index, len(chunk)) if index else chunk


def _join(parts: list[Chunk]) -> Chunk:
    if len(parts) == 1:
        return parts[0]
    joined = Chunk(parts[0].topic, parts[0].partition, [], [], [], [], [])
    for name in ("offsets", "timestamps_ms", "keys", "values", "headers"):
        setattr(joined, name, [item for part in parts for item in getattr(part, name)])
    return joined


def _changed(wanted: Slice, what: str) -> str:
    return (
        f"{wanted.topic}[{wanted.partition}] offsets {wanted.start} to {wanted.stop}: {what}. "
        "Ways out: put the records back (restore the log), or give up the learned state and go "
        "on behind the last step with `stream-cl run --new-state`"
    )
