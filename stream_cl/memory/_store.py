"""What every memory is made of: slots of encoded events with their classes, and a generator.

A policy decides which slot a new entry takes; drawing, digesting and writing down are the
same for all. Draws are multiples of 2⁻⁵³ from a PCG64 of the store's own (O'Neill 2014), one
after another, so adding n entries at once draws what adding them one by one would.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot

Classes = npt.NDArray[np.int64]

_WORD_BYTES: Final = 8
_MASK: Final = (1 << 64) - 1


class Store:
    """Slots 0 … capacity − 1, filled from the first.

    Args:
        width: numbers per encoded event.
        capacity: entries at most.
        max_bytes: bytes of arrays at most, None for no bound; the smaller of the two holds.
        seed: of the generator.

    Memory: `entry_bytes` = 4 · width + 16 per slot, reserved at once; the system backs it with
    memory as slots are filled.
    """

    def __init__(self, width: int, capacity: int, max_bytes: int | None, seed: int) -> None:
        assert width >= 1
        self.width = width
        self.entry_bytes = 4 * width + 8 + _WORD_BYTES
        room = capacity if max_bytes is None else min(capacity, max_bytes // self.entry_bytes)
        assert room >= 1, f"no room for one entry of {self.entry_bytes} bytes"
        self.capacity = room
        self.filled = 0
        self._x: FloatMatrix = np.zeros((room, width), dtype=np.float32)
        self._y: Classes = np.zeros(room, dtype=np.int64)
        # A checksum per slot, so that what leaves can be taken out of the digest.
        self._words: npt.NDArray[np.uint64] = np.zeros(room, dtype=np.uint64)
        self._digest = 0
        self._bits = np.random.PCG64(seed)
        self._draws = np.random.Generator(self._bits)

    @property
    def y(self) -> Classes:
        """Classes of the filled slots. Not to be changed."""
        return self._y[: self.filled]

    def draw(self, count: int) -> npt.NDArray[np.float64]:
        """The next `count` numbers in [0, 1)."""
        return self._draws.random(count)

    def put(self, slot: int, x: npt.NDArray[np.float32], y: int) -> None:
        """Fill a slot, the next free one or one that is overwritten, with `x [width]`, `y`."""
        assert slot <= self.filled
        self.filled = max(self.filled, slot + 1)
        self._x[slot], self._y[slot] = x, y
        hasher = blake2b(self._x[slot].tobytes(), digest_size=_WORD_BYTES)
        hasher.update(b"%d %d" % (slot, y))
        word = int.from_bytes(hasher.digest(), "little")
        self._digest = (self._digest - int(self._words[slot]) + word) & _MASK
        self._words[slot] = word

    def correct(self, x: npt.NDArray[np.float32], old: int, new: int) -> bool:
        """Give the first entry with exactly `x [width]` and class `old` the class `new`; whether
        there was one. Costs O(filled), and O(width) for each that agrees in the first number."""
        same = (self._y[: self.filled] == old) & (self._x[: self.filled, 0] == x[0])
        for slot in np.flatnonzero(same).tolist():
            if np.array_equal(self._x[slot], x):
                self.put(slot, self._x[slot].copy(), new)
                return True
        return False

    def sample(self, count: int) -> tuple[FloatMatrix, Classes]:
        """`min(count, filled)` different entries, every such set as likely: Floyd's algorithm
        (Bentley and Floyd 1987, *Programming Pearls: A Sample of Brilliance*), O(count)."""
        n = self.filled
        m = min(count, n)
        chosen: dict[int, None] = {}
        for top, u in zip(range(n - m, n), self.draw(m).tolist(), strict=True):
            slot = int(u * (top + 1))
            chosen[top if slot in chosen else slot] = None
        slots = list(chosen)
        return self._x[slots], self._y[slots]

    def fingerprint(self) -> Snapshot:
        """Count, generator, and the digest of the contents: costs O(1).

        Contents are encoded events, which may differ in the last bits on another processor,
        so their digest is written as float64 and counts as numeric.
        """
        return {
            "filled": self.filled,
            "generator": self._generator(),
            "contents": np.array([self._digest], dtype=np.uint64).view(np.float64),
        }

    def snapshot(self) -> Snapshot:
        """Entries in the order of their slots, and the generator."""
        n = self.filled
        return {
            "x": self._x[:n].copy(),
            "y": self._y[:n].copy(),
            "generator": self._generator(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from."""
        x, y = snapshot["x"], snapshot["y"]
        assert x.shape == (len(y), self.width), "a snapshot of another width"
        assert len(y) <= self.capacity, "a snapshot of a larger memory"
        self.filled, self._digest = 0, 0
        self._words[:] = 0
        for slot, (row, class_) in enumerate(zip(x, y.tolist(), strict=True)):
            self.put(slot, row, class_)
        state: Any = self._bits.state
        state["state"]["state"], state["state"]["inc"] = snapshot["generator"]
        self._bits.state = state

    def _generator(self) -> list[int]:
        """The two 128-bit numbers of PCG64; doubles leave nothing else behind."""
        state: Any = self._bits.state
        return [state["state"]["state"], state["state"]["inc"]]
