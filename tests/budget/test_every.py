"""No budget: labels come for every event."""

from __future__ import annotations

import numpy as np

from stream_cl.budget.every import EveryLabel
from stream_cl.core.protocols import REASONS, Budget
from stream_cl.testing.budget_contract import BudgetContract, candidates


class TestEveryLabel(BudgetContract):
    asks = False

    def make(self) -> Budget:
        return EveryLabel(0.1)


def test_a_fixed_share_is_held_out_uniformly():
    """Forgetting and calibration are measured on it: it must be a fair sample."""
    events = candidates(50_000)
    decision = EveryLabel(0.02).decide(events)
    assert abs(decision.held_out.mean() - 0.02) < 4 * (0.02 * 0.98 / 50_000) ** 0.5
    high = events.utility > 0.5
    assert abs(decision.held_out[high].mean() - decision.held_out[~high].mean()) < 0.006
    assert (decision.propensity == 1.0).all()
    assert (decision.reason == REASONS.index("joined")).all()


def test_none_may_be_held_out():
    assert not EveryLabel(0.0).decide(candidates(1000)).held_out.any()
    assert np.array_equal(EveryLabel(0.0).decide(candidates(3)).asked, [False] * 3)
