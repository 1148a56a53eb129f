"""A uniform sample of everything that was ever offered.

Algorithm R (Vitter 1985, *Random Sampling with a Reservoir*, section 2, which credits Waterman).
The t-th entry offered, t from 1, with capacity M:

    t ≤ M:  it takes slot t − 1
    t > M:  s ← ⌊u · t⌋, u uniform in [0, 1);  if s < M it takes slot s, else it is dropped

After every t each entry offered so far is in memory with probability M / t.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.memory._store import Classes, Store


class Reservoir:
    """Bounded uniform sample of encoded events and their classes.

    Args:
        width: numbers per encoded event.
        capacity: entries at most.
        seed: of the generator that draws what is kept and what is rehearsed.
        max_bytes: bytes of arrays at most, None for no bound; the smaller bound holds.

    Memory: (4 · width + 16) · capacity bytes. Offering costs O(1), O(width) if kept.

    >>> memory = Reservoir(width=1, capacity=2, seed=0)
    >>> memory.add(np.zeros((5, 1), dtype=np.float32), np.arange(5))
    >>> len(memory)
    2
    """

    def __init__(self, width: int, capacity: int, seed: int, max_bytes: int | None = None) -> None:
        self._store = Store(width, capacity, max_bytes, seed)
        self._offered = 0

    @property
    def capacity(self) -> int:
        """Entries at most, after both bounds."""
        return self._store.capacity

    @property
    def bytes_used(self) -> int:
        """Bytes of the entries held."""
        return len(self) * self._store.entry_bytes

    @property
    def bytes_max(self) -> int:
        """Bytes that it never exceeds."""
        return self._store.capacity * self._store.entry_bytes

    def __len__(self) -> int:
        return self._store.filled

    def add(self, x: FloatMatrix, y: Classes) -> None:
        """Offer `x float32 [n, width]`, `y int64 [n]` in their order."""
        assert len(x) == len(y)
        free = min(self.capacity - len(self), len(y))
        for i in range(free):
            self._store.put(len(self), x[i], int(y[i]))
        turns = np.arange(self._offered + free + 1, self._offered + len(y) + 1)
        slots = (self._store.draw(len(turns)) * turns).astype(np.int64)
        for i in np.flatnonzero(slots < self.capacity).tolist():
            self._store.put(int(slots[i]), x[free + i], int(y[free + i]))
        self._offered += len(y)

    def correct(self, x: npt.NDArray[np.float32], old: int, new: int) -> bool:
        """Give an entry with exactly `x [width]` and class `old` the class `new`; whether there
        was one."""
        return self._store.correct(x, old, new)

    def sample(self, count: int) -> tuple[FloatMatrix, Classes]:
        """`x float32 [m, width]`, `y int64 [m]`: m = min(count, len) different entries.

        Drawn by the memory's own generator, so the next sample is another one.
        """
        return self._store.sample(count)

    def fingerprint(self) -> Snapshot:
        """What a digest of the state is taken of; costs O(1)."""
        return {"offered": self._offered, **self._store.fingerprint()}

    def snapshot(self) -> Snapshot:
        """Entries in the order of their slots, the count of what was offered, the generator."""
        return {"offered": self._offered, **self._store.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        self._store.restore(snapshot)
        self._offered = snapshot["offered"]
