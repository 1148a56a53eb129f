"""Questions that are spread out: near duplicates of the last questions are asked less often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stream_cl.budget._spread import KEPT
from stream_cl.budget.fraction import FractionBudget
from stream_cl.budget.quantile import QuantileBudget
from stream_cl.core.protocols import Budget, Candidates
from stream_cl.core.snapshot import digest
from stream_cl.testing.budget_contract import BudgetContract, candidates, equal, in_steps, part

SPREAD, WIDTH = 0.05, 6


def spread_candidates(n: int, seed: int = 40, spread: float = SPREAD) -> Candidates:
    """Events in runs of eight near duplicates, as wide as WIDTH."""
    draws = np.random.default_rng(seed)
    centres = np.repeat(draws.normal(size=(n // 8 + 1, WIDTH)), 8, axis=0)[:n]
    x = (centres + draws.normal(scale=1e-3, size=(n, WIDTH))).astype(np.float32)
    return replace(candidates(n, seed), x=x, spread=spread)


def runs_asked_twice(budget: Budget, spread: float) -> float:
    """Share of the questions of which the run of eight had one already."""
    n = 20_000
    events = spread_candidates(n, spread=spread)
    # A whole run is as uncertain as its first event: nothing else tells them apart.
    events.utility = np.repeat(events.utility[::8], 8)[:n]
    runs = np.flatnonzero(budget.decide(events).asked) // 8
    return 1.0 - len(np.unique(runs)) / len(runs)


class Spread(BudgetContract):
    """The contract, with every event beside others that it is compared with."""

    def used(self) -> Budget:
        budget = self.make()
        budget.commit(budget.decide(spread_candidates(500, 41)))
        return budget


class TestFractionSpread(Spread):
    def make(self) -> Budget:
        return FractionBudget(0.1)


class TestQuantileSpread(Spread):
    def make(self) -> Budget:
        return QuantileBudget(0.1)


def in_pieces(budget: Budget, events: Candidates, size: int) -> list[Any]:
    """Decide and commit in steps of `size`, each with its part of x."""
    assert events.x is not None
    given = []
    for start in range(0, len(events.utility), size):
        step = replace(part(events, start, start + size), x=events.x[start : start + size])
        decision = budget.decide(step)
        budget.commit(decision)
        given.append(decision)
    return given


@pytest.mark.parametrize("size", [1, 7, 64])
def test_where_a_step_ends_changes_no_decision(size: int) -> None:
    """Else who is asked depends on how fast records came."""
    events = spread_candidates(2000)
    whole, pieces = FractionBudget(0.1), FractionBudget(0.1)
    assert equal(in_pieces(whole, events, 2000), in_pieces(pieces, events, size))
    assert digest(whole.snapshot()) == digest(pieces.snapshot())


def test_a_restored_budget_compares_with_the_same_questions() -> None:
    """Else a restart asks again about what was just asked."""
    budget, other = FractionBudget(0.1), FractionBudget(0.1)
    in_pieces(budget, spread_candidates(900), 100)
    other.restore(budget.snapshot())
    more = spread_candidates(900, 42)
    assert equal(in_pieces(budget, more, 100), in_pieces(other, more, 30))


@pytest.mark.parametrize("make", [FractionBudget, QuantileBudget])
def test_near_duplicates_of_a_question_are_asked_less_often(make: Any) -> None:
    """Else labels are bought twice for what the first would have settled."""
    apart, near = runs_asked_twice(make(0.05), SPREAD), runs_asked_twice(make(0.05), 0.0)
    assert near > 0.05
    assert apart < 0.6 * near


def test_the_spend_is_the_same() -> None:
    """Spreading moves questions, it buys none."""
    asked = [
        FractionBudget(0.05).decide(spread_candidates(20_000, spread=spread)).asked.sum()
        for spread in (0.0, SPREAD)
    ]
    assert abs(int(asked[0]) - int(asked[1])) <= 20


@pytest.mark.parametrize("value", [0.0, 1e30, -1e30])
def test_events_that_cannot_be_told_apart_are_asked_as_without(value: float) -> None:
    """A constant stream, or one of enormous numbers, must neither stop nor go unasked."""
    n = 4000
    x: npt.NDArray[np.float32] = np.full((n, WIDTH), value, dtype=np.float32)
    decision = FractionBudget(0.1).decide(replace(candidates(n), x=x, spread=SPREAD))
    assert np.isfinite(decision.propensity).all()
    assert abs(decision.asked.sum() - 0.1 * n) <= 20


def test_held_out_questions_do_not_count() -> None:
    """They are not learned from, so an event near one has as much to teach as before."""
    events = spread_candidates(400)
    events.held_out_draw[:] = 0.0
    budget = FractionBudget(0.5, floor=1.0, held_out=1.0, cold_start=0)
    budget.commit(budget.decide(events))
    assert not budget.snapshot()["questions"].any()


def test_memory_is_bounded_by_the_width() -> None:
    """Bounded memory, whatever was asked."""
    budget = FractionBudget(0.5)
    for seed in range(5):
        budget.commit(budget.decide(spread_candidates(1000, seed)))
        assert budget.snapshot()["questions"].shape == (WIDTH + 1, KEPT)


def test_a_checkpoint_of_before_goes_on() -> None:
    """A version without this rule has no questions in its checkpoints."""
    budget = FractionBudget(0.1)
    list(in_steps(budget, candidates(300)))
    saved = budget.snapshot()
    del saved["questions"]
    saved["counts"] = saved["counts"][:10]
    budget.restore(saved)
    assert len(in_pieces(budget, spread_candidates(300), 100)) == 3


def test_one_huge_event_does_not_turn_it_off() -> None:
    """A square that is not finite would stay in the mean distance, and in every checkpoint."""
    budget = FractionBudget(0.05)
    events = spread_candidates(3_000)
    assert events.x is not None
    events.x[1_000] = np.finfo(np.float32).max
    in_steps(budget, events)
    assert runs_asked_twice(budget, SPREAD) < runs_asked_twice(FractionBudget(0.05), 0.0) / 2


def test_spread_of_each_event() -> None:
    """In a burst all events are alike, however near they are; those beside it are compared."""
    events = spread_candidates(4_000)
    events.utility[:] = 1.0
    events.spread = np.where(np.arange(4_000) < 2_000, 0.0, SPREAD)
    propensity = FractionBudget(0.05, cold_start=0).decide(events).propensity
    assert np.median(propensity[300:2_000]) > 0.04, "all as likely, but for the feedback"
    assert np.median(propensity[2_300:]) < 0.03, "the farthest rank first"
