"""Features that wait for their label.

A bounded store, oldest first. An entry leaves when it is answered, when it expires, or,
where labels come for every event, when newer ones need its place.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.limits import CLASSES_MAX, PROBABILITIES_TOP
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot

_ENTRY: Final = np.dtype(
    [
        ("event", "<i8"),  # number of the event since the start
        ("since_ms", "<i8"),  # logical time of the step that put it here
        ("content", "<u8"),  # checksum of the event's bytes
        ("word", "<u8"),  # identity hash of the id
        ("predicted", "<i4"),  # class, -1 when none was known
        ("last", "<i4"),  # class of the label answered last before, -1 when there was none
        ("known", "<i4"),  # classes known then
        ("classes", "<i2", (PROBABILITIES_TOP,)),  # the most probable ones
        ("kept", "<f4", (PROBABILITIES_TOP,)),  # ... and their probabilities
        ("propensity", "<f8"),
        ("set_size", "i1"),  # classes in its conformal set, -1 where it has none
        ("asked", "?"),
        ("held_out", "?"),
    ]
)
assert np.iinfo(np.int16).max >= CLASSES_MAX

_MODULUS: Final = 1 << 64


@dataclass(slots=True)
class Waiting:
    """Columns of n events that enter the store, or one that leaves it (n = 1)."""

    ids: Sequence[str]
    x: FloatMatrix
    entry: npt.NDArray[np.void]

    @staticmethod
    def entries(n: int) -> npt.NDArray[np.void]:
        """A zeroed structured array of n entries, to be filled column by column."""
        return np.zeros(n, dtype=_ENTRY)

    def probabilities(self) -> npt.NDArray[np.float64]:
        """What the learner said of the one event, `float64 [known]`; what it gave to classes
        that were not kept is spread evenly over them."""
        known, entry = int(self.entry["known"][0]), self.entry[0]
        kept = min(known, PROBABILITIES_TOP)
        rest = max(0.0, 1.0 - float(entry["kept"].sum(dtype=np.float64)))
        spread = np.full(known, rest / max(1, known - kept))
        spread[entry["classes"][:kept]] = entry["kept"][:kept]
        return spread

    @staticmethod
    def joined(entries: Sequence[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
        """One array of several; numpy's own concatenation takes 30 µs per structured array."""
        return np.frombuffer(b"".join([entry.tobytes() for entry in entries]), dtype=_ENTRY)


class Pending:
    """Bounded store: id → features and what was decided about the event.

    Args:
        capacity: entries.
        width: of an encoded event.
        ttl_ms: an entry expires this long after it was put in, in logical time.

    Memory: capacity × (4 · width + 115 bytes) in arrays, about 250 bytes more per entry for
    the index. Adding and taking cost O(1) each and O(width) to copy.
    """

    def __init__(self, capacity: int, width: int, ttl_ms: int) -> None:
        assert capacity > 0
        assert ttl_ms > 0
        self.capacity = capacity
        self.ttl_ms = ttl_ms
        self._x = np.zeros((capacity, width), dtype=np.float32)
        self._entry = Waiting.entries(capacity)
        self._word, self._since_ms = self._entry["word"], self._entry["since_ms"]  # views
        self._slot: dict[str, int] = {}  # insertion order is expiry order
        self._contents: dict[str, int] = {}
        self._free = list(range(capacity - 1, -1, -1))
        self._digest = 0

    def __len__(self) -> int:
        return len(self._slot)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._slot

    @property
    def contents(self) -> Mapping[str, int]:
        """id → checksum of the event's bytes, of all that wait. Not to be changed."""
        return self._contents

    @property
    def room(self) -> int:
        return self.capacity - len(self._slot)

    def add(self, waiting: Waiting) -> None:
        """Put events in; there must be room, and none of the ids may be here."""
        n = len(waiting.ids)
        assert n <= self.room, "the budget asked for more than the pending store holds"
        slots = [self._free.pop() for _ in range(n)]
        self._slot.update(zip(waiting.ids, slots, strict=True))
        self._contents.update(zip(waiting.ids, waiting.entry["content"].tolist(), strict=True))
        assert len(self._slot) + len(self._free) == self.capacity, "an id was pending already"
        self._x[slots] = waiting.x
        self._entry[slots] = waiting.entry
        self._digest = (self._digest + int(waiting.entry["word"].sum(dtype=np.uint64))) % _MODULUS

    def take(self, id_: str) -> Waiting | None:
        """Remove and return one event; None when it is not here."""
        slot = self._slot.pop(id_, None)
        if slot is None:
            return None
        rows = slice(slot, slot + 1)
        taken = Waiting([id_], self._x[rows].copy(), self._entry[rows].copy())
        self._free.append(slot)
        del self._contents[id_]
        self._digest = (self._digest - int(self._word[slot])) % _MODULUS
        return taken

    def asked(self) -> npt.NDArray[np.void]:
        """The entries of the events that were asked for, as copies, oldest first."""
        slots = np.fromiter(self._slot.values(), dtype=np.int64, count=len(self))
        entries = self._entry[slots]
        found: npt.NDArray[np.void] = entries[entries["asked"]]
        return found

    def oldest(self, most: int) -> list[tuple[str, np.void]]:
        """Id and entry of those that have waited longest, at most `most`; not to be changed."""
        slots = itertools.islice(self._slot.items(), most)
        return [(id_, self._entry[slot]) for id_, slot in slots]

    def evict(self, count: int) -> list[Waiting]:
        """Remove and return the `count` oldest."""
        return [self._take_oldest() for _ in range(min(count, len(self._slot)))]

    def expire(self, time_ms: int, most: int) -> list[Waiting]:
        """Remove and return what expires at `time_ms` or before, oldest first, at most `most`."""
        expired: list[Waiting] = []
        while self._slot and len(expired) < most and self.next_expiry_ms() <= time_ms:
            expired.append(self._take_oldest())
        return expired

    def next_expiry_ms(self) -> int:
        """When the oldest entry expires; only to be asked while there is one."""
        slot = next(iter(self._slot.values()))
        return int(self._since_ms[slot]) + self.ttl_ms

    def _take_oldest(self) -> Waiting:
        taken = self.take(next(iter(self._slot)))
        assert taken is not None
        return taken

    def fingerprint(self) -> Snapshot:
        """Count and incremental digest of the ids: what every state digest covers."""
        return {"entries": len(self), "digest": self._digest}

    def snapshot(self) -> Snapshot:
        slots = np.fromiter(self._slot.values(), dtype=np.int64, count=len(self))
        return {
            "ids": list(self._slot),
            "x": self._x[slots],
            "entry": np.frombuffer(self._entry[slots].tobytes(), dtype=np.uint8),
            "digest": self._digest,
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["ids"])
        assert n <= self.capacity, f"{n} pending events, where {self.capacity} may wait"
        entry = np.frombuffer(snapshot["entry"].tobytes(), dtype=_ENTRY)
        self._slot, self._contents = {}, {}
        self._free = list(range(self.capacity - 1, -1, -1))
        self._digest = 0
        self.add(Waiting(snapshot["ids"], snapshot["x"], entry))
        assert self._digest == snapshot["digest"], "pending ids are not those that were digested"
