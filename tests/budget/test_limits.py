"""Limits by key, by predicted class and on open requests, and refunds: for every budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_cl import build
from stream_cl.config import Config, kinds
from stream_cl.core.protocols import REASONS, Budget, Candidates
from stream_cl.testing.budget_contract import candidates, equal, in_steps, joined

KINDS = sorted(kinds("budget"))
AS_LARGE: dict[str, dict[str, Any]] = {
    "per_time": {"rate_per_hour": 1000.0, "burst": 1000.0},
    "cost": {"amount": 10.0, "per": "1000_events", "price": 0.1},
}
"""What makes each ask about a tenth of the events."""


def made(kind: str, **settings: Any) -> Budget:
    given = {"kind": kind, **AS_LARGE.get(kind, {"fraction": 0.1}), **settings}
    return build.budget(Config.model_validate({"budget": given}))


def keyed(n: int, seed: int = 3) -> tuple[Candidates, np.ndarray]:
    """Events of one large key, many small ones, and some without a key."""
    events, draw = candidates(n, seed), np.random.default_rng(seed)
    owner = np.where(draw.random(n) < 0.5, 0, draw.integers(0, 400, n))
    owner[draw.random(n) < 0.1] = -1
    events.keys = [None if one < 0 else b"key %d" % one for one in owner]
    return events, owner


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_gets_more_labels_than_its_limit(kind):
    """A customer is not asked about again and again, whatever is learned from it."""
    events, owner = keyed(8000)
    budget = made(kind, labels_per_key=5, limit_window=2000)
    propensity, asked, _, reason = joined(in_steps(budget, events, [100] * 80))
    for one in (0, 1, 7):
        labels = np.cumsum(asked & (owner == one))
        assert (labels[2000:] - labels[:-2000]).max() <= 5
    full = reason == REASONS.index("key_limit")
    assert full.any()
    assert (propensity[full] == 0).all()
    assert not asked[full].any()
    assert (owner[full] >= 0).all(), "what has no key has no limit"
    assert asked[owner == -1].any()
    assert asked[owner == 0][-2000:].any(), "the limit is for a window, not for ever"


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_has_no_more_than_its_share_by_choice(kind):
    """The floor goes on, so that figures speak of all classes; the choice does not."""
    events, draw = candidates(10_000), np.random.default_rng(4)
    events.predicted = (draw.random(10_000) < 0.1).astype(np.int64)
    events.utility = draw.random(10_000) + (events.predicted == 0)
    free = joined(in_steps(made(kind), events))
    budget = made(kind, class_share=0.6, limit_window=2000)
    propensity, asked, _, reason = joined(in_steps(budget, events, [500] * 20))
    share = (asked & (events.predicted == 0))[2000:].sum() / asked[2000:].sum()
    share_free = (free[1] & (events.predicted == 0))[2000:].sum() / free[1][2000:].sum()
    assert share < share_free - 0.1
    limited = reason == REASONS.index("class_limit")
    assert limited.any()
    assert (propensity[limited] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_requests_are_open_than_may_be(kind):
    """Ten people look at ten things at a time; the eleventh question only grows old."""
    events = candidates(3000)
    budget = made(kind, max_open=20)
    _, asked, _, reason = joined(in_steps(budget, events, [250] * 12))
    assert asked.sum() == 20
    assert (reason[np.cumsum(asked) - asked >= 20] == REASONS.index("no_room")).all()
    events.open = 15
    assert joined(in_steps(made(kind, max_open=20), events, [250] * 12))[1].sum() == 5


@pytest.mark.parametrize("kind", KINDS)
def test_limits_go_on_after_a_restart(kind):
    """A restart must not give every key its labels again."""
    events, _ = keyed(3000)
    events.predicted = np.random.default_rng(0).integers(-1, 3, 3000)
    settings = {"labels_per_key": 3, "class_share": 0.5, "max_open": 500}
    first, second = made(kind, **settings), made(kind, **settings)
    list(in_steps(first, events))
    second.restore(first.snapshot())
    later, _ = keyed(3000, 9)
    assert equal(in_steps(first, later, [7, 700]), in_steps(second, later))


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_may_be_set_on_a_budget_that_has_none(kind):
    """A drained pipeline goes on with another config."""
    before = made(kind)
    list(in_steps(before, candidates(2000)))
    after = made(kind, labels_per_key=2)
    after.restore(before.snapshot())
    events, owner = keyed(2000)
    _, asked, _, _ = joined(in_steps(after, events))
    assert (asked & (owner == 0)).sum() == 2
    before.restore(after.snapshot())
    list(in_steps(before, candidates(500)))


@pytest.mark.parametrize("kind", ["fraction", "quantile", "variable_threshold", "cost"])
@pytest.mark.parametrize("answered", [0.0, 0.6])
def test_labels_never_answered_are_asked_again_within_the_spend(kind, answered):
    """Spend is asked less refunded; it stays within 20 labels in any 5,000 events."""
    budget, draw = made(kind), np.random.default_rng(8)
    asked_at, spent, due = [], [0.0], [0] * 40
    for number in range(400):
        decision = budget.decide(candidates(100, number))
        budget.commit(decision)
        due.append(int((draw.random(int(decision.asked.sum())) >= answered).sum()))
        budget.refund(due[number])
        spending = budget.spending()
        spent.append(spending.asked - spending.refunded)
        asked_at.append(spending.asked)
    books = np.array(spent)[60:]
    assert np.abs(books[50:] - books[:-50] - 500).max() <= 20
    asked = np.array(asked_at)[60:]
    assert (asked[50:] - asked[:-50]).max() <= 500 + 40, "at most 20 of 5,000 events are paid back"
    assert asked[-1] - asked[0] > 0.1 * 100 * (len(asked) - 1) + 50, "and they are"
