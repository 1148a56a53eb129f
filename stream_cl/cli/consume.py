"""`stream-cl consume`: the records of a topic, one JSON object a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from enum import Enum
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from stream_cl.cli.common import ConfigPath, Sets, read_config
from stream_cl.core.errors import OffsetOutOfRange, UserError
from stream_cl.core.topics import NAMES, Topics

if TYPE_CHECKING:
    from stream_cl.core.protocols import Transport
    from stream_cl.core.records import Chunk, Headers

CHUNK_RECORDS: Final = 1000
_POLL_S: Final = 0.05

Name = Enum("Name", {name: name for name in NAMES}, type=str)  # type: ignore[misc] # the members are core's topics


class Found(NamedTuple):
    """A record, in the order in which records of several partitions are printed."""

    timestamp_ms: int
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def command(
    config: ConfigPath,
    topic: Annotated[Name, typer.Option("--topic", help="The topic, without its prefix.")],
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Records to print at most.")
    ] = None,
    first: Annotated[
        int, typer.Option("--from", metavar="OFFSET", min=0, help="Offset to begin at.")
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more at the end, until Ctrl-C.")
    ] = False,
    sets: Sets = None,
) -> None:
    """Print the records of a topic, one JSON object a line.

    Keys: key, value, headers, partition, offset, timestamp. A value that is JSON is printed
    as JSON, other text as a string, anything else as {"base64": …}. Only committed records
    are read, up to the end of the topic as it is at the start.
    """
    settings = read_config(config, sets)
    from stream_cl.build import open_transport
    from stream_cl.core.clock import SystemClock

    clock = SystemClock()

    def idle() -> None:
        sys.stdout.flush()
        clock.sleep(_POLL_S)

    if not settings.on_kafka and not settings.log_file.exists():
        # Reading must not leave an empty log behind.
        raise UserError(f"transport: there is no log {settings.log_file} yet; produce makes one")
    transport = open_transport(settings, clock)
    try:
        name = Topics(settings.topics.prefix).named(topic.value)
        known = transport.topics()
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise UserError(f"--topic: there is no topic {name} in the log; there are: {there}")
        for found in islice(records(transport, name, first, idle if follow else None), limit):
            sys.stdout.write(line(found))
    finally:
        transport.close()


def records(
    transport: Transport, topic: str, first: int, idle: Callable[[], None] | None
) -> Iterator[Found]:
    """The records of a topic by (append time, partition, offset), from offset `first` on.

    `idle` waits a little for more records; with None it ends at the topic's end of now.
    """
    positions: dict[int, int] = {}
    while True:
        bounds = transport.bounds([topic])
        streams = []
        for (_, partition), (start, end) in bounds.items():
            begin = max(start, min(end, positions.get(partition, first)))
            streams.append(_partition(transport, topic, partition, begin, end))
            positions[partition] = end
        yield from merge(*streams)
        if idle is None:
            return
        idle()


def _partition(
    transport: Transport, topic: str, partition: int, begin: int, end: int
) -> Iterator[Found]:
    position = begin
    while position < end:
        try:
            chunk = transport.read(topic, partition, position, CHUNK_RECORDS)
        except OffsetOutOfRange:
            start = transport.bounds([topic])[topic, partition].start  # type: ignore[index] # a TopicPartition is a tuple
            if start <= position:
                raise
            position = start  # it expired while we read
            continue
        for found in _of_chunk(chunk):
            if found.offset < end:
                yield found
        position = chunk.offsets[-1] + 1 if len(chunk) else end


def _of_chunk(chunk: Chunk) -> Iterator[Found]:
    for row in range(len(chunk)):
        yield Found(
            chunk.timestamps_ms[row],
            chunk.partition,
            chunk.offsets[row],
            chunk.keys[row],
            chunk.values[row],
            chunk.headers[row],
        )


def line(found: Found) -> str:
    """The record as one line of JSON, with its line end."""
    import orjson

    headers: dict[str, Any] = {}
    for name, body in found.headers:
        value = _text(body)
        if name not in headers:
            headers[name] = value
        elif isinstance(headers[name], list):
            headers[name].append(value)
        else:
            headers[name] = [headers[name], value]
    document = {
        "key": _text(found.key),
        "value": _value(found.value),
        "headers": headers,
        "partition": found.partition,
        "offset": found.offset,
        "timestamp": found.timestamp_ms,
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode()


def _text(body: bytes | None) -> str | dict[str, str] | None:
    if body is None:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"base64": b64encode(body).decode()}


def _value(body: bytes | None) -> Any:
    import orjson

    try:
        document = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return _text(body)
    # As it came: read and written again, a long number would lose digits.
    one_line = body is not None and b"\n" not in body and b"\r" not in body
    return orjson.Fragment(body) if body and one_line else document
