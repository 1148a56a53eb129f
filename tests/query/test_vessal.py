"""VeSSAL: the utility is gᵀ Σ⁻¹ g, for ever."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.vessal import REFRESH_EVENTS, VessalSampling
from stream_cl.testing.strategy_contract import WIDTH, Knows, StrategyContract


class TestVessal(StrategyContract):
    def make(self) -> QueryStrategy:
        return VessalSampling(WIDTH, 1, 50)


class TestVessalOfFewNumbers(StrategyContract):
    def make(self) -> QueryStrategy:
        return VessalSampling(WIDTH, 1, 50, window=20, dimensions=3)


def shown(n: int, seed: int, width: int = 6, k: int = 3, scale: float = 1.0) -> Asking:
    draws = np.random.default_rng(seed)
    x = (scale * draws.normal(size=(n, width))).astype(np.float32)
    return Asking(x, draws.dirichlet(np.full(k, 0.5), n), Knows(k))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6, 1e30])
def test_the_inverse_stays_the_inverse(scale):
    """Sherman and Morrison's formula adds up rounding; on an endless stream it must not."""
    strategy = VessalSampling(6, 0, 3, window=100)
    for seed in range(20):
        strategy.commit(strategy.utility(shown(1000, seed, scale=scale)))
        state = strategy.snapshot()
        product = state["covariance"] @ state["inverse"]
        assert np.abs(product - np.eye(len(product))).max() < 1e-3
    assert state["seen"][0] == 20_000


def test_without_events_that_teach_the_ridge_comes_back():
    """Otherwise Σ fades to zero, and the next uncertain event is worth infinitely much."""
    strategy = VessalSampling(6, 0, 3, window=50)
    strategy.commit(strategy.utility(shown(500, 1)))
    sure = Asking(np.ones((4000, 6), dtype=np.float32), np.eye(3)[[0] * 4000], Knows(3))
    strategy.commit(strategy.utility(sure))
    diagonal = np.diag(strategy.snapshot()["covariance"])
    assert (diagonal > 0.99 * (1 - 1 / 50) ** REFRESH_EVENTS).all()
    assert (diagonal < 1.1).all()


def test_a_direction_that_was_taken_is_worth_less():
    """Diversity: of two events as uncertain the one unlike what was taken comes first."""
    strategy, half = VessalSampling(2, 0, 2), np.full((500, 2), 0.5)
    often = np.tile(np.array([[3.0, 0.0]], dtype=np.float32), (500, 1))
    strategy.commit(strategy.utility(Asking(often, half, Knows(2))))
    pair = np.array([[3.0, 0.0], [0.0, 3.0]], dtype=np.float32)
    old, new = strategy.utility(Asking(pair, half[:2], Knows(2))).values
    assert new > 5 * old > 0.0


def test_an_uncertain_event_is_worth_more_than_a_sure_one():
    strategy = VessalSampling(2, 0, 2)
    pair = np.ones((2, 2), dtype=np.float32)
    sure, unsure = strategy.utility(
        Asking(pair, np.array([[0.99, 0.01], [0.5, 0.5]]), Knows(2))
    ).values
    assert unsure > 100 * sure


def test_two_classes_do_not_cancel():
    """Their errors have opposite signs; in the same place of the hash they would add up to 0."""
    for seed in range(200):
        strategy = VessalSampling(1, seed, 2)
        one = Asking(np.ones((1, 1), dtype=np.float32), np.full((1, 2), 0.5), Knows(2))
        assert strategy.utility(one).values[0] > 0.1
