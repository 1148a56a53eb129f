"""Which answered events are most like the one that is asked about.

The last answers that were learned, in a ring; the nearest by Euclidean distance between encoded
events (Fix and Hodges 1951). For people, who decide faster and more alike beside examples. Events
that are held out never enter: an answer given beside one of their labels would carry it into what
is learned, and the held-out set would no longer be unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot

ENTRIES: Final = 256
BYTES: Final = 4_000_000
"""Largest ring of encoded events; with wide ones it has fewer entries, so that looking through it
for one request takes a millisecond at most."""


class Example(NamedTuple):
    """An answered event: its class by number, its distance from the one that is asked about."""

    id: str
    number: int
    distance: float


class Examples:
    """A ring of answered events.

    Args:
        width: of an encoded event.
        shown: examples per question; with 0 nothing is kept.

    Memory: at most ENTRIES × (4 · width + 8) bytes and the ids, or `BYTES`. Adding costs
    O(width), looking O(entries · width) each: 4 µs at a width of 128.
    """

    def __init__(self, width: int, shown: int) -> None:
        self._shown = shown
        self.capacity = max(1, min(ENTRIES, BYTES // (4 * width))) if shown else 0
        # By feature, so that the distances to all entries are summed side by side.
        self._x = np.zeros((width, self.capacity), dtype=np.float32)
        self._number = np.zeros(self.capacity, dtype=np.int64)
        self._ids = [""] * self.capacity
        self._added = 0

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    def add(self, ids: Sequence[str], x: FloatMatrix, number: npt.NDArray[np.int64]) -> None:
        """Add n answered events `x [n, width]` of the classes `number [n]`, in their order."""
        if not self._shown:
            return
        for id_, row, class_ in zip(ids, x, number.tolist(), strict=True):
            slot = self._added % self.capacity
            self._x[:, slot], self._number[slot], self._ids[slot] = row, class_, id_
            self._added += 1

    def correct(self, id_: str, number: int) -> None:
        """The event is of the class `number` after all; nothing where it is not here any more."""
        if id_ in self._ids:
            self._number[self._ids.index(id_)] = number

    def nearest(self, x: FloatMatrix) -> list[list[Example]]:
        """The nearest entries to each row of `x [m, width]`, nearest first; of equal ones those
        that stand first in the ring. Empty while nothing was answered."""
        few = min(self._shown, len(self))
        if not few:
            return [[] for _ in x]
        slots, squares = _nearest(self._x, len(self), np.ascontiguousarray(x), few)
        numbers = self._number[slots].tolist()
        rows = zip(slots.tolist(), numbers, np.sqrt(squares).tolist(), strict=True)
        return [
            [
                Example(self._ids[slot], number, distance)
                for slot, number, distance in zip(*row, strict=True)
            ]
            for row in rows
        ]

    def fingerprint(self) -> Snapshot:
        return {"added": self._added, "number": self._number[: len(self)]}

    def snapshot(self) -> Snapshot:
        n = len(self)
        return {
            "added": self._added,
            "ids": self._ids[:n],
            "x": np.ascontiguousarray(self._x[:, :n].T),
            "number": self._number[:n].copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["ids"])
        self._added = snapshot["added"]
        assert n == len(self), f"{n} examples, where {self.capacity} are kept"
        self._x[:, :n], self._number[:n] = snapshot["x"].T, snapshot["number"]
        self._ids[:n] = snapshot["ids"]


@numba.njit(cache=True)
def _nearest(ring: Any, filled: int, x: Any, few: int) -> Any:
    """Of each row of `x [m, width]` the `few` nearest columns of `ring [width, entries]`, of which
    `filled` are in use: slots `int64 [m, few]`, squared distances `float32 [m, few]`.

    Summed feature after feature in every column, so the bits do not depend on the processor's
    vectors, as those of a product of matrices do.
    """
    slots = np.zeros((x.shape[0], few), dtype=np.int64)
    squares = np.zeros((x.shape[0], few), dtype=np.float32)
    found = np.empty(ring.shape[1], dtype=np.float32)
    for row in range(x.shape[0]):
        found[:] = 0.0
        for j in range(ring.shape[0]):
            for i in range(ring.shape[1]):
                apart = ring[j, i] - x[row, j]
                found[i] += apart * apart
        for place in range(few):
            best = 0
            for i in range(1, filled):
                if found[i] < found[best]:
                    best = i
            slots[row, place], squares[row, place] = best, found[best]
            found[best] = np.inf
    return slots, squares
