"""Records of several topics in the order in which they came, in runs of one partition each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from typing import Final, NamedTuple

from stream_cl.core.errors import OffsetOutOfRange
from stream_cl.core.protocols import Transport
from stream_cl.core.records import Chunk, TopicPartition

RUN_RECORDS: Final = 1000
RUN_MS: Final = 10
"""Records and milliseconds of append time that a run spans at most."""


class _Place(NamedTuple):
    """Where a record stands in the merge; `row` is its place in `chunk`."""

    append_ms: int
    at: TopicPartition
    offset: int
    row: int
    chunk: Chunk


def runs(
    transport: Transport, topics: Sequence[str], positions: Mapping[TopicPartition, int]
) -> Iterator[Chunk]:
    """All records from `positions` up to the end of now, merged by (append time, topic, partition,
    offset) as a pipeline reads them. A partition that is not in `positions` is read from its start.

    A run is what stands in one partition without a record of another between it.

    Raises:
        UnknownTopic: a topic does not exist.
        OffsetOutOfRange: records at a position have expired.
    """
    bounds = transport.bounds(topics)
    merged = merge(
        *(
            _partition(transport, at, positions.get(at, known.start), known.end)
            for at, known in bounds.items()
        ),
        key=lambda place: place[:3],
    )
    run: list[_Place] = []
    for place in merged:
        if run and (
            place.at != run[0].at
            or len(run) == RUN_RECORDS
            or place.append_ms > run[0].append_ms + RUN_MS
        ):
            yield _chunk(run)
            run = []
        run.append(place)
    if run:
        yield _chunk(run)


def _partition(
    transport: Transport, at: TopicPartition, position: int, end: int
) -> Iterator[_Place]:
    start = transport.bounds([at.topic])[at].start
    if position < start:
        raise OffsetOutOfRange(
            f"{at.topic}[{at.partition}]: offset {position} is next, but records below {start} "
            "have expired"
        )
    while position < end:
        chunk = transport.read(at.topic, at.partition, position, RUN_RECORDS)
        for row, offset in enumerate(chunk.offsets):
            if offset < end:
                yield _Place(chunk.timestamps_ms[row], at, offset, row, chunk)
        position = chunk.offsets[-1] + 1 if len(chunk) else end


def _chunk(run: list[_Place]) -> Chunk:
    at = run[0].at
    return Chunk(
        at.topic,
        at.partition,
        [place.offset for place in run],
        [place.append_ms for place in run],
        [place.chunk.keys[place.row] for place in run],
        [place.chunk.values[place.row] for place in run],
        [place.chunk.headers[place.row] for place in run],
    )
