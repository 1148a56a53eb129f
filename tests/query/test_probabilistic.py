"""Probabilistic active learning: the closed form is the paper's expectation."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import exp, factorial, lgamma, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.probabilistic import ProbabilisticSampling, _gain
from stream_cl.testing.strategy_contract import WIDTH, Knows, StrategyContract


class TestByLearner(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return ProbabilisticSampling(WIDTH, 1, 50)


class TestByKernel(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return ProbabilisticSampling(WIDTH, 1, 50, frequencies="kernel", window=30, dimensions=3)


def expectation(alpha: list[float]) -> float:
    """The best gain per label of one or two labels, summed over every outcome (McPAL, equation
    for the expected gain; the outcomes are Dirichlet-multinomial)."""
    total, now = sum(alpha), max(alpha) / sum(alpha)
    best = 0.0
    for m in (1, 2):
        later = 0.0
        for drawn in combinations_with_replacement(range(len(alpha)), m):
            counts = [drawn.count(c) for c in range(len(alpha))]
            ways = factorial(m) / prod(factorial(n) for n in counts)
            each = sum(lgamma(a + n) - lgamma(a) for a, n in zip(alpha, counts, strict=True))
            chance = ways * exp(each + lgamma(total) - lgamma(total + m))
            after = [a + n for a, n in zip(alpha, counts, strict=True)]
            later += chance * max(after) / (total + m)
        best = max(best, (later - now) / m)
    return best


@given(st.lists(st.floats(0.01, 6.0), min_size=2, max_size=5))
def test_the_closed_form_is_the_sum_over_all_outcomes(alpha):
    """Else events are ranked by something that no paper speaks for."""
    assert _gain(np.sort(np.array(alpha))) == pytest.approx(expectation(alpha), abs=1e-9)


def test_where_the_labels_are_clear_nothing_is_gained():
    assert _gain(np.array([1.0, 9.0])) == 0.0
    assert _gain(np.array([4.0, 4.0])) > _gain(np.array([4.0, 5.0])) > 0.0


def test_fewer_labels_around_are_worth_more():
    """Exploration: the same shares from fewer labels leave more to be learned."""
    assert _gain(np.array([1.0, 1.0])) > _gain(np.array([3.0, 3.0])) > _gain(np.array([9.0, 9.0]))


@pytest.mark.parametrize("frequencies", ["learner", "kernel"])
def test_labels_nearby_make_an_event_less_useful(frequencies):
    """Else the same place is asked for again and again."""
    draws = np.random.default_rng(1)
    strategy = ProbabilisticSampling(2, 0, 2, frequencies=frequencies)
    places = np.repeat([[-2.0, 0.0], [2.0, 0.0]], 100, axis=0) + draws.normal(0, 0.1, (200, 2))
    seen = Asking(
        draws.permutation(places).astype(np.float32), np.full((200, 2), [0.9, 0.1]), Knows(2)
    )
    strategy.commit(strategy.utility(seen))
    labelled = (np.array([[2.0, 0.0]]) + draws.normal(0, 0.1, (20, 2))).astype(np.float32)
    strategy.learn(labelled, np.zeros(20, dtype=np.int64))
    both = np.array([[-2.0, 0.0], [2.0, 0.0]], dtype=np.float32)
    left, right = strategy.utility(Asking(both, seen.probabilities[:2], Knows(2))).values
    assert left > 5 * right


def test_an_outlier_is_worth_less():
    """Its label would make few predictions right."""
    draws = np.random.default_rng(2)
    strategy, half = ProbabilisticSampling(3, 0, 2), np.full((300, 2), 0.5)
    x = draws.normal(size=(300, 3)).astype(np.float32)
    strategy.commit(strategy.utility(Asking(x, half, Knows(2))))
    ends = np.array([[0.0, 0.0, 0.0], [60.0, 0.0, 0.0]], dtype=np.float32)
    middle, far = strategy.utility(Asking(ends, half[:2], Knows(2))).values
    assert middle > 0.0
    assert far == 0.0


@pytest.mark.parametrize(("width", "scale"), [(1, 1.0), (8, 1e-6), (8, 1e6), (100, 1.0)])
def test_the_kernel_finds_its_width(width, scale):
    """Else in many dimensions no label is near anything, and in few all are."""
    strategy, half = ProbabilisticSampling(width, 0, 2), np.full((3000, 2), 0.5)
    x = (scale * np.random.default_rng(3).normal(size=(3000, width))).astype(np.float32)
    values = strategy.utility(Asking(x, half, Knows(2))).values
    # Without labels every gain is that of (1, 1): 1/6.
    assert 6 * values[1000:].mean() == pytest.approx(0.05, rel=0.2)


def test_one_absurd_event_does_not_blunt_the_kernel():
    """An event moves the bandwidth by a few per cent, however far away it is."""
    strategy, half = ProbabilisticSampling(2, 0, 2), np.full((200, 2), 0.5)
    x = np.random.default_rng(3).normal(size=(200, 2)).astype(np.float32)
    strategy.commit(strategy.utility(Asking(x, half, Knows(2))))
    before = strategy.snapshot()["scale"][0]
    absurd = np.full((1, 2), 3e38, dtype=np.float32)
    strategy.commit(strategy.utility(Asking(absurd, half[:1], Knows(2))))
    assert strategy.snapshot()["scale"][0] <= 1.1 * before
