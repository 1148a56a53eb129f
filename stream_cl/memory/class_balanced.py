"""All there is of rare classes, an equal share of the others: for streams where few classes
make most of the events.

Class-balancing reservoir sampling (Chrysakis and Moens 2020, *Online Continual Learning from
Imbalanced Data*, algorithm 1). A class is full once it was the largest in a filled memory.
For an entry of class c, with m_c entries of it in memory and n_c offered, this one included:

    memory not filled:  it takes the next free slot
    c not full:         it replaces a uniformly drawn entry of the largest class
    c full:             u < m_c / n_c:  it replaces a uniformly drawn entry of c
                        else:           it is dropped

Of several largest classes the one that appeared first gives way.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.memory._store import Classes, Store

_CLASS_BYTES: Final = 17
"""Two counts and a flag."""


class ClassBalanced:
    """Bounded memory that gives rare classes their room.

    Args:
        width: numbers per encoded event.
        capacity: entries at most.
        seed: of the generator that draws what is kept and what is rehearsed.
        max_bytes: bytes of entries at most, None for no bound; the smaller bound holds.

    Memory: (4 · width + 16) · capacity bytes, and 17 bytes per class. Offering costs O(classes)
    for what is dropped, O(classes + width + capacity) for what is kept in a filled memory.

    >>> memory = ClassBalanced(width=1, capacity=4, seed=0)
    >>> memory.add(np.zeros((100, 1), dtype=np.float32), np.zeros(100, dtype=np.int64))
    >>> memory.add(np.ones((2, 1), dtype=np.float32), np.ones(2, dtype=np.int64))
    >>> sorted(memory.sample(4)[1].tolist())
    [0, 0, 1, 1]
    """

    def __init__(self, width: int, capacity: int, seed: int, max_bytes: int | None = None) -> None:
        self._store = Store(width, capacity, max_bytes, seed)
        self._clear(0)

    def _clear(self, classes: int) -> None:
        self._held: Classes = np.zeros(classes, dtype=np.int64)
        self._offered: Classes = np.zeros(classes, dtype=np.int64)
        self._full: npt.NDArray[np.bool_] = np.zeros(classes, dtype=np.bool_)

    @property
    def capacity(self) -> int:
        """Entries at most, after both bounds."""
        return self._store.capacity

    @property
    def bytes_used(self) -> int:
        """Bytes of the entries held and of the counts per class."""
        return len(self) * self._store.entry_bytes + _CLASS_BYTES * len(self._held)

    @property
    def bytes_max(self) -> int:
        """Bytes that it never exceeds with the classes known so far."""
        return self.capacity * self._store.entry_bytes + _CLASS_BYTES * len(self._held)

    def __len__(self) -> int:
        return self._store.filled

    def add(self, x: FloatMatrix, y: Classes) -> None:
        """Offer `x float32 [n, width]`, `y int64 [n]` in their order."""
        assert len(x) == len(y)
        for row, class_ in zip(x, y.tolist(), strict=True):
            self._offer(row, class_)

    def _offer(self, row: npt.NDArray[np.float32], class_: int) -> None:
        self._know(class_)
        self._offered[class_] += 1
        if len(self) < self.capacity:
            self._keep(len(self), row, class_)
            return
        accept, which = self._store.draw(2).tolist()
        gives_way = class_
        if not self._full[class_]:
            gives_way = int(self._held.argmax())
        elif accept * self._offered[class_] >= self._held[class_]:
            return
        slots = np.flatnonzero(self._store.y == gives_way)
        self._held[gives_way] -= 1
        self._keep(int(slots[int(which * len(slots))]), row, class_)

    def _know(self, class_: int) -> None:
        more = class_ + 1 - len(self._held)
        if more > 0:
            self._held = np.pad(self._held, (0, more))
            self._offered = np.pad(self._offered, (0, more))
            self._full = np.pad(self._full, (0, more))

    def _keep(self, slot: int, row: npt.NDArray[np.float32], class_: int) -> None:
        self._store.put(slot, row, class_)
        self._held[class_] += 1
        if len(self) == self.capacity:
            self._full |= self._held == self._held.max()

    def correct(self, x: npt.NDArray[np.float32], old: int, new: int) -> bool:
        """Give an entry with exactly `x [width]` and class `old` the class `new`; whether there
        was one. What was offered is counted as if it had been `new` from the start; which classes
        are full stays as it is."""
        if not self._store.correct(x, old, new):
            return False
        self._know(new)
        for counts in (self._held, self._offered):
            counts[old] -= 1
            counts[new] += 1
        return True

    def sample(self, count: int) -> tuple[FloatMatrix, Classes]:
        """`x float32 [m, width]`, `y int64 [m]`: m = min(count, len) different entries.

        Drawn by the memory's own generator, so the next sample is another one.
        """
        return self._store.sample(count)

    def fingerprint(self) -> Snapshot:
        """What a digest of the state is taken of; costs O(classes)."""
        return {**self._counts(), **self._store.fingerprint()}

    def snapshot(self) -> Snapshot:
        """Entries in the order of their slots, what was offered of each class, the generator."""
        return {**self._counts(), **self._store.snapshot()}

    def _counts(self) -> Snapshot:
        return {"offered": self._offered.copy(), "full": self._full.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        self._store.restore(snapshot)
        self._clear(len(snapshot["offered"]))
        self._offered[:], self._full[:] = snapshot["offered"], snapshot["full"]
        self._held += np.bincount(self._store.y, minlength=len(self._held))
