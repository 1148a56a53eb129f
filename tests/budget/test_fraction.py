"""The fraction budget: its contract, how exactly it spends, and that propensities are true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.budget._state import Count, Level
from stream_cl.budget.fraction import FractionBudget
from stream_cl.core.protocols import REASONS, Budget
from stream_cl.testing.budget_contract import BudgetContract, candidates, in_steps, joined, part

WINDOW, WITHIN = 5000, 20
"""The promise: in any window of so many events, so many labels from the target."""

Utilities = Callable[[np.ndarray, np.random.Generator], np.ndarray]
UTILITIES: dict[str, Utilities] = {
    "constant": lambda t, draw: np.zeros(len(t)),
    "uniform": lambda t, draw: draw.random(len(t)),
    "binary": lambda t, draw: (draw.random(len(t)) < 0.3).astype(float),
    "rare": lambda t, draw: (draw.random(len(t)) < 0.02).astype(float),
    "drifting": lambda t, draw: draw.random(len(t)) + np.sin(t / 3000),
    "rising": lambda t, draw: t.astype(float),
    "falling": lambda t, draw: -t.astype(float),
    "short blocks": lambda t, draw: (t // 100 % 2).astype(float),
    "long blocks": lambda t, draw: (t // 5000 % 2).astype(float),
    "rise and fall": lambda t, draw: np.where(t // 1000 % 2, -t, t).astype(float),
    "slow rise and fall": lambda t, draw: np.where(t // 5000 % 2, -t, t).astype(float),
    "rising blocks of noise": lambda t, draw: t // 700 + draw.random(len(t)),
    "ever wider": lambda t, draw: draw.normal(size=len(t)) * 1.01 ** (t / 10),
}


class TestFractionBudget(BudgetContract):
    def make(self) -> Budget:
        return FractionBudget(0.1)


class TestFractionBudgetWithEverySettingChanged(BudgetContract):
    def make(self) -> Budget:
        return FractionBudget(0.5, floor=0.8, cold_start=0, window=7, held_out=0.8)


class TestFractionBudgetThatAsksForAll(BudgetContract):
    elastic = False

    def make(self) -> Budget:
        return FractionBudget(1.0, floor=1.0, cold_start=3, window=2, held_out=0.0)


def furthest(asked: np.ndarray, allowed: np.ndarray, fraction: float) -> float:
    """Most labels that any window of WINDOW events is away from its target."""
    spent = np.concatenate([[0.0], np.cumsum(asked - fraction * allowed)])
    return float(np.abs(spent[WINDOW:] - spent[:-WINDOW]).max())


def settled(fraction: float) -> int:
    """Events after which the debt of the cold start is paid back: ten labels, at b − f each."""
    return round(40 / fraction)


@pytest.mark.parametrize("kind", UTILITIES)
@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1])
def test_the_spend_is_held_whatever_the_utilities_do(kind, fraction):
    """People and bills are planned by it: no window of 5,000 events is off by 20 labels."""
    n = settled(fraction) + 30_000
    for seed in range(2):
        utility = UTILITIES[kind](np.arange(n), np.random.default_rng(seed))
        decision = FractionBudget(fraction).decide(candidates(n, seed, utility))
        asked = decision.asked[settled(fraction) :]
        assert furthest(asked, np.ones(len(asked)), fraction) <= WITHIN, f"seed {seed}"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(50, 3000), st.sampled_from(["up", "down", "flat", "noise", "jump"])),
        min_size=3,
        max_size=12,
    ),
    st.sampled_from([0.01, 0.05, 0.1, 0.3]),
    st.integers(0, 1000),
)
def test_no_pattern_of_blocks_breaks_it(blocks, fraction, seed):
    """An adversary may order rises, falls, plateaus and noise as it likes."""
    draw, parts, level = np.random.default_rng(seed), [np.zeros(settled(fraction))], 0.0
    for size, kind in blocks:
        steps = {"up": np.ones(size), "down": -np.ones(size)}.get(kind, np.zeros(size))
        noise = draw.normal(scale=100, size=size) if kind == "noise" else 0.0
        level += 1e6 if kind == "jump" else 0.0
        parts.append(level + np.cumsum(steps) + noise)
        level += steps.sum()
    utility = np.concatenate([*parts, np.zeros(WINDOW)])
    decision = FractionBudget(fraction).decide(candidates(len(utility), seed, utility))
    asked = decision.asked[settled(fraction) :]
    assert furthest(asked, np.ones(len(asked)), fraction) <= WITHIN


@pytest.mark.parametrize("fraction", [0.01, 0.1])
def test_restarts_and_pauses_leave_it_held(fraction):
    """A pause is not caught up on, and a restart forgets nothing that was spent."""
    n, budget = settled(fraction) + 30_000, FractionBudget(fraction)
    events = candidates(n)
    events.allowed[n // 2 : n // 2 + 4000] = False
    events.allowed[:: 3 * 211] = False
    parts = []
    for start in range(0, n, 997):
        restarted = FractionBudget(fraction)
        restarted.restore(budget.snapshot())
        budget = restarted
        parts.append(budget.decide(part(events, start, start + 997)))
        budget.commit(parts[-1])
    asked = joined(parts)[1][settled(fraction) :]
    assert furthest(asked, events.allowed[settled(fraction) :], fraction) <= WITHIN


def test_events_are_asked_as_often_as_their_propensity_says():
    """Unbiased figures divide by it. 400 seeds; each event is its own little experiment."""
    runs, n = 400, 300
    utility = np.random.default_rng(1).random(n).round(1)
    asked, propensity = np.zeros((runs, n)), np.zeros((runs, n))
    for seed in range(runs):
        decision = FractionBudget(0.1, cold_start=5).decide(candidates(n, 1000 + seed, utility))
        asked[seed], propensity[seed] = decision.asked, decision.propensity
    # The propensity of an event depends on what was asked before it, so the difference is a
    # martingale: its mean is 0 and its variance that of the draws.
    variance = (propensity * (1 - propensity)).sum(axis=0)
    z = (asked - propensity).sum(axis=0)[variance > 0] / np.sqrt(variance[variance > 0])
    assert np.abs(z).max() < 4.5
    assert abs((z**2).sum() - len(z)) < 5 * np.sqrt(2 * len(z))
    assert (asked[:, variance == 0] == propensity[:, variance == 0]).all()


def test_the_same_holds_within_each_level_of_propensity():
    """Calibrated from 1 % to 90 %, not on average only."""
    decision = FractionBudget(0.2).decide(candidates(200_000))
    levels = np.digitize(decision.propensity, [0.07, 0.1, 0.2, 0.4, 0.8, 0.999])
    for level in np.unique(levels):
        rows = levels == level
        p, asked = decision.propensity[rows], decision.asked[rows]
        spread = np.sqrt((p * (1 - p)).sum())
        assert abs(asked.sum() - p.sum()) <= 4 * spread + 1e-6, f"level {level}"


def test_held_out_is_a_uniform_draw_of_its_own():
    """A tenth of the spend, whatever the utility, so that figures on it are fair."""
    events = candidates(200_000)
    decision = FractionBudget(0.1).decide(events)
    rows = np.arange(200_000) > 5000
    for high in (events.utility > 0.8, events.utility < 0.2):
        share = decision.held_out[rows & high].mean()
        assert abs(share - 0.01) < 4 * (0.01 / (rows & high).sum()) ** 0.5
    assert (decision.reason[decision.held_out] == REASONS.index("held_out")).all()


def test_it_spends_where_the_utility_is():
    """Else the strategy is in vain: the upper fifth gets several times the lower one's labels."""
    events = candidates(50_000)
    decision = FractionBudget(0.05).decide(events)
    high, low = events.utility > 0.8, events.utility < 0.2
    assert decision.asked[high].mean() > 4 * decision.asked[low].mean()
    assert decision.propensity.min() >= 0.3 * 0.05 - 1e-12, "the floor keeps figures sound"


def test_a_strategy_that_cannot_tell_events_apart_is_plain_sampling():
    """`random` is the control: each event alike, or the comparison is unfair."""
    decision = FractionBudget(0.05).decide(candidates(40_000, utility=np.zeros(40_000)))
    settled_ = decision.propensity[2000:]
    assert settled_.mean() == pytest.approx(0.05, rel=0.05)
    assert settled_.std() < 0.03


def test_the_cold_start_asks_at_once_and_is_paid_back():
    """The first labels come without a wait, and are no gift."""
    decision = FractionBudget(0.05, cold_start=30).decide(candidates(20_000))
    assert decision.asked[:30].all()
    assert (decision.propensity[:30] == 1.0).all()
    reasons = {REASONS[r] for r in decision.reason[:30]}
    assert reasons <= {"cold_start", "held_out"}
    assert not (decision.reason[30:] == REASONS.index("cold_start")).any()
    assert abs(decision.asked.sum() - 0.05 * 20_000) <= WITHIN


def test_a_cold_start_without_room_is_drawn_by_the_floor():
    """The room that is kept for exploration is not spent at once by a start."""
    events = candidates(2000)
    events.room, events.room_floor = 0, 5
    decision = FractionBudget(0.1).decide(events)
    assert decision.propensity[0] == pytest.approx(0.03)
    assert not (decision.reason == REASONS.index("cold_start")).any()
    assert decision.asked.sum() == 5


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.005, 1.0),
    st.floats(0.05, 1.0),
    st.floats(0.0, 1.0),
    st.integers(0, 40),
    st.lists(st.integers(1, 60), max_size=10),
)
def test_any_settings_keep_the_promises(fraction, floor, share, cold_start, sizes):
    """Whatever a config may say: probabilities, and the same in steps of any size."""
    settings_ = {"floor": floor, "held_out": share * floor, "cold_start": cold_start}
    events = candidates(400)
    whole = joined(in_steps(FractionBudget(fraction, **settings_), events))
    stepped = joined(in_steps(FractionBudget(fraction, **settings_), events, sizes))
    for a, b in zip(whole, stepped, strict=True):
        assert a.tobytes() == b.tobytes()
    propensity, asked, held_out, _ = whole
    assert ((propensity >= min(1, fraction * floor) - 1e-12) & (propensity <= 1)).all()
    assert asked[held_out].all()


@pytest.mark.parametrize("kind", ["rise and fall", "slow rise and fall", "rising", "drifting"])
def test_in_all_it_is_within_one_percent(kind):
    """The bill of a season: utilities that rise for long leave nothing over and nothing owed."""
    n = settled(0.01) + 100_000
    utility = UTILITIES[kind](np.arange(n), np.random.default_rng(2))
    decision = FractionBudget(0.01).decide(candidates(n, 2, utility))
    assert decision.asked[settled(0.01) :].sum() == pytest.approx(1000, rel=0.01)


def test_there_is_no_line():
    """Any event may be asked by choice, so a request names no utility from which on it would be."""
    decision = FractionBudget(0.1).decide(candidates(2000))
    assert decision.threshold is not None
    assert np.isnan(decision.threshold).all()


def test_a_checkpoint_of_before_is_taken_up():
    """It has fewer levels: what is open was charged at the price, and no weight was averaged."""
    budget = FractionBudget(0.1)
    budget.commit(budget.decide(candidates(1000)))
    saved = budget.snapshot()
    old = {**saved, "levels": saved["levels"][: Level.CHARGED].copy()}
    other = FractionBudget(0.1)
    other.restore(old)
    levels = other.snapshot()["levels"]
    assert len(levels) == len(Level)
    assert levels[Level.CHARGED] == saved["counts"][Count.OPEN]
    assert levels[Level.WEIGHT] == 1.0
    assert other.decide(candidates(500)).asked.sum() > 0
