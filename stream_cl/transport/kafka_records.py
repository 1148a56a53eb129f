"""Record batches of Kafka (magic 2, KIP-98) to columns, and columns to batches.

kafka-python makes objects of every record, on the way in and on the way out. A step has columns,
so a batch's bytes are cut and joined at once here: a record without headers takes 1 µs to read
(4 there) and 1.5 to write (14 there). Format: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

from stream_cl.core.records import Chunk, Headers, Outgoing, TopicPartition

_MORE: Final = 0x80
_NULL: Final = b"\x01"
"""The length −1."""


class Damaged(Exception):
    """The bytes are no record batch."""


@dataclass(slots=True)
class Columns:
    """Records of one partition while they are gathered."""

    offsets: list[int] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.offsets)

    def chunk(self, place: TopicPartition) -> Chunk:
        """The records as they are handed on."""
        return Chunk(*place, *self._all())

    def cut(
        self, body: bytes, records: int, base_offset: int, append_ms: int | None, first_ms: int
    ) -> None:
        """Cut the records of one batch out of its body, uncompressed, and append them.

        Args:
            body: what stands behind the batch's header.
            records: how many there are in it.
            base_offset: what the records' own offsets count from.
            append_ms: append time of all records, None where each has a time of its own.
            first_ms: what the records' own times count from.

        Raises:
            Damaged: lengths and counts do not fit together; nothing was appended.
        """
        before = len(self)
        add = tuple(column.append for column in self._all())
        try:
            end = _cut(body, records, base_offset, append_ms, first_ms, add)
            if end != len(body):
                raise IndexError
        except IndexError:
            self.keep(slice(before))
            raise Damaged(
                f"the batch at offset {base_offset} has other lengths than bytes"
            ) from None

    def keep(self, part: slice) -> None:
        """Only these of the records."""
        for column in self._all():
            column[:] = column[part]

    def _all(self) -> tuple[list[Any], ...]:
        return (self.offsets, self.timestamps_ms, self.keys, self.values, self.headers)


def _cut(
    body: bytes,
    records: int,
    base_offset: int,
    append_ms: int | None,
    first_ms: int,
    add: tuple[Callable[[Any], None], ...],
) -> int:
    """The loop of `Columns.cut`; where the last record ends. Varints of one byte, nearly all there
    are, are read in place: a call for each would double the time."""
    add_offset, add_time, add_key, add_value, add_headers = add
    no_headers: Headers = ()
    at = 0
    for _ in range(records):
        while body[at] >= _MORE:  # the record's length is not needed
            at += 1
        at += 2  # and attributes
        number = body[at]
        at += 1
        if append_ms is None:
            if number >= _MORE:
                number, at = _varint(body, at, number)
            add_time(first_ms + ((number >> 1) ^ -(number & 1)))
        else:
            add_time(append_ms)
            if number >= _MORE:
                _, at = _varint(body, at, number)
        number = body[at]
        at += 1
        if number >= _MORE:
            number, at = _varint(body, at, number)
        add_offset(base_offset + (number >> 1))
        for add_bytes in (add_key, add_value):
            number = body[at]
            at += 1
            if number >= _MORE:
                number, at = _varint(body, at, number)
            if number & 1:
                add_bytes(None)
            else:
                end = at + (number >> 1)
                add_bytes(body[at:end])
                at = end
        number = body[at]
        at += 1
        if number:
            headers, at = _headers(body, at, number)
            add_headers(headers)
        else:
            add_headers(no_headers)
    return at


def _headers(body: bytes, at: int, number: int) -> tuple[Headers, int]:
    if number >= _MORE:
        number, at = _varint(body, at, number)
    found = []
    for _ in range(number >> 1):
        name, at = _string(body, at)
        value, at = _string(body, at)
        found.append((name.decode(errors="replace"), value))
    return tuple(found), at


def _string(body: bytes, at: int) -> tuple[bytes, int]:
    number, at = body[at], at + 1
    if number >= _MORE:
        number, at = _varint(body, at, number)
    if number & 1:
        return b"", at
    end = at + (number >> 1)
    return body[at:end], end


def _varint(body: bytes, at: int, number: int) -> tuple[int, int]:
    """The rest of a varint whose first byte is `number`; still zigzag-encoded."""
    number &= 0x7F
    shift = 7
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < _MORE:
            return number, at
        shift += 7


def bodies(batch: Outgoing, body_bytes: int) -> Iterator[tuple[bytes, int]]:
    """What stands behind the headers of as many record batches as `batch` takes, none larger than
    `body_bytes` unless one record is; and how many records each has.

    All have the time of their batch, which topics with append times put another in place of.
    """
    size, larger, known = _SIZES, _varint_of, len(_SIZES)
    parts: list[bytes] = []
    total = first = 0
    columns = zip(batch.keys, batch.values, _tails(batch), strict=True)
    for i, (key, value, tail) in enumerate(columns):
        n = 0 if value is None else len(value)
        rest = (
            _NULL if key is None else larger(len(key)) + key,
            _NULL if value is None else size[n] if n < known else larger(n),
            value or b"",
            tail,
        )
        delta = i - first
        record = b"".join((b"\0\0", size[delta] if delta < known else larger(delta), *rest))
        if parts and total + len(record) > body_bytes:
            yield b"".join(parts), delta
            parts, total, first = [], 0, i
            record = b"".join((b"\0\0\0", *rest))
        n = len(record)
        parts.append(size[n] if n < known else larger(n))
        parts.append(record)
        total += n
    if parts:
        yield b"".join(parts), len(batch) - first


def _tails(batch: Outgoing) -> Iterator[bytes]:
    """The headers of each record, with their number, as bytes."""
    common = b"".join(map(_named, batch.common))
    count = len(batch.common)
    if not batch.each:
        yield from repeat(_varint_of(count) + common, len(batch))
        return
    starts = [_string_of(name.encode()) for name in batch.each]
    for row in zip(*batch.each.values(), strict=True):
        own = [
            start + _string_of(value)
            for start, value in zip(starts, row, strict=True)
            if value is not None
        ]
        yield b"".join((_varint_of(count + len(own)), common, *own))


def _string_of(value: bytes) -> bytes:
    n = len(value)
    return (_SIZES[n] if n < len(_SIZES) else _varint_of(n)) + value


def _named(header: tuple[str, bytes]) -> bytes:
    return _string_of(header[0].encode()) + _string_of(header[1])


def _varint_of(size: int) -> bytes:
    """A size, zigzag-encoded, as a varint."""
    number = size << 1
    found = bytearray()
    while number >= _MORE:
        found.append(number & 0x7F | _MORE)
        number >>= 7
    found.append(number)
    return bytes(found)


_SIZES: Final = [_varint_of(size) for size in range(4096)]
"""Nearly every size there is, made once."""
