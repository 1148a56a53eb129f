"""A bounded uniform sample of labelled events that are never learned from.

Which events belong here is drawn before anything is known about them (`budget`), so the
sample is unbiased; the reservoir keeps it bounded (Vitter 1985, algorithm R), with the
replacement drawn by a keyed hash of the number of the entry instead of a generator.
"""

from __future__ import annotations

import numpy as np

from stream_cl.core.draws import keyed_unit
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot


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
