"""The quantile budget: its contract, how exactly it spends, and where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.budget.quantile import QuantileBudget
from stream_cl.core.protocols import Budget
from stream_cl.testing.budget_contract import BudgetContract, candidates
from tests.budget.test_fraction import UTILITIES, WITHIN, furthest, settled


class TestQuantileBudget(BudgetContract):
    def make(self) -> Budget:
        return QuantileBudget(0.1)


class TestQuantileBudgetWithEverySettingChanged(BudgetContract):
    def make(self) -> Budget:
        return QuantileBudget(0.5, floor=0.8, cold_start=0, window=7, held_out=0.8)


class TestQuantileBudgetThatAsksForAll(BudgetContract):
    elastic = False

    def make(self) -> Budget:
        return QuantileBudget(1.0, floor=1.0, cold_start=3, window=2, held_out=0.0)


@pytest.mark.parametrize("kind", UTILITIES)
@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1])
def test_the_spend_is_held_whatever_the_utilities_do(kind, fraction):
    """People and bills are planned by it: no window of 5,000 events is off by 20 labels."""
    n = settled(fraction) + 30_000
    for seed in range(2):
        utility = UTILITIES[kind](np.arange(n), np.random.default_rng(seed))
        decision = QuantileBudget(fraction).decide(candidates(n, seed, utility))
        asked = decision.asked[settled(fraction) :]
        assert furthest(asked, np.ones(len(asked)), fraction) <= WITHIN, f"seed {seed}"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(50, 3000), st.sampled_from([1, -1, 0])), min_size=3, max_size=12
    ),
    st.sampled_from([0.01, 0.05, 0.1]),
    st.integers(0, 1000),
)
def test_no_pattern_of_slopes_breaks_it(blocks, fraction, seed):
    """Whatever a learner's uncertainty does over a season, the bill stays the same."""
    utility = np.concatenate([np.arange(n) * slope for n, slope in blocks * 4]).astype(float)
    n = settled(fraction) + 6000
    utility = np.resize(utility, n + len(utility))
    decision = QuantileBudget(fraction).decide(candidates(len(utility), seed, utility))
    asked = decision.asked[settled(fraction) :]
    assert furthest(asked, np.ones(len(asked)), fraction) <= WITHIN


def test_it_is_sharp():
    """Far above the quantile nearly everything is asked; far below it the floor alone draws."""
    n = 20_000
    utility = np.random.default_rng(0).random(n)
    decision = QuantileBudget(0.1).decide(candidates(n, 1, utility))
    high, low = utility > 0.98, utility < 0.7
    assert decision.asked[high].mean() > 0.9
    assert abs(decision.asked[low].mean() - 0.1 * 0.3) < 0.01
    assert decision.propensity.min() > 0


def test_chance_waits_for_the_quantile_to_catch_up():
    """Else labels that could have been chosen are drawn: half of the time the spend is behind by
    a label or two, and the events that the lowered quantile would ask for are on their way."""
    utility = np.random.default_rng(0).random(20_000)
    decision = QuantileBudget(0.1).decide(candidates(len(utility), 1, utility))
    low = utility[1000:] < 0.5
    by_floor_alone = np.isclose(decision.propensity[1000:][low], 0.1 * 0.3)
    assert by_floor_alone.mean() > 0.9


def test_a_request_can_say_from_which_utility_on_it_would_have_been_asked():
    """The line that people are shown is the one that decided."""
    events = candidates(20_000, 1, np.random.default_rng(0).random(20_000))
    decision = QuantileBudget(0.1).decide(events)
    assert decision.threshold is not None
    known = np.isfinite(decision.threshold)
    assert known[decision.asked][10:].mean() > 0.9
    assert not known[~decision.asked].any()
    above = known & (events.utility > decision.threshold)
    below = known & (events.utility < decision.threshold)
    assert above.sum() > 500
    assert below.sum() > 300
    assert (decision.propensity[above] == 1.0).all()
    assert (decision.propensity[below] < 1.0).all()
