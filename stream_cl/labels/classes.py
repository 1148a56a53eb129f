"""The classes seen so far, numbered in order of first appearance."""

from __future__ import annotations

from stream_cl.core.snapshot import Snapshot


class Classes:
    """label ↔ class number.

    Args:
        max_classes: the bound; a label that would be one more is refused.
    """

    def __init__(self, max_classes: int) -> None:
        self.max_classes = max_classes
        self.names: list[str] = []
        self._number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.names)

    def find(self, label: str) -> int | None:
        """The label's number if it has one; gives none."""
        return self._number.get(label)

    def number(self, label: str) -> int | None:
        """The label's number, given now if it is new; None when there is no room for it."""
        number = self._number.get(label)
        if number is None and len(self.names) < self.max_classes:
            number = self._number[label] = len(self.names)
            self.names.append(label)
        return number

    def snapshot(self) -> Snapshot:
        return {"names": list(self.names)}

    def restore(self, snapshot: Snapshot) -> None:
        self.names = list(snapshot["names"])
        self._number = {name: number for number, name in enumerate(self.names)}
