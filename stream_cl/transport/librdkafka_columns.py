"""Messages of confluent-kafka to chunks, and headers of our records as it takes them.

Every field of a message is a call; called by `map`, without a loop of ours, a record without
headers takes 0.3 µs here.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, repeat
from typing import Any, Final

from confluent_kafka import Message

from stream_cl.core.records import Chunk, Headers, Outgoing, TopicPartition

Messages = Sequence[Any]

_UNREADABLE: Final = "�"


def by_partition(messages: Messages) -> Iterator[tuple[TopicPartition, Messages]]:
    """Runs of messages of one partition, in order; errors and events are a run of one each."""
    keys = list(
        zip(
            map(Message.topic, messages),
            map(Message.partition, messages),
            map(_is_record, map(Message.error, messages)),
            strict=True,
        )
    )
    if keys and keys.count(keys[0]) == len(keys) and keys[0][2]:
        yield TopicPartition(*keys[0][:2]), messages
        return
    at = 0
    for (topic, partition, is_record), run in groupby(keys):
        length = len(list(run))
        size = length if is_record else 1
        for start in range(at, at + length, size):
            yield TopicPartition(topic, partition), messages[start : start + size]
        at += length


def _is_record(error: Any) -> bool:
    return error is None


def chunk(place: TopicPartition, messages: Messages) -> Chunk:
    """The records of a run, none of which is an error."""
    return Chunk(
        *place,
        list(map(Message.offset, messages)),
        [time_ms for _, time_ms in map(Message.timestamp, messages)],
        list(map(Message.key, messages)),
        list(map(Message.value, messages)),
        _all_headers(messages),
    )


def _all_headers(messages: Messages) -> list[Headers]:
    no_headers: Headers = ()
    try:
        # By `map`: called in place, Python 3.11 would not see that a name was no UTF-8.
        found = list(map(Message.headers, messages))
    except SystemError as error:
        unread = _unread(error)
        return [_headers(message, unread) for message in messages]
    # Pairs are handed on as they are: more objects would keep the garbage collector busy.
    return [
        (tuple(one) if None not in [value for _, value in one] else _without_null(one))
        if one
        else no_headers
        for one in found
    ]


def _without_null(pairs: list[tuple[str, bytes | None]]) -> Headers:
    return tuple((name, value or b"") for name, value in pairs)


def _headers(message: Any, unread: list[str]) -> Headers:
    """Headers of a record of which a name may be no UTF-8.

    confluent-kafka leaves a hole where such a name should be, and raises, once; asked again it
    hands out the pair with the hole, which may be looked at by the garbage collector's means only.
    A name is known if it is the only such one of its record, and `unread` is the one of a record
    that has raised before.
    """
    try:
        (found,) = map(Message.headers, (message,))
    except SystemError as error:
        unread = _unread(error)
        found = message.headers()
    pairs = [gc.get_referents(pair) for pair in found or ()]
    holes = sum(not any(isinstance(one, str) for one in pair) for pair in pairs)
    name = unread.pop() if holes and unread else _UNREADABLE
    if holes > 1:
        name = _UNREADABLE
    return tuple(
        (
            next((one for one in pair if isinstance(one, str)), name),
            next((one for one in pair if isinstance(one, bytes)), b""),
        )
        for pair in pairs
    )


def _unread(error: SystemError) -> list[str]:
    """The name that was no UTF-8, where the error tells it."""
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        return [cause.object.decode(errors="replace")]
    return []


def headers_of(batch: Outgoing) -> Iterable[Any]:
    """The headers of each record, as `produce` takes them."""
    common = list(batch.common)
    if not batch.each:
        return repeat(common, len(batch))
    columns = [
        [None if own is None else (name, own) for own in column]
        for name, column in batch.each.items()
    ]
    rows = zip(*columns, strict=True)
    if any(None in column for column in columns):
        return [common + [pair for pair in row if pair is not None] for row in rows]
    return [[*common, *row] for row in rows]
