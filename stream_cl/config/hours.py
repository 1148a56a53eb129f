"""Working hours in a config: how they are written, and what they say."""

from __future__ import annotations

import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stream_cl.config.rules import wrong

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY: Final = 24 * 60


def minutes_of(hours: str) -> tuple[int, int]:
    """`HH:MM-HH:MM` as two minutes since midnight.

    Raises:
        PydanticCustomError: it is not that.
    """
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise wrong(f"{hours!r:.60} are no hours; give HH:MM-HH:MM, as in 09:00-17:00")
    numbers = [int(number) for number in found.groups()]
    start, stop = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if max(numbers[1], numbers[3]) > 59 or start >= _DAY or stop > _DAY:
        raise wrong(f"{hours!r} names a time that no clock shows; give 00:00 to 24:00")
    if start == stop:
        raise wrong(f"{hours!r} is no time at all; give null for all day")
    return start, stop


def check_hours(hours: str) -> str:
    """`HH:MM-HH:MM`, as it is."""
    minutes_of(hours)
    return hours


def weekdays_of(days: str) -> tuple[int, ...]:
    """`mon-fri` or `mon,wed,fri` as numbers, 0 for Monday.

    Raises:
        PydanticCustomError: it is not that.
    """
    numbers: set[int] = set()
    for part in days.split(","):
        first, _, last = part.strip().partition("-")
        last = last or first
        if first not in _DAYS or last not in _DAYS:
            raise wrong(f"{days!r:.60} are no days; give mon-fri, or mon,wed,fri")
        start, stop = _DAYS.index(first), _DAYS.index(last)
        numbers.update((start + i) % 7 for i in range((stop - start) % 7 + 1))
    return tuple(sorted(numbers))


def check_days(days: str) -> str:
    """Days, as they are."""
    weekdays_of(days)
    return days


def check_zone(zone: str) -> str:
    """The name of a time zone, as it is.

    Raises:
        PydanticCustomError: nobody knows it.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(f"{zone!r:.60} is no time zone here; give one such as Europe/Berlin") from None
    return zone
