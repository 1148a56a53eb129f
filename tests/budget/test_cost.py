"""The budget by money: its contract, what any hour costs, and what answers correct."""

from __future__ import annotations

import heapq
from collections import deque

import numpy as np
import pytest

from stream_cl.budget._state import Count, Level
from stream_cl.budget.cost import CostBudget
from stream_cl.core.protocols import Bill, Budget
from stream_cl.testing.budget_contract import BudgetContract, candidates, part

HOUR_MS = 3_600_000


class TestCostBudget(BudgetContract):
    def make(self) -> Budget:
        return CostBudget(60.0, price=0.2, prices={"a": 0.1}, burst=1000.0)


class TestCostBudgetByEvents(BudgetContract):
    def make(self) -> Budget:
        return CostBudget(30.0, per="1000_events", price=0.1, cold_start=0, floor=0.5)


def spent(make, hours=8, rate=8000, delay_ms=60_000, seed=0, who=lambda hour, draw: "a"):
    """Money and logical time of everything that was asked: what each answer came to cost."""
    draw = np.random.default_rng(seed)
    at_ms = np.cumsum(draw.exponential(HOUR_MS / rate, size=hours * rate))
    step_ms = (at_ms // 2000 + 1).astype(np.int64) * 2000
    starts = np.flatnonzero(np.diff(step_ms, prepend=-1))
    whole, budget = candidates(len(at_ms), seed), make()
    due: list[tuple[float, str]] = []
    money, when = [], []
    for start, stop in zip(starts, np.append(starts[1:], len(at_ms)), strict=True):
        now = int(step_ms[start])
        step = part(whole, start, stop)
        step.time_ms = now
        decision = budget.decide(step)
        budget.commit(decision)
        for _ in range(int(decision.asked.sum())):
            annotator = who(now / HOUR_MS, draw)
            heapq.heappush(due, (now + draw.exponential(delay_ms), annotator))
            money.append(PRICES[annotator])
            when.append(now)
        bills = []
        while due and due[0][0] <= now:
            bills.append(Bill(heapq.heappop(due)[1], None))
        budget.charge(bills)
    return np.array(money), np.array(when), budget


PRICES = {"a": 0.1, "b": 0.3}


def furthest(money, when, amount, after_ms):
    starts = np.arange(after_ms, when[-1] - HOUR_MS, 30_000)
    books = np.concatenate([[0.0], np.cumsum(money)])
    first, last = np.searchsorted(when, starts), np.searchsorted(when, starts + HOUR_MS)
    return np.abs(books[last] - books[first] - amount).max() / amount


def test_an_hour_costs_what_it_may():
    """The first price is a guess; answers tell what labels cost."""
    money, when, budget = spent(lambda: CostBudget(60.0, price=0.2, prices=PRICES, burst=20.0))
    assert budget.spending().price == pytest.approx(0.1, rel=0.02)
    assert furthest(money, when, 60.0, HOUR_MS / 2) <= 0.05


def test_two_prices():
    """Who answers is known afterwards; what was asked meanwhile is corrected."""

    def either(hour, draw):
        return "ab"[int(draw.random() < 0.3)]

    money, when, budget = spent(
        lambda: CostBudget(60.0, price=0.2, prices=PRICES, burst=20.0), who=either
    )
    assert furthest(money, when, 60.0, HOUR_MS / 2) <= 0.1, "within what chance makes of prices"
    hours = (when[-1] - when[0]) / HOUR_MS
    assert money.sum() == pytest.approx(60.0 * hours, rel=0.01)
    assert budget.spending().paid == pytest.approx(money.sum(), rel=0.02)


def test_a_dearer_annotator_takes_over():
    """The bill stays; there are fewer labels for it."""
    money, when, _ = spent(
        lambda: CostBudget(60.0, price=0.1, prices=PRICES, burst=20.0),
        who=lambda hour, draw: "a" if hour < 4 else "b",
    )
    before, after = (when > 2 * HOUR_MS) & (when < 3 * HOUR_MS), when > 7 * HOUR_MS
    assert money[before].sum() == pytest.approx(60.0, rel=0.05)
    assert money[after].sum() == pytest.approx(60.0, rel=0.05)
    assert after.sum() < before.sum() / 2


def test_an_answer_names_its_own_cost():
    budget = CostBudget(10.0, prices={"a": 0.5})
    budget.charge([Bill("a", 0.25), Bill("a", None), Bill("nobody", None), Bill("a", -1.0)])
    assert budget.spending().paid == pytest.approx(0.25 + 0.5 + 0.1)


def test_labels_that_cost_nothing_are_not_asked_without_end():
    """An annotator who names 0 must not make the pipeline ask everything at once."""
    budget = CostBudget(1.0, per="1000_events", price=0.1)
    for _ in range(100):
        budget.commit(budget.decide(candidates(100)))
        budget.charge([Bill("a", 0.0)] * 20)
    assert budget.spending().price > 0
    assert np.isfinite(budget.decide(candidates(100)).propensity).all()


def test_by_events():
    """30 for 1,000 events at 0.2 each are 150 labels, and 300 at 0.1."""
    budget, asked = CostBudget(30.0, per="1000_events", price=0.2, cold_start=0), []
    for number in range(100):
        decision = budget.decide(candidates(100, number))
        budget.commit(decision)
        budget.charge([Bill("a", 0.1)] * int(decision.asked.sum()))
        asked.append(decision.asked.sum())
    assert np.sum(asked[50:]) == pytest.approx(0.3 * 5000, abs=20)


@pytest.mark.parametrize("seed", range(3))
def test_no_hour_costs_more_than_it_may_where_a_dearer_annotator_takes_over(seed):
    """Nobody knows before the first of his answers; what was asked meanwhile is paid back."""
    money, when, _ = spent(
        lambda: CostBudget(60.0, price=0.1, prices=PRICES),
        seed=seed,
        who=lambda hour, draw: "a" if hour < 4 else "b",
    )
    assert furthest(money, when, 60.0, HOUR_MS / 2) <= 0.05


def test_prices_that_differ_do_not_move_what_is_open():
    """A thousand questions are open, and answers cost now this, now that: each corrects its own."""
    budget = CostBudget(60.0, price=0.2, prices=PRICES, cold_start=0)
    budget.spend(1000)
    before = budget.snapshot()["levels"][Level.DEFICIT]
    for name in ["a", "b"] * 250:
        budget.charge([Bill(name, None)])
    after = budget.snapshot()["levels"][Level.DEFICIT]
    assert after - before == pytest.approx(0.2 * 500 - 0.1 * 250 - 0.3 * 250)


def test_what_a_question_was_charged_with_comes_back_whole():
    """Answered, expired, given back: in the end nothing stays charged."""
    budget = CostBudget(60.0, price=0.2, prices=PRICES, cold_start=0)
    budget.spend(30)
    budget.charge([Bill("a", None), Bill("b", None)])
    budget.spend(10)
    budget.refund(18)
    budget.spend(-20)
    levels = budget.snapshot()["levels"]
    assert levels[Level.CHARGED] == pytest.approx(0.0, abs=1e-9)
    assert budget.snapshot()["counts"][Count.OPEN] == 0


def test_what_is_given_back_is_what_was_charged():
    """Given back at today's price, a price that rose would buy labels with money nobody has."""
    budget = CostBudget(100.0, per="1000_events", price=0.1, answers=3)
    target = 0.0
    late: deque[tuple[int, int]] = deque()
    for step in range(400):
        decision = budget.decide(candidates(50, step))
        budget.commit(decision)
        target += 50 * 100 / 1000
        late.append((step + 100, int(decision.asked.sum())))
        while late and late[0][0] <= step:
            for _ in range(late.popleft()[1]):
                budget.charge([Bill("a", 1.0)])
                budget.spend(-2)
    owed = budget.snapshot()["levels"][Level.DEFICIT] + budget.snapshot()["levels"][Level.CHARGED]
    assert budget.spending().paid + owed == pytest.approx(target, rel=0.02)


def test_an_expired_question_brings_back_what_it_was_charged():
    """As above, with questions that nobody answered before the price rose."""
    budget = CostBudget(100.0, per="1000_events", price=0.1)
    budget.commit(budget.decide(candidates(5_000)))
    charged = budget.snapshot()["levels"][Level.CHARGED]
    asked = budget.spending().asked
    budget.charge([Bill("a", 1.0, closes=False)] * 50)
    budget.refund(asked)
    assert budget.snapshot()["levels"][Level.OWED] == pytest.approx(charged)
    assert budget.snapshot()["levels"][Level.CHARGED] == pytest.approx(0.0, abs=1e-9)


def test_one_answer_does_not_stop_the_asking():
    """A slip of units in one record would end the questions, and with them what corrects it."""
    budget = CostBudget(10.0, per="1000_events", price=0.1)
    asked = []
    for step in range(400):
        decision = budget.decide(candidates(50, step))
        budget.commit(decision)
        asked.append(int(decision.asked.sum()))
        budget.charge([Bill("a", 0.1)] * asked[-1])
        if step == 100:
            budget.charge([Bill("eve", 1e150, closes=False)])
    assert sum(asked[300:]) == pytest.approx(500, rel=0.1), "a label for ten events again"


def test_no_more_is_saved_up_than_was_told():
    """The setting `burst` holds for both ways to grant money."""
    budget = CostBudget(10.0, per="1000_events", burst=1.0)
    quiet = candidates(5_000)
    quiet.room = quiet.room_floor = 0
    budget.commit(budget.decide(quiet))
    levels = budget.snapshot()["levels"]
    assert levels[Level.DEFICIT] <= levels[Level.PRICE]
