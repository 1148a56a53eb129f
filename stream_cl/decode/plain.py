"""Plain events, read a run at a time: numbers by name, and nothing unusual around them.

Most streams send records of one shape. A reader for that shape gives msgspec the types of
all fields, and it parses and checks in one pass, a third of what any JSON value costs.
What it takes is what `json_events` would take, with the same result (a test compares them);
whatever it does not take is left to `json_events`, which says what is wrong with it.

Keys of `features` may stand in another order than in the record that the shape was taken
from; the event then has them in the shape's order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from crc32c import crc32c

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import RECORD_BYTES, TIME_MAX_MS, TIME_MIN_MS
from stream_cl.core.records import Events
from stream_cl.decode.fields import label_text
from stream_cl.decode.times import parse_time

_ID_CHARS: Final = 64
"""Ids of so few characters are within limits.ID_BYTES in any alphabet."""
_NAMES_MAX: Final = 256
"""Features of a shape: a reader for more would take long to make."""
_READERS_KEPT: Final = 32
_RUN: Final = 256
"""Records read before their ids, times and labels are looked at: what is behind an unusual one
is read again, so this bounds what hostile records cost."""
_UNWRITABLE: Final = re.compile(r'[\x00-\x1f"\\]')
"""What msgspec refuses in the name of a field."""
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=_ID_CHARS)]
_Time = Annotated[int, msgspec.Meta(ge=TIME_MIN_MS, le=TIME_MAX_MS)]
T = TypeVar("T")


class PlainReader:
    """Reads events whose features are numbers of these names.

    Args:
        names: distinct, of 1 to `_NAMES_MAX` features, as `json_events` takes them.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        places = [f"f{j}" for j in range(len(names))]
        features = msgspec.defstruct(
            "Features",
            [(place, float) for place in places],
            rename=dict(zip(places, names, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        record = msgspec.defstruct(
            "Record",
            [
                ("id", _Id),
                ("time", _Time | str),
                ("features", features),
                ("v", Literal[1], 1),
                ("label", str | None, None),
            ],
            forbid_unknown_fields=True,
            gc=False,
        )
        self._names = names
        self._decode = msgspec.json.Decoder(record).decode
        self._pack = Struct(f"{len(names)}d").pack

    def read(self, values: Sequence[bytes | None], start: int, stop: int, events: Events) -> int:
        """Append the events from row `start` up to the first that is not plain, at most `_RUN`
        of them and none from row `stop` on. Returns the row behind the last one read."""
        records: list[Any] = []
        decode, append = self._decode, records.append
        try:
            for value in values[start : min(stop, start + _RUN)]:
                if len(value) > RECORD_BYTES:  # type: ignore[arg-type]
                    break
                append(decode(value))  # type: ignore[arg-type]
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
            pass  # json_events will say what is wrong with it
        n, times_ms, labels = _checked(records)
        del records[n:]
        read: list[bytes] = values[start : start + n]  # type: ignore[assignment]
        pack, astuple = self._pack, msgspec.structs.astuple
        events.rows += range(start, start + n)
        events.ids += [record.id for record in records]
        events.times_ms += times_ms[:n]
        events.features += [self._names] * n
        events.numbers += [pack(*astuple(record.features)) for record in records]
        events.vectors += [None] * n
        events.labels += labels[:n]
        events.content += [crc32c(value) << 32 | len(value) for value in read]
        return start + n


def _checked(records: list[Any]) -> tuple[int, list[int], list[str | None]]:
    """How many records stand before the first that is unusual; their times and labels."""
    n = len(records)
    ids: list[str] = [record.id for record in records]
    if not "".join(ids).isprintable():
        n = [id_.isprintable() for id_ in ids].index(False)
    times = [record.time for record in records]
    if not set(map(type, times)) <= {int}:
        times = _until_refused(parse_time, times)
    labels = [record.label for record in records]
    if labels.count(None) != len(labels):
        labels = _until_refused(_label, labels)
    return min(n, len(times), len(labels)), times, labels


def _label(label: str | None) -> str | None:
    return None if label is None else label_text(label)


def _until_refused(read: Callable[[Any], T], values: Iterable[Any]) -> list[T]:
    done: list[T] = []
    try:
        for value in values:
            done.append(read(value))
    except Rejected:
        pass
    return done


@lru_cache(maxsize=_READERS_KEPT)
def _reader(names: tuple[str, ...]) -> PlainReader:
    return PlainReader(names)


def reader_for(names: tuple[str, ...]) -> PlainReader | None:
    """A reader for records of this shape, None where msgspec can have none."""
    if not 0 < len(names) <= _NAMES_MAX or _UNWRITABLE.search("".join(names)):
        return None
    return _reader(names)
