"""What every budget promises, as tests.

Subclass `BudgetContract` in a test file and give it a factory:

    class TestFractionBudget(BudgetContract):
        def make(self) -> FractionBudget:
            return FractionBudget(0.1)

Utilities and draws come from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from stream_cl.core.protocols import REASONS, Budget, Candidates, Decision
from stream_cl.core.snapshot import Snapshot, digest

SEED: Final = 40
WITHIN: Final = 30
"""Labels that two runs of the same target differ by at most."""
UNLIMITED: Final = 10**9
_COLUMNS: Final = ("utility", "ask_draw", "held_out_draw", "allowed")


def candidates(
    n: int, seed: int = SEED, utility: npt.NDArray[np.float64] | None = None
) -> Candidates:
    """n events, all allowed, with room; utilities uniform with ties unless they are given."""
    draws = np.random.default_rng(seed)
    ask, held_out = draws.random(n), draws.random(n)
    chosen = draws.random(n).round(2) if utility is None else utility
    return Candidates(chosen, ask, held_out, np.ones(n, np.bool_), UNLIMITED, UNLIMITED)


def part(whole: Candidates, start: int, stop: int) -> Candidates:
    """The events `start` up to, not including, `stop`."""
    columns = {name: getattr(whole, name)[start:stop] for name in _COLUMNS}
    return replace(
        whole,
        **columns,
        keys=whole.keys[start:stop],
        predicted=None if whole.predicted is None else whole.predicted[start:stop],
    )


def in_steps(budget: Budget, whole: Candidates, sizes: Iterable[int] = ()) -> Iterator[Decision]:
    """Decide and commit in steps of `sizes`, the rest as one; room shrinks as in a pipeline."""
    start, asked = 0, 0
    for size in [*sizes, len(whole.utility)]:
        step = part(whole, start, start + size)
        step.room, step.room_floor = whole.room - asked, whole.room_floor - asked
        step.open = whole.open + asked
        decision = budget.decide(step)
        budget.commit(decision)
        start += size
        asked += int(decision.asked.sum())
        yield decision


def joined(decisions: Iterable[Decision]) -> tuple[npt.NDArray[Any], ...]:
    """propensity, asked, held_out and reason of several decisions, one after another."""
    listed = list(decisions)
    names = ("propensity", "asked", "held_out", "reason")
    return tuple(np.concatenate([getattr(d, name) for d in listed]) for name in names)


def equal(first: Iterable[Decision], second: Iterable[Decision]) -> bool:
    """Whether two runs decided the same to the bit."""
    return all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in zip(joined(first), joined(second), strict=True)
    )


class BudgetContract:
    """Subclass it, name the class `Test…`, implement `make`."""

    asks: bool = True
    """Whether it asks at all; False where labels come for every event."""

    elastic: bool = True
    """Whether it can ask less than its target; False where all of it is exploration."""

    def make(self) -> Budget:
        """A budget that has spent nothing."""
        raise NotImplementedError

    def used(self) -> Budget:
        """A budget that has seen 500 events."""
        budget = self.make()
        budget.commit(budget.decide(candidates(500, SEED + 1)))
        return budget

    def test_columns(self) -> None:
        """One entry per event, of the types that predictions are written from."""
        for n in (0, 1, 7):
            decision = self.used().decide(candidates(n))
            for column, dtype in zip(joined([decision]), ("f8", "?", "?", "u1"), strict=True):
                assert column.shape == (n,)
                assert column.dtype == dtype
            assert (decision.reason < len(REASONS)).all()

    def test_deciding_is_pure(self) -> None:
        """Else a step that aborts would have spent what nobody was asked."""
        budget, silent = self.used(), self.used()
        before = digest(budget.snapshot())
        events = candidates(300)
        kept = [getattr(events, name).copy() for name in _COLUMNS]
        first = budget.decide(events)
        assert equal([budget.decide(events)], [first])
        assert digest(budget.snapshot()) == before
        for name, column in zip(_COLUMNS, kept, strict=True):
            assert getattr(events, name).tobytes() == column.tobytes(), f"{name} was changed"
        assert equal(in_steps(budget, candidates(300)), in_steps(silent, candidates(300)))

    @pytest.mark.parametrize("size", [1, 2, 7, 64, 299])
    def test_the_size_of_a_step_changes_no_decision(self, size: int) -> None:
        """Else who is asked depends on how fast records came."""
        events = candidates(600)
        events.allowed[100:200] = False
        sizes = [size] * (600 // size)
        assert equal(in_steps(self.make(), events, sizes), in_steps(self.make(), events))

    @pytest.mark.parametrize("size", [1, 7, 64])
    def test_deciding_ahead_stops_behind_what_is_learned(self, size: int) -> None:
        """Else events are decided by what the learner said before it knew the answer."""
        ahead, budget, events = self.used(), self.used(), candidates(300)
        whole = self.used().decide(events)
        learned = np.flatnonzero(whole.asked & ~whole.held_out)
        stop = min(300, (learned[0] // size + 1) * size) if len(learned) else 300
        part_of_it = budget.decide(part(events, 0, stop))
        decision = ahead.decide(replace(events, until_asked=size))
        assert equal([decision], [part_of_it])
        ahead.commit(decision)
        budget.commit(part_of_it)
        assert digest(ahead.snapshot()) == digest(budget.snapshot())

    @pytest.mark.parametrize("room", [0, 5, 20])
    def test_the_size_of_a_step_changes_nothing_where_room_is_short(self, room: int) -> None:
        """The room that is left is counted event by event, not step by step."""
        events = candidates(600)
        events.room, events.room_floor = room, room + 10
        sizes = [1, 9, 50, 200]
        assert equal(in_steps(self.make(), events, sizes), in_steps(self.make(), events))

    def test_a_restored_budget_goes_on_to_the_bit(self) -> None:
        """The next 200 decisions after a restart are those that would have been."""
        budget = self.used()
        saved: Snapshot = budget.snapshot()
        before = digest(saved)
        expected = list(in_steps(budget, candidates(200, SEED + 2), [30, 70]))
        assert digest(saved) == before, "the snapshot shares memory with the budget"
        for other in (self.make(), self.used()):
            other.restore(saved)
            assert equal(in_steps(other, candidates(200, SEED + 2), [30, 70]), expected)
            assert digest(other.snapshot()) == digest(budget.snapshot())
        assert digest(saved) == before, "restoring shares memory with the snapshot"

    def test_propensities_are_probabilities(self) -> None:
        """Unbiased figures divide by them, and only what may be asked is asked."""
        events = candidates(5000)
        events.allowed[::7] = False
        propensity, asked, held_out, _ = joined(in_steps(self.make(), events))
        assert np.isfinite(propensity).all()
        assert (propensity >= 0).all()
        assert (propensity <= 1).all()
        assert (propensity[asked] > 0).all()
        if self.asks:
            assert asked.any()
            assert asked[held_out].all(), "a held-out label would never come"
        else:
            assert not asked.any()

    def test_what_is_not_allowed_is_not_asked(self) -> None:
        """A paused pipeline asks nobody, and an event whose label is here is not asked for."""
        events = candidates(500)
        events.allowed[:] = False
        propensity, asked, held_out, reason = joined(in_steps(self.used(), events))
        assert not asked.any()
        if self.asks:
            assert (propensity == 0).all()
            assert not held_out.any()
            assert (reason == REASONS.index("not_allowed")).all()

    @pytest.mark.parametrize(("room", "room_floor"), [(0, 0), (-3, 2), (4, 9)])
    def test_never_more_than_there_is_room_for(self, room: int, room_floor: int) -> None:
        """Else the pending store overflows and the pipeline stops."""
        events = candidates(3000)
        events.room, events.room_floor = room, room_floor
        propensity, asked, _, reason = joined([self.used().decide(events)])
        assert asked.sum() <= room_floor
        if self.asks:
            assert asked.sum() == room_floor, "exploration uses the last of the room"
            full = np.cumsum(asked) - asked >= room_floor
            assert (reason[full] == REASONS.index("no_room")).all()
            assert (propensity[full] == 0).all()

    def test_events_are_asked_as_often_as_their_propensity_says(self) -> None:
        """Unbiased figures divide by it. 300 seeds; each event is its own little experiment."""
        runs, n = 300, 200
        utility = np.random.default_rng(SEED).random(n).round(1)
        asked, propensity = np.zeros((runs, n)), np.zeros((runs, n))
        for run in range(runs):
            events = candidates(n, 1000 + run, utility)
            events.room, events.room_floor = n // 2, n // 2 + 10
            given = joined(in_steps(self.make(), events, [n // 2]))
            propensity[run], asked[run] = given[:2]
        if not self.asks:
            return
        # The propensity of an event depends on what was asked before it, so the difference is a
        # martingale: its mean is 0 and its variance that of the draws.
        variance = (propensity * (1 - propensity)).sum(axis=0)
        drawn, certain = variance > 2, variance == 0
        z = (asked - propensity).sum(axis=0)[drawn] / np.sqrt(variance[drawn])
        assert np.abs(z).max(initial=0.0) < 5
        assert abs((z**2).sum() - len(z)) < 5 * np.sqrt(2 * max(1, len(z)))
        assert (asked[:, certain] == propensity[:, certain]).all()

    def test_refunds_come_back_slowly_and_all_of_them(self) -> None:
        """Else a crowd that was away is asked for all of it at once when it is back."""
        budget, silent = self.used(), self.used()
        budget.refund(30)
        restored = self.make()
        restored.restore(budget.snapshot())
        before = budget.spending()
        assert equal(in_steps(budget, candidates(5000)), in_steps(restored, candidates(5000)))
        after = budget.spending()
        assert digest(budget.snapshot()) == digest(restored.snapshot())
        assert after.refunded - before.refunded <= 20 + 1e-9
        if not self.asks:
            return
        assert after.refunded > before.refunded
        assert after.refunded + after.waiting == pytest.approx(30)
        list(in_steps(silent, candidates(5000)))
        assert after.asked >= silent.spending().asked, "what is paid back is asked again"

    def test_what_is_spent_besides_is_inside_the_target(self) -> None:
        """Else labels that are asked for a second time come on top of what was agreed on."""
        n, share, size = 8000, 0.2, 50
        spent = []
        for besides in (False, True):
            budget, start = self.make(), 0
            for _ in range(n // size):
                decision = budget.decide(part(candidates(n), start, start + size))
                budget.commit(decision)
                start += size
                if besides and (more := round(share * decision.asked.sum())):
                    budget.spend(more)
            spent.append(budget.spending().asked)
            restored = self.make()
            restored.restore(budget.snapshot())
            assert digest(restored.snapshot()) == digest(budget.snapshot())
        if self.elastic or not self.asks:
            assert abs(spent[1] - spent[0]) <= WITHIN

    def test_what_is_given_back_is_asked_for_again(self) -> None:
        """Answers that a question did not need buy other labels."""
        budget, silent = self.used(), self.used()
        budget.spend(5)
        budget.spend(-5)
        assert tuple(budget.spending()) == pytest.approx(tuple(silent.spending()))
        budget.spend(-5)
        more = sum(d.asked.sum() for d in in_steps(budget, candidates(5000)))
        less = sum(d.asked.sum() for d in in_steps(silent, candidates(5000)))
        room = self.elastic and self.asks and silent.spending().target < 1
        assert room <= more - less <= WITHIN

    def test_what_is_spent_is_told(self) -> None:
        """People look at it on /metrics."""
        budget = self.used()
        spending = budget.spending()
        assert 0 <= spending.floor <= spending.target <= 1
        assert 0 <= spending.min_propensity <= spending.mean_propensity + 1e-12
        assert spending.mean_propensity <= 1 + 1e-12
        decision = budget.decide(candidates(500))
        budget.commit(decision)
        assert budget.spending().asked - spending.asked == decision.asked.sum()

    def test_memory_does_not_grow(self) -> None:
        """Bounded memory: the state is as large after 20,000 events as after 1,000."""
        budget = self.make()
        sizes = []
        for seed in range(20):
            budget.commit(budget.decide(candidates(1000, seed)))
            sizes.append(_bytes_of(budget.snapshot()))
        assert len(set(sizes)) == 1


def _bytes_of(snapshot: Snapshot) -> int:
    return sum(
        value.nbytes if isinstance(value, np.ndarray) else 8 * np.size(value)
        for value in snapshot.values()
    )
