"""Novelty: events of classes that nobody has named yet are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.draws import unit
from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.novelty import NoveltySampling
from stream_cl.testing.strategy_contract import WIDTH, Knows, StrategyContract


class TestShare(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return NoveltySampling(WIDTH, 1)


class TestProduct(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return NoveltySampling(WIDTH, 1, mix="product")


class TestMax(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return NoveltySampling(WIDTH, 1, mix="max", store=30)


class TestMean(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return NoveltySampling(WIDTH, 1, mix="mean", share=0.3, window=20)


class TestShareOfAll(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return NoveltySampling(WIDTH, 1, mix="share", share=1.0, dimensions=3)


class TestAlone(StrategyContract):
    def make(self) -> QueryStrategy:
        return NoveltySampling(WIDTH, 1, mix="alone", measure="entropy")


def around(centre: list[float], n: int, seed: int) -> np.ndarray:
    return (np.array(centre) + np.random.default_rng(seed).normal(size=(n, 2))).astype(np.float32)


def sure(x: np.ndarray) -> Asking:
    """The learner is certain of all of them, as it is of classes that it does not know."""
    return Asking(x, np.tile([0.99, 0.01], (len(x), 1)), Knows(2))


@pytest.mark.parametrize("mix", ["product", "max", "mean", "share", "alone"])
def test_a_class_without_labels_comes_first_until_it_has_one(mix):
    """Else a new attack that looks nothing like the old ones is never asked for."""
    strategy = NoveltySampling(2, 0, mix=mix, share=0.99)
    known = np.concatenate([around([0, 0], 150, 1), around([5, 5], 150, 2)])
    strategy.learn(known, np.repeat([0, 1], 150))
    strategy.commit(strategy.utility(sure(around([0, 0], 300, 3))))
    new, old = around([-12, 12], 5, 4), around([5, 5], 5, 5)
    pair = sure(np.concatenate([new, old]))
    before = strategy.utility(pair).values
    assert before[:5].min() > before[5:].max()
    strategy.learn(new[:2], np.array([2, 2]))
    after = strategy.utility(sure(around([-12, 12], 20, 6))).values.mean()
    assert after < before[:5].mean()


def test_a_rare_class_stays_in_the_store():
    """Else it is new again after some hundred labels of a common one."""
    strategy = NoveltySampling(2, 0, store=50)
    strategy.learn(around([9, 9], 3, 1), np.array([7, 7, 7]))
    strategy.learn(around([0, 0], 5000, 2), np.zeros(5000, dtype=np.int64))
    assert (strategy.snapshot()["classes"] == 7).sum() == 3


def test_three_of_ten_events_are_asked_for_their_novelty_by_default():
    """Else new classes are found late, or the classes that are known pay for finding them."""
    strategy = NoveltySampling(2, 0)
    strategy.learn(around([0, 0], 50, 1), np.zeros(50, dtype=np.int64))
    strategy.commit(strategy.utility(sure(around([0, 0], 200, 2))))
    words = np.random.default_rng(3).integers(2**64, size=1000, dtype=np.uint64)
    far = sure(np.full((1000, 2), 30, dtype=np.float32))
    far.probabilities[:] = [0.999, 0.001]  # surer than all before
    far.words = words
    values = strategy.utility(far).values[:100]
    new, old = values[unit(words[:100]) < 0.3], values[unit(words[:100]) >= 0.3]
    assert new.min() > 0.5 > old.max()


def test_an_uncertain_event_counts_too():
    """Distance alone asks for outliers and costs accuracy."""
    strategy = NoveltySampling(2, 0, mix="product")
    strategy.learn(around([0, 0], 50, 1), np.zeros(50, dtype=np.int64))
    strategy.commit(strategy.utility(sure(around([0, 0], 200, 2))))
    x = np.zeros((2, 2), dtype=np.float32)
    same, unsure = strategy.utility(
        Asking(x, np.array([[0.99, 0.01], [0.5, 0.5]]), Knows(2))
    ).values
    assert unsure > 0.9 > same
