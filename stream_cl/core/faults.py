"""Named places where a test may make the process die.

The names are the numbers between the steps of a commit; `testing.faults` has the
implementations that crash. In production `reach` does nothing.
"""

from __future__ import annotations

from typing import Final, Protocol

FAULT_POINTS: Final = (
    "fenced",  # the epoch is ours, OPEN is not written
    "opened",  # OPEN is committed, nothing is replayed
    "replayed-step",  # one step of the manifest was replayed
    "step-taken",  # slices are chosen, nothing is scored
    "step-scored",  # outputs exist in memory only
    "commit-half-written",  # inside the transaction, before its commit
    "committed",  # the transaction is durable, its answer was not read
    "learning",  # the copies became state, labels are not learned
    "learned",  # S(k) is whole
    "checkpoint-copied",  # the copy is taken, nothing is on disk
    "checkpoint-half-written",  # the temporary file stands, not renamed
    "checkpoint-renamed",  # the new checkpoint stands, the old is not yet removed
    "closing",  # the last step is done, the last checkpoint is not
)


class Faults(Protocol):
    def reach(self, point: str) -> None:
        """Called when the process passes `point`; may never come back."""
        ...


class NoFaults:
    """Production: nothing happens."""

    def reach(self, point: str) -> None:
        return None
