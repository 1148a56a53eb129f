"""A bounded uniform sample of labelled events that are never learned from.

Which events belong here is drawn before anything is known about them (`budget`), so the
sample is unbiased; the reservoir keeps it bounded (Vitter 1985, algorithm R), with the
replacement drawn by a keyed hash of the number of the entry instead of a generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.draws import keyed_unit
from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import Estimate, wilson

_ROWS: Final = 1024
"""Predicted at once: bounds what judging needs besides the store itself."""


class HeldOut:
    """Reservoir of encoded events and their classes.

    Memory: capacity × (4 · width + 8) bytes. Adding costs O(width).
    """

    def __init__(self, capacity: int, width: int, seed: int) -> None:
        assert capacity > 0
        self.capacity = capacity
        self._seed = seed
        self._x = np.zeros((capacity, width), dtype=np.float32)
        self._y = np.zeros(capacity, dtype=np.int64)
        self.offered = 0

    def __len__(self) -> int:
        return min(self.offered, self.capacity)

    def add(self, x: FloatMatrix, y: int) -> None:
        """Offer one labelled event: `x [1, width]`, class `y`."""
        slot = self.offered
        self.offered += 1
        if slot >= self.capacity:
            slot = int(keyed_unit(self._seed, "held-out slot", slot) * self.offered)
        if slot < self.capacity:
            self._x[slot] = x[0]
            self._y[slot] = y

    def correct(self, x: FloatMatrix, old: int, new: int) -> bool:
        """Give an event `x [1, width]` that was kept with class `old` the class `new`; whether it
        is still here. Costs O(capacity · width)."""
        n = len(self)
        same = (self._y[:n] == old) & (self._x[:n] == x[0]).all(axis=1)
        slots = np.flatnonzero(same)[:1]
        self._y[slots] = new
        return len(slots) > 0

    def accuracy(self, predict: Callable[[FloatMatrix], Probabilities]) -> Estimate | None:
        """How a learner predicts these events now, with the Wilson interval; None when empty.

        The events are of all times since the start alike, so what was forgotten shows. They
        are encoded as they were when they came. Costs a prediction of every entry, so it is
        for when somebody asks; changes nothing.
        """
        _, right = self.judged(predict)
        return wilson(float(right.sum()), len(right))

    def judged(
        self, predict: Callable[[FloatMatrix], Probabilities]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The classes of the n entries, `int64 [n]`, and whether a learner predicts each right
        now, `bool [n]`; the costs are those of `accuracy`."""
        n = len(self)
        right = np.zeros(n, dtype=np.bool_)
        for start in range(0, n, _ROWS):
            rows = slice(start, min(n, start + _ROWS))
            probabilities = predict(self._x[rows])
            if probabilities.shape[1]:
                right[rows] = probabilities.argmax(axis=1) == self._y[rows]
        return self._y[:n].copy(), right

    def fingerprint(self) -> Snapshot:
        return {"offered": self.offered, "y": self._y[: len(self)]}

    def snapshot(self) -> Snapshot:
        n = len(self)
        return {"offered": self.offered, "x": self._x[:n].copy(), "y": self._y[:n].copy()}

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["y"])
        self.offered = snapshot["offered"]
        # A sample cannot be made larger or smaller afterwards and stay uniform.
        assert n == len(self), f"{n} held-out events, where {self.capacity} may be kept"
        self._x[:n], self._y[:n] = snapshot["x"], snapshot["y"]
