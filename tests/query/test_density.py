"""Density: what is asked for is uncertain and lies where events are many."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.density import DensitySampling
from stream_cl.testing.strategy_contract import WIDTH, Knows, StrategyContract


class TestDensity(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return DensitySampling(WIDTH, seed=1)


class TestDensityByEntropyOfFewNumbers(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return DensitySampling(WIDTH, seed=1, measure="entropy", window=10, dimensions=2)


def unsure(x: np.ndarray) -> Asking:
    return Asking(x.astype(np.float32), np.full((len(x), 2), 0.5), Knows(2))


def test_the_factor_by_hand():
    """On a line: of how many events in the window each becomes the nearest neighbour."""
    line = unsure(np.array([[0.0], [10.0], [1.0], [0.6], [9.0], [100.0]]))
    # 0: nobody there. 10: nearest of 0. 1: of 0 and, being nearer than 0, of 10. 0.6: of 0 and 1.
    # 9: of 10. 100: of none, all have nearer ones.
    expected = np.array([0, 1, 2, 2, 1, 0])
    values = DensitySampling(1, seed=0).utility(line).values
    assert values.tolist() == pytest.approx((expected / (1 + expected)).tolist())


def test_an_outlier_is_worth_less_than_an_event_among_others():
    """Else labels are spent on events whose like never comes again."""
    draws = np.random.default_rng(4)
    strategy = DensitySampling(3, seed=0)
    strategy.commit(strategy.utility(unsure(draws.normal(size=(300, 3)))))
    strangers = unsure(np.array([[50.0, 0, 0], [0, -70.0, 0], [40.0, 40.0, 40.0]]))
    middle = strategy.utility(unsure(draws.normal(scale=0.3, size=(50, 3)))).values
    assert strategy.utility(strangers).values.max() == 0.0
    assert middle.mean() > 0.3


def test_what_left_the_window_counts_no_more():
    """Density is that of the stream as it is now."""
    strategy = DensitySampling(1, seed=0, window=20)
    strategy.commit(strategy.utility(unsure(np.zeros((20, 1)))))
    strategy.commit(strategy.utility(unsure(np.full((20, 1), 5.0))))
    points = strategy.snapshot()["points"]
    assert (points == 5.0).all()
