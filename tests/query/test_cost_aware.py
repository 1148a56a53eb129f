"""Utility for its price: the cheaper of two equal answers, and what labels without a cost do."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.class_balance import ClassBalance
from stream_cl.query.cost_aware import PRIOR, CostAware
from stream_cl.query.uncertainty import UncertaintySampling
from stream_cl.testing.driver import TestDriver
from stream_cl.testing.strategy_contract import Knows, StrategyContract


class TestCostAware(StrategyContract):
    def make(self) -> QueryStrategy:
        return CostAware(UncertaintySampling(), 60)


def heard(strategy, y, cost):
    strategy.hear(np.array(y), np.zeros(len(y), dtype=np.int64), np.array(cost, dtype=float))
    return strategy


def between(*pairs, k=3):
    """Events half-way between two classes."""
    rows = np.zeros((len(pairs), k))
    for i, pair in enumerate(pairs):
        rows[i, list(pair)] = 0.5
    return Asking(np.zeros((len(pairs), 1), np.float32), rows, Knows(k))


def test_of_two_events_as_uncertain_the_cheaper_comes_first():
    """Class 0 costs 1 and class 1 costs 9; of class 2 nothing is known, so it costs the mean."""
    strategy = heard(CostAware(UncertaintySampling(), 3, forget=1.0), [0, 1] * 500, [1, 9] * 500)
    cheap, both, dear = strategy.utility(between((0, 2), (0, 1), (1, 2))).values
    assert cheap > both > dear
    of_0 = (500 * 1 / 5 + PRIOR) / (500 + PRIOR)
    assert cheap == pytest.approx(1 / ((of_0 + 1) / 2))


def test_the_unit_of_cost_does_not_matter():
    """Seconds, minutes or euros: the same are asked."""
    shown = between((0, 2), (0, 1), (1, 2))
    values = [
        heard(CostAware(UncertaintySampling(), 3), [0, 1] * 9, [1 * unit, 9 * unit] * 9)
        .utility(shown)
        .values
        for unit in (1.0, 60.0, 1e-3)
    ]
    assert values[0] == pytest.approx(values[1])
    assert values[0] == pytest.approx(values[2])


def test_labels_without_a_cost_change_nothing():
    """Most annotators name none."""
    shown = between((0, 2), (0, 1), (1, 2))
    strategy = heard(CostAware(UncertaintySampling(), 3), [0, 1, 1], [np.nan] * 3)
    assert strategy.utility(shown).values.tolist() == [1.0] * 3


@pytest.mark.parametrize("cost", [0.0, 1e308, 5e-324])
def test_absurd_costs_leave_utilities_finite(cost):
    strategy = heard(
        CostAware(UncertaintySampling(), 3, strength=10), [0] * 9 + [1], [cost] * 9 + [1]
    )
    assert np.isfinite(strategy.utility(between((0, 2), (0, 1), (1, 2))).values).all()


def test_costs_reach_it_through_the_log_and_a_wrapper(tmp_path):
    """A `cost` in a label record is what it hears, also where another strategy is around it."""
    query = {"kind": "class_balance", "of": {"kind": "cost_aware"}}
    with TestDriver({"query": query, "budget": {"fraction": 1.0}}, tmp_path) as driver:
        ids = driver.events([{"x": float(i % 2)} for i in range(12)])
        driver.settle()
        documents = [
            b'{"id":"%s","label":"%s","cost":%d}'
            % (id_.encode(), b"ab"[i % 2 : i % 2 + 1], 1 + i % 2)
            for i, id_ in enumerate(ids[:6])
        ]
        driver.pipe("labels", [*documents, b'{"id":"%s","label":"a"}' % ids[6].encode()])
        driver.settle()
        strategy = driver.pipeline.state.query
    assert isinstance(strategy, ClassBalance)
    inner = strategy.of.snapshot()
    answered = inner["answers"][:2]
    assert 0 < answered.sum() <= 6, "held-out answers are not learned"
    assert (inner["spent"][:2] / answered).tolist() == pytest.approx([1.0, 2.0])
