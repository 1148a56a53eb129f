"""How many records a step may take when its time is bounded (`step.max_ms`).

The count is chosen before the step from how long recent ones took, so the clock never
reaches into a step; the slices that follow from it stand in the manifest.
"""

from __future__ import annotations

from typing import Final

_SMOOTHING: Final = 0.2
_RECORDS_MIN: Final = 8
"""Shorter steps measure the cost of a step, not that of a record."""
_MS_MIN: Final = 1e-6


class Pace:
    """Keeps a running mean of the milliseconds per record.

    Args:
        max_records: most records in any case.
        max_ms: milliseconds that a step may take, None for no bound.
    """

    def __init__(self, max_records: int, max_ms: float | None) -> None:
        self._max_records = max_records
        self._max_ms = max_ms
        self._ms_per_record: float | None = None

    @property
    def limit(self) -> int:
        """Records that the next step may take, at least 1."""
        if self._max_ms is None:
            return self._max_records
        if self._ms_per_record is None:
            return min(self._max_records, _RECORDS_MIN)
        return max(1, min(self._max_records, int(self._max_ms / self._ms_per_record)))

    def took(self, records: int, seconds: float) -> None:
        """Learn from one step."""
        if self._max_ms is not None and records >= min(_RECORDS_MIN, self.limit):
            # A clock may not have moved between two looks; no record takes less than this.
            each, before = max(seconds * 1e3 / records, _MS_MIN), self._ms_per_record
            self._ms_per_record = each if before is None else before + _SMOOTHING * (each - before)
