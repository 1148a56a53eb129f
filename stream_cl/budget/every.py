"""No asking: labels come for all events (clicks, outcomes).

Used with `labels.join: every`. A fixed fraction of the events is drawn uniformly for the
held-out set; everything else is learned from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_cl.core.protocols import REASONS, Bill, Candidates, Decision, Spending
from stream_cl.core.snapshot import Snapshot


class EveryLabel:
    """Asks for nothing, expects everything.

    Args:
        held_out: fraction of all events that go to the held-out set, in [0, 1).

    The propensity is 1: whatever label comes, came without being chosen. No state.
    """

    def __init__(self, held_out: float = 0.01) -> None:
        self.held_out = held_out

    def decide(self, candidates: Candidates) -> Decision:
        """Decide nothing; mark the held-out events."""
        n = len(candidates.utility)
        joined = np.full(n, REASONS.index("joined"), dtype=np.uint8)
        held_out = candidates.held_out_draw < self.held_out
        return Decision(np.ones(n), np.zeros(n, dtype=np.bool_), held_out, joined, None)

    def commit(self, decision: Decision) -> None:
        return None

    def refund(self, expired: int) -> None:
        """Nothing was asked, so nothing is given back."""

    def spend(self, labels: int) -> None:
        """Nothing is asked for, so nothing is asked for besides."""

    def charge(self, bills: Sequence[Bill]) -> None:
        """Labels come by themselves."""

    def spending(self) -> Spending:
        return Spending(0.0, 0.0, 0, 0.0, 0.0, 1.0, 1.0)

    def snapshot(self) -> Snapshot:
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        return None
