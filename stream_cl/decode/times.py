"""An event's own time: RFC 3339 with an offset, or epoch milliseconds.

RFC 3339 (Klyne and Newman 2002), section 5.6: `T` and `Z` in either case or a space for
`T`, a fraction of any length (cut to milliseconds), an offset in hours and minutes. A leap
second (`23:59:60` in UTC) is the first moment of the next day, as POSIX counts. What has
no offset is refused: a guess would be wrong by hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from stream_cl.core.errors import Rejected
from stream_cl.core.limits import TIME_MAX_MS, TIME_MIN_MS
from stream_cl.decode.fields import shown

_LONGEST: Final = 64
"""Characters of a time; only a fraction can be long, and more of it says nothing."""
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_WITHOUT_OFFSET: Final = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_DAY_S: Final = 86_400


def parse_time(value: Any) -> int:
    """Milliseconds since 1970-01-01T00:00:00Z, in `TIME_MIN_MS` … `TIME_MAX_MS`.

    Args:
        value: what stands in the record: an int, or a text.

    Raises:
        Rejected: `bad_time`, where it is neither, or lies outside years 1 to 9999.
    """
    if type(value) is int:
        time_ms = value
    elif type(value) is str:
        time_ms = _from_text(value)
    elif value is None:
        raise Rejected("bad_time", "`time` is missing")
    else:
        raise Rejected(
            "bad_time",
            f"`time` is {shown(value)}: write epoch milliseconds as a whole number, or RFC 3339",
        )
    if not TIME_MIN_MS <= time_ms <= TIME_MAX_MS:
        raise Rejected("bad_time", f"`time` {shown(value)} is not in the years 1 to 9999")
    return time_ms


def _from_text(text: str) -> int:
    match = _RFC3339.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        if _WITHOUT_OFFSET.fullmatch(text[:_LONGEST]):
            raise Rejected("bad_time", f"`time` {shown(text)} has no offset: add Z or +hh:mm")
        raise Rejected("bad_time", f"`time` {shown(text)} is not RFC 3339")
    date, hour, minute, second, fraction, offset = match.groups()
    leap = second == "60"
    if leap:
        second = "59"
    if offset in {"Z", "z"}:
        offset = "+00:00"
    try:
        moment = datetime.fromisoformat(f"{date}T{hour}:{minute}:{second}{offset}")
    except ValueError:
        raise Rejected("bad_time", f"`time` {shown(text)} is no day of the calendar") from None
    seconds = (moment - _EPOCH) // _SECOND
    if leap:
        if seconds % _DAY_S != _DAY_S - 1:
            raise Rejected("bad_time", f"`time` {shown(text)} is no leap second")
        seconds += 1
    return seconds * 1000 + (int(fraction[:3].ljust(3, "0")) if fraction else 0)
