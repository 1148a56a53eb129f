"""Figures over time in bounded memory: every row of the latest quarter of an hour, and of the day
before it one row a minute."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Literal

Row = tuple[float, ...]
Merge = Literal["last", "mean", "most"]
"""How the values of a column become one: `last` is for totals and for what holds until it
changes."""

RECENT: Final = 900
MERGED: Final = 60
OLDER: Final = 1440


class Timeline:
    """Rows of numbers, oldest first; not a number stands for what is not known.

    Args:
        columns: name → how the values of merged rows become one.
        recent: rows that are kept as they are.
        merged: rows that become one when there are more.
        older: merged rows kept.

    Memory: 32 bytes × columns × (recent + merged + older).
    """

    def __init__(
        self,
        columns: Mapping[str, Merge],
        recent: int = RECENT,
        merged: int = MERGED,
        older: int = OLDER,
    ) -> None:
        assert recent > 0
        assert 0 < merged <= recent
        self.names = tuple(columns)
        self.added = 0
        self._merges = tuple(columns.values())
        self._most = recent + merged
        self._merged = merged
        self._recent: deque[Row] = deque()
        self._older: deque[Row] = deque(maxlen=older)

    def add(self, row: Sequence[float]) -> None:
        """Add a row behind the others, in the order of the columns."""
        assert len(row) == len(self.names)
        self._recent.append(tuple(row))
        self.added += 1
        if len(self._recent) == self._most:
            rows = [self._recent.popleft() for _ in range(self._merged)]
            columns = zip(self._merges, zip(*rows, strict=True), strict=True)
            self._older.append(tuple(_merged(how, column) for how, column in columns))

    def rows(self) -> list[Row]:
        """Every row that is kept, in a list of its own."""
        return [*self._older, *self._recent]


def _merged(how: Merge, column: Sequence[float]) -> float:
    known = [value for value in column if not math.isnan(value)]
    if not known:
        return math.nan
    if how == "last":
        return known[-1]
    return max(known) if how == "most" else sum(known) / len(known)
