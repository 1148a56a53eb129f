"""Moments as people give them: a time, or how long ago."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from stream_cl.core.errors import Rejected, UserError
from stream_cl.core.limits import TIME_MIN_MS
from stream_cl.decode.times import parse_time

_AGO: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|m|h|d|w)", re.ASCII)
_UNITS_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def moment_ms(given: object, now_ms: int, what: str) -> int:
    """Epoch milliseconds of `24h` (or s, m, d, w) before `now_ms`, of RFC 3339 with an offset,
    of epoch milliseconds, or of a datetime that knows its offset.

    Args:
        given: what somebody typed.
        now_ms: the clock.
        what: names the argument in the message.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise UserError(
                f"{what}: {given} has no offset; give it a tzinfo, such as datetime.UTC"
            )
        return int(given.timestamp() * 1000)
    ago = _AGO.fullmatch(given.strip()) if isinstance(given, str) else None
    if ago is not None:
        return max(TIME_MIN_MS, now_ms - round(float(ago[1]) * _UNITS_MS[ago[2]]))
    try:
        return parse_time(given)
    except Rejected:
        raise UserError(
            f"{what}: {given!r:.60} is no moment; give a time such as 2026-03-01T09:00:00Z, or how "
            "long ago, such as 24h or 7d"
        ) from None
