"""Events that come again: the same id inside a window of the latest events.

An id with the content it had before is a repetition, to be counted and dropped; with other
content it is a conflict, to be refused. Both hold while the id is among the latest
`window_events` ids that were put in, or is still pending; past that it is a new event. An
event that is not fresh does not renew its id's stay, and the first content stays.

The verdicts do not depend on where a step ends: event i is compared with what stood before
the step and with the fresh events before it, and what these push out of the window is out.

Ids are known by 128 bits of their keyed hash, not by their text: entries have one size, a
lookup misses the cache once or twice where a dict of texts misses it five times, and two ids
of a window of ten million are confused once in 10²⁴ events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from stream_cl.core.limits import DEDUPE_WINDOW_MAX
from stream_cl.core.snapshot import Snapshot

FRESH: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2

_TEXT: Final = 2
_SECOND: Final = 1
_ONE: Final = np.uint64(1)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""The golden ratio in 64 bits (Knuth 1998, 6.4): an odd number that spreads sequence numbers."""
_NOTHING: Final = np.empty(0, dtype=np.uint64)


class DuplicateWindow:
    """The ids and contents of the latest events.

    Memory: 32 to 40 bytes per event of the window, all of it from the start.
    Cost: 0.2 µs per event in steps of 1,000, 6 µs alone.

    Args:
        window_events: how many ids are remembered; 1 … `limits.DEDUPE_WINDOW_MAX`.
    """

    def __init__(self, window_events: int) -> None:
        if not 0 < window_events <= DEDUPE_WINDOW_MAX:
            raise ValueError(f"window_events must be 1 to {DEDUPE_WINDOW_MAX}")
        self.window_events = window_events
        # Entry s (the s-th ever put in) is row s modulo the window: two words and the content.
        self._ring = np.zeros((window_events, 3), dtype=np.uint64)
        # Open addressing with linear probing: row + 1, or 0. Half full at most.
        self._table = np.zeros(_power_of_two(2 * window_events), dtype=np.int32)
        self._total = 0
        self._digest = np.zeros(1, dtype=np.uint64)

    def __len__(self) -> int:
        return min(self._total, self.window_events)

    def check(
        self,
        ids: Sequence[str],
        content: Sequence[int],
        words: npt.NDArray[np.uint64],
        also: Mapping[str, int],
    ) -> npt.NDArray[np.uint8]:
        """FRESH, DUPLICATE or CONFLICT for each of n events. Pure.

        Args:
            ids: n ids.
            content: n checksums of what came with them, 64 bits.
            words: `uint64 [n, 3]`, from `core.draws.Draws.words(ids)`.
            also: id → content of further ids that count as inside: those still pending.
        """
        pending, pending_content = _NOTHING, _NOTHING
        if not also.keys().isdisjoint(ids):
            found = [also.get(id_) for id_ in ids]
            pending = np.array([known is not None for known in found], dtype=np.uint64)
            pending_content = np.array([known or 0 for known in found], dtype=np.uint64)
        return _check(  # type: ignore[no-any-return]
            self._ring,
            self._table,
            self._total,
            words,
            np.array(content, dtype=np.uint64),
            pending,
            pending_content,
        )

    def contains(self, words: npt.NDArray[np.uint64]) -> bool:
        """Whether the id with these words (`uint64 [1, 3]`) is inside the window."""
        slot = _find(self._table, self._ring, words[0, _TEXT], words[0, _SECOND])
        return bool(self._table[slot])

    def commit(self, content: Sequence[int], words: npt.NDArray[np.uint64]) -> None:
        """Put n ids in, those that `check` found fresh, and let the oldest go.

        Args:
            content: their checksums.
            words: `uint64 [n, 3]`, theirs.
        """
        _put(
            self._ring,
            self._table,
            self._digest,
            self._total,
            words,
            np.array(content, dtype=np.uint64),
        )
        self._total += len(content)

    def snapshot(self) -> Snapshot:
        """One array of 24 bytes per entry; 1 ms for 100,000."""
        return {"ring": self._ring[: len(self)].copy(), "total": self._total}

    def restore(self, snapshot: Snapshot) -> None:
        ring, total = snapshot["ring"], snapshot["total"]
        oldest = total % max(1, len(ring))
        # A window that became smaller keeps the youngest; one that grew counts anew.
        ordered = np.concatenate((ring[oldest:], ring[:oldest]))[-self.window_events :]
        if len(ordered) < self.window_events:
            total = len(ordered)
        self._table[:] = 0
        self._digest[:] = 0
        # As if none but these had been put in, each at its own number.
        _put(
            self._ring,
            self._table,
            self._digest,
            total - len(ordered),
            np.ascontiguousarray(ordered[:, [0, _SECOND, 0]]),
            np.ascontiguousarray(ordered[:, 2]),
        )
        self._total = total

    def fingerprint(self) -> Snapshot:
        """The count and the incremental digest of ids, contents and their order."""
        return {"total": self._total, "digest": f"{int(self._digest[0]):016x}"}


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _find(table: Any, ring: Any, text: Any, second: Any) -> Any:
    """The slot of `table` that holds this id, or the empty one where it would go."""
    mask = table.size - 1
    slot = np.int64(text) & mask
    while table[slot] != 0:
        row = table[slot] - 1
        if ring[row, 0] == text and ring[row, 1] == second:
            break
        slot = (slot + 1) & mask
    return slot


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _remove(table: Any, ring: Any, slot: Any) -> None:
    """Empty a slot and move up what stood behind it (Knuth 1998, 6.4, algorithm R)."""
    mask = table.size - 1
    free = slot
    while True:
        slot = (slot + 1) & mask
        if table[slot] == 0:
            break
        home = np.int64(ring[table[slot] - 1, 0]) & mask
        if ((slot - home) & mask) >= ((slot - free) & mask):
            table[free] = table[slot]
            free = slot
    table[free] = 0


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _mark(row: Any, sequence: Any) -> Any:
    # Words are random and the factor odd: a random number per entry, which changes with id,
    # content and order; the digest is their sum (AdHash, Bellare and Micciancio 1997).
    return row[0] * (((row[2] + np.uint64(sequence) * _SPREAD) << _ONE) | _ONE)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _put(ring: Any, table: Any, digest: Any, total: Any, words: Any, content: Any) -> None:
    window = ring.shape[0]
    for event in range(words.shape[0]):
        at = total % window
        slot = _find(table, ring, ring[at, 0], ring[at, 1])
        # Before the window is full, the row is empty and the table does not know it.
        if table[slot] == at + 1:
            digest[0] -= _mark(ring[at], total - window)
            _remove(table, ring, slot)
        ring[at, 0] = words[event, _TEXT]
        ring[at, 1] = words[event, _SECOND]
        ring[at, 2] = content[event]
        table[_find(table, ring, ring[at, 0], ring[at, 1])] = at + 1
        digest[0] += _mark(ring[at], total)
        total += 1


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _check(
    ring: Any, table: Any, total: Any, words: Any, content: Any, pending: Any, pending_content: Any
) -> Any:
    n, window, before = words.shape[0], ring.shape[0], total
    verdicts = np.zeros(n, dtype=np.uint8)
    # The fresh events of this step, in a table of their own.
    size = 4
    while size < 2 * n:
        size *= 2
    own = np.zeros(size, dtype=np.int32)
    born = np.zeros(n, dtype=np.int64)
    keys = np.empty((n, 2), dtype=np.uint64)
    for event in range(n):
        keys[event, 0] = words[event, _TEXT]
        keys[event, 1] = words[event, _SECOND]
        own_slot = _find(own, keys, keys[event, 0], keys[event, 1])
        known = False
        first = content[event]
        if own[own_slot] != 0:
            twin = own[own_slot] - 1
            known = born[twin] >= total - window
            first = content[twin]
        if not known:
            row = table[_find(table, ring, keys[event, 0], keys[event, 1])] - 1
            if row >= 0:
                sequence = before - 1 - (before - 1 - row) % window
                known = sequence >= total - window
                first = ring[row, 2]
        if not known and pending.size != 0 and pending[event] != 0:
            known = True
            first = pending_content[event]
        if known:
            verdicts[event] = DUPLICATE if first == content[event] else CONFLICT
        else:
            born[event] = total
            own[own_slot] = event + 1
            total += 1
    return verdicts
