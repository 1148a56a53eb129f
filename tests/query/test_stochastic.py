"""Chance among the useful: the ranks are drawn as the formula says, and belong to the event."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.draws import Draws
from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.random import RandomSampling
from stream_cl.query.stochastic import Stochastic, gumbel
from stream_cl.query.uncertainty import UncertaintySampling
from stream_cl.testing.strategy_contract import Knows, StrategyContract, asking


class TestPower(StrategyContract):
    def make(self) -> QueryStrategy:
        return Stochastic(UncertaintySampling(), "power")


class TestSoftmax(StrategyContract):
    def make(self) -> QueryStrategy:
        return Stochastic(UncertaintySampling("entropy"), "softmax", beta=0.1)


def words(n: int) -> np.ndarray:
    return Draws(3).words([f"event {i}" for i in range(n)])[:, 2]


def test_the_noise_is_gumbel():
    """Mean 0.5772, variance π²/6; or similar events would not be drawn in proportion."""
    noise = gumbel(words(100_000))
    assert noise.mean() == pytest.approx(0.5772, abs=0.02)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.03)
    assert np.isfinite(gumbel(np.array([0, 2**64 - 1], dtype=np.uint64))).all()


@pytest.mark.parametrize(
    ("draw", "beta", "share"),
    [("power", 1.0, 0.8 / (0.8 + 0.2)), ("power", 2.0, 0.64 / 0.68),
     ("softmax", 4.0, np.exp(3.2) / (np.exp(3.2) + np.exp(0.8)))],
)  # fmt: skip
def test_of_two_the_better_comes_first_as_often_as_the_formula_says(draw, beta, share):
    """Margins of 0.8 and 0.2, 20,000 pairs."""
    n = 20_000
    rows = np.tile([[0.6, 0.4], [0.9, 0.1]], (n, 1))
    shown = Asking(np.zeros((2 * n, 1), np.float32), rows, Knows(2), words(2 * n))
    values = Stochastic(UncertaintySampling(), draw, beta).utility(shown).values
    first, second = values.reshape(n, 2).T
    assert (first > second).mean() == pytest.approx(share, abs=0.01)


def test_little_noise_leaves_the_order():
    shown = asking(200, 3)
    plain = UncertaintySampling().utility(shown).values
    for draw in ("power", "softmax"):
        order = np.argsort(Stochastic(UncertaintySampling(), draw, beta=1e5).utility(shown).values)
        assert (np.diff(plain[order]) > -1e-3).all()


def test_an_event_keeps_its_noise_in_any_company():
    """Else a replay with other steps would ask others."""
    strategy, shown = Stochastic(UncertaintySampling()), asking(50, 3)
    alone = Asking(shown.x[7:8], shown.probabilities[7:8], shown.learner, shown.words[7:8])
    assert strategy.utility(alone).values[0] == strategy.utility(shown).values[7]


def test_softmax_of_equal_utilities_is_random():
    """The control of the control: ties are broken, by the event's id alone."""
    shown = asking(5000, 3)
    values = Stochastic(RandomSampling(), "softmax").utility(shown).values
    assert len(set(values.tolist())) == 5000
    assert abs(np.corrcoef(values, shown.probabilities[:, 0])[0, 1]) < 0.05
