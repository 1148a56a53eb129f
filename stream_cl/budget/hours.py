"""Hours in which people work, and how much of a stretch of time lies in them.

A function of its arguments and of the time zone database (Python's `zoneinfo`); no clock is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

LOOK_BACK_MS: Final = 14 * 86_400_000
"""Of a longer stretch the end alone is looked at: no budget saves up for as long."""
_DAY: Final = timedelta(days=1)


class WorkingHours:
    """The same hours on some days of the week.

    Args:
        days: 0 for Monday to 6 for Sunday.
        start, stop: minutes since midnight, local time; a stop that is not after the start is
            on the next day.
        zone: name of the time zone.
    """

    def __init__(self, days: Iterable[int], start: int, stop: int, zone: str) -> None:
        self._days = frozenset(days)
        self._start, self._stop = start, stop
        self._zone = ZoneInfo(zone)
        # The stretches found last, at work and not: most steps lie in one of them.
        self._work, self._rest = (0, 0), (0, 0)

    def is_open(self, time_ms: int) -> bool:
        """Whether people work at this moment."""
        return self.open_ms(time_ms, time_ms + 1) == 1

    def open_ms(self, start_ms: int, stop_ms: int) -> int:
        """Milliseconds of working time from `start_ms` up to, not including, `stop_ms`."""
        if self._work[0] <= start_ms <= stop_ms <= self._work[1]:
            return stop_ms - start_ms
        if self._rest[0] <= start_ms <= stop_ms <= self._rest[1]:
            return 0
        start_ms = max(start_ms, stop_ms - LOOK_BACK_MS)
        day = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(self._zone).date() - _DAY
        last = datetime.fromtimestamp(stop_ms / 1000, UTC).astimezone(self._zone).date()
        found, before_ms, after_ms = 0, start_ms, stop_ms
        while day <= last:
            if day.weekday() in self._days:
                work = self._interval(day)
                inside = min(stop_ms, work[1]) - max(start_ms, work[0])
                if inside > 0:
                    found += inside
                    self._work = work
                elif work[1] <= start_ms:
                    before_ms = work[1]
                elif after_ms == stop_ms:
                    after_ms = work[0]
            day += _DAY
        if found == 0:
            self._rest = (before_ms, after_ms)
        return found

    def _interval(self, day: date) -> tuple[int, int]:
        stop_day = day if self._stop > self._start else day + _DAY
        return self._moment(day, self._start), self._moment(stop_day, self._stop)

    def _moment(self, day: date, minutes: int) -> int:
        day += _DAY * (minutes // 1440)
        at = datetime.combine(day, time(minutes % 1440 // 60, minutes % 60), self._zone)
        return round(at.timestamp() * 1000)
