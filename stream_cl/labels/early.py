"""Labels that came before their event.

The labels topic and the events topic are read side by side, so an answer may be read
first. It waits here, bytes and all, until its event comes or its time is over.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_cl.core.records import Label, Source
from stream_cl.core.snapshot import SetDigest, Snapshot


class EarlyLabel(NamedTuple):
    """A label, the record that carried it, and the logical time at which it was read."""

    label: Label
    source: Source
    key: bytes | None
    value: bytes
    since_ms: int


class EarlyLabels:
    """Bounded store: event id → labels, in the order in which they came.

    Args:
        capacity: labels kept; the oldest gives way.
        ttl_ms: a label is given up this long after it was read, in logical time.

    Memory: capacity × (the label's record + about 600 bytes).
    """

    def __init__(self, capacity: int, ttl_ms: int) -> None:
        assert capacity > 0
        self.capacity = capacity
        self.ttl_ms = ttl_ms
        self._labels: dict[int, EarlyLabel] = {}  # number → label, oldest first
        self._of_id: dict[str, list[int]] = {}
        self._next = 0
        self._digest = SetDigest()

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._of_id

    def add(self, early: EarlyLabel) -> EarlyLabel | None:
        """Keep a label. Returns the one that had to go for it, if one had to."""
        evicted = self._drop(next(iter(self._labels))) if len(self) >= self.capacity else None
        self._labels[self._next] = early
        self._of_id.setdefault(early.label.id, []).append(self._next)
        self._next += 1
        self._digest.add(*early.source)
        return evicted

    def take(self, id_: str) -> list[EarlyLabel]:
        """Remove and return the labels of an event that has now come."""
        return [self._drop(number) for number in list(self._of_id.get(id_, ()))]

    def expire(self, time_ms: int, most: int) -> list[EarlyLabel]:
        """Remove and return what was read `ttl_ms` before `time_ms` or earlier, at most `most`."""
        expired: list[EarlyLabel] = []
        while self._labels and len(expired) < most and self.next_expiry_ms() <= time_ms:
            expired.append(self._drop(next(iter(self._labels))))
        return expired

    def next_expiry_ms(self) -> int:
        """When the oldest label is given up; only to be asked while there is one."""
        return next(iter(self._labels.values())).since_ms + self.ttl_ms

    def _drop(self, number: int) -> EarlyLabel:
        early = self._labels.pop(number)
        numbers = self._of_id[early.label.id]
        numbers.remove(number)
        if not numbers:
            del self._of_id[early.label.id]
        self._digest.remove(*early.source)
        return early

    def fingerprint(self) -> Snapshot:
        return {"labels": len(self), "digest": self._digest.hex()}

    def snapshot(self) -> Snapshot:
        return {"next": self._next, "labels": [_plain(label) for label in self._labels.values()]}

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["labels"])
        assert n <= self.capacity, f"{n} early labels, where {self.capacity} may wait"
        self._labels, self._of_id, self._next, self._digest = {}, {}, 0, SetDigest()
        for plain in snapshot["labels"]:
            self.add(_early(plain))
        self._next = snapshot["next"]


def _plain(early: EarlyLabel) -> Snapshot:
    label = early.label
    return {
        "id": label.id,
        "label": label.label,
        "annotator": label.annotator,
        "revision": label.revision,
        "request": label.request,
        "cost": label.cost,
        "time_ms": label.time_ms,
        "source": list(early.source),
        "key": None if early.key is None else early.key.hex(),
        "value": early.value.hex(),
        "since_ms": early.since_ms,
    }


def _early(plain: Snapshot) -> EarlyLabel:
    names = ("id", "label", "annotator", "revision", "request", "cost", "time_ms")
    label = Label(row=-1, **{name: plain[name] for name in names})
    key = None if plain["key"] is None else bytes.fromhex(plain["key"])
    source = Source(*plain["source"])
    return EarlyLabel(label, source, key, bytes.fromhex(plain["value"]), plain["since_ms"])
