"""ADWIN: a window of the latest values that is cut where its two parts differ too much.

Source: Bifet and Gavaldà 2007, *Learning from Time-Changing Data with Adaptive Windowing*,
its version with buckets (ADWIN2) and the bound with the variance σ² of the window. Of n values,
split into n0 older ones and n1 newer ones,

    1/m = 1/n0 + 1/n1,   δ' = δ / ln n
    ε   = √(2/m · σ² · ln(2/δ')) + 2/(3m) · ln(2/δ')

the older ones go where their mean differs from that of the newer ones by more than ε; where that
is so for several splits, by the one that is furthest beyond it (the paper forgets value after value
until no split differs, which finds one change again and again). Values lie in [0, 1]. δ bounds the
share of false alarms for values that are independent; those of a stream seldom are, so expect more.
Where each value is the mean of a block of them, the second term is that of as many as there are in
the blocks; σ² is that of the means.

The window is kept as buckets of 1, 2, 4, … values, at most `BUCKETS` of a size, and splits are
tried at buckets only, after every `EVERY` values. Memory: 3 numbers per bucket, and at most
`BUCKETS` · log2(`VALUES_MAX`) buckets. Cost per value: some 10 µs; give it the means of blocks.
"""

from __future__ import annotations

from math import log, sqrt
from typing import Final

import numpy as np

from stream_cl.core.snapshot import Snapshot

BUCKETS: Final = 5
VALUES_MAX: Final = 1 << 20
EVERY: Final = 2
LEAST: Final = 5
"""Values on each side of a split."""


class Adwin:
    """Watches the mean of values in [0, 1]. Give it one value after another.

    Args:
        delta: share of false alarms; smaller is less sensitive.
        block: of how many values of the stream each is the mean.
    """

    def __init__(self, delta: float = 0.05, block: int = 1) -> None:
        self.delta = delta
        self.block = block
        # Of each bucket, the oldest first: values, their sum, the sum of their squares.
        self._sizes: list[int] = []
        self._sums: list[float] = []
        self._squares: list[float] = []
        self._added = 0

    @property
    def values(self) -> int:
        """Values in the window."""
        return sum(self._sizes)

    @property
    def mean(self) -> float:
        """Of the window; 0 while it is empty."""
        return sum(self._sums) / max(self.values, 1)

    def add(self, value: float) -> int:
        """Take one value. 1 where the mean has risen and the window was cut for it, −1 where it
        has fallen, 0 where it has not changed."""
        self._sizes.append(1)
        self._sums.append(value)
        self._squares.append(value * value)
        self._compress()
        self._added += 1
        if self._added % EVERY:
            return 0
        change, older = self._differs()
        self._drop(older)
        return change

    def copy(self) -> Adwin:
        """Another one that goes on from here."""
        other = Adwin(self.delta, self.block)
        other._sizes, other._sums = self._sizes.copy(), self._sums.copy()
        other._squares, other._added = self._squares.copy(), self._added
        return other

    def snapshot(self) -> Snapshot:
        return {
            "sizes": np.array(self._sizes, dtype=np.int64),
            "sums": np.array(self._sums, dtype=np.float64),
            "squares": np.array(self._squares, dtype=np.float64),
            "added": self._added,
        }

    def restore(self, snapshot: Snapshot) -> None:
        self._sizes = snapshot["sizes"].tolist()
        self._sums = snapshot["sums"].tolist()
        self._squares = snapshot["squares"].tolist()
        self._added = int(snapshot["added"])

    def _compress(self) -> None:
        """Join the two oldest buckets of a size of which there are too many."""
        sizes, size = self._sizes, 1
        while sizes.count(size) > BUCKETS:
            i = sizes.index(size)
            sizes[i] += sizes.pop(i + 1)
            self._sums[i] += self._sums.pop(i + 1)
            self._squares[i] += self._squares.pop(i + 1)
            size *= 2
        if size >= VALUES_MAX:
            self._drop(1)

    def _drop(self, oldest: int) -> None:
        """Forget so many buckets."""
        del self._sizes[:oldest], self._sums[:oldest], self._squares[:oldest]

    def _differs(self) -> tuple[int, int]:
        """1 or −1 where a split shows that the mean has risen or fallen, and how many buckets
        are older; 0 and 0 where none does."""
        n, total = self.values, sum(self._sums)
        found, beyond = (0, 0), 0.0
        if n < 2 * LEAST:
            return found
        variance = max(sum(self._squares) / n - (total / n) ** 2, 0.0)
        surprise = log(2.0 * log(n) / self.delta)
        first, second = 2.0 * variance * surprise, 2.0 / 3.0 * surprise / self.block
        older, total_older = 0, 0.0
        for i, size in enumerate(self._sizes, start=1):
            older += size
            total_older += self._sums[i - 1]
            newer = n - older
            if newer < LEAST:
                break
            if older >= LEAST:
                inverse = n / (older * newer)
                rise = (total - total_older) / newer - total_older / older
                excess = abs(rise) - sqrt(first * inverse) - second * inverse
                if excess > beyond:
                    found, beyond = (1 if rise > 0.0 else -1, i), excess
        return found
