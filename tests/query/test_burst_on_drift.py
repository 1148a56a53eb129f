"""After a drift, ask: when a burst begins, how long it is, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.drift.adwin import Adwin
from stream_cl.query.burst_on_drift import BLOCKS, BurstOnDrift
from stream_cl.query.stochastic import Stochastic
from stream_cl.query.uncertainty import UncertaintySampling
from stream_cl.testing.strategy_contract import Knows, StrategyContract, answers, in_steps, teach


class TestOnUncertainty(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return BurstOnDrift(UncertaintySampling(), Adwin(0.9), events=50)


class TestOnError(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return BurstOnDrift(Stochastic(UncertaintySampling()), Adwin(0.9), "error", events=50)


def doubtful(*doubts: float) -> Asking:
    """Events of two classes, 1 − p1 as given."""
    rows = np.array([[1 - doubt, doubt] for doubt in doubts])
    return Asking(np.zeros((len(rows), 1), np.float32), rows, Knows(2))


def burst(events: int = 100) -> BurstOnDrift:
    return BurstOnDrift(UncertaintySampling(), Adwin(block=BLOCKS["uncertainty"]), events=events)


def test_events_after_a_drift_rank_above_all_others():
    """1,000 easy events, then hard ones: within 10 blocks a burst begins, and lasts as told."""
    strategy = burst()
    noise = np.random.default_rng(1).uniform(-0.05, 0.05, 2000)
    shown = doubtful(*(np.repeat([0.1, 0.4], 1000) + noise))
    values = np.concatenate(list(in_steps(strategy, shown, [32] * 60)))
    above = np.flatnonzero(values >= 1.0)
    assert 1000 < above[0] <= 1000 + 10 * BLOCKS["uncertainty"]
    assert len(above) == strategy.drifts * 100
    assert strategy.drifts == 1
    assert values[: above[0]].max() < values[above].min()
    assert (values[above] == 1.0).all(), "and alike: a surprised learner's doubt says little"
    inner = UncertaintySampling().utility(shown).values[: above[0]]
    assert (np.diff(values[np.argsort(inner)]) >= 0).all(), "outside a burst the order stays"


def test_falling_uncertainty_is_no_drift():
    """A learner that learns gets surer; to ask more for that would be waste."""
    strategy = burst()
    list(in_steps(strategy, doubtful(*np.linspace(0.5, 0.05, 3000)), [100] * 30))
    assert strategy.drifts == 0


def test_steady_streams_raise_few_alarms():
    """A false alarm moves spend; over 50,000 independent events there is next to none."""
    strategy = burst()
    shown = doubtful(*np.random.default_rng(4).uniform(0, 0.5, 50_000))
    list(in_steps(strategy, shown, [1000] * 50))
    assert strategy.drifts <= 2


def test_a_burst_goes_on_in_the_next_step():
    strategy = burst(events=500)
    list(in_steps(strategy, doubtful(*np.repeat([0.05, 0.45], [640, 320])), [32] * 30))
    left = strategy.left
    assert 0 < left < 500
    utilities = strategy.utility(doubtful(*[0.2] * 600))
    assert (utilities.values >= 1).sum() == left
    spread = np.asarray(utilities.spread)
    assert (spread[:left] == 0).all(), "else those far from the latest questions would rank first"
    assert (spread[left:] == UncertaintySampling().spread).all()


def test_wrong_answers_start_a_burst_where_uncertainty_shows_nothing():
    """The same events with other classes: the learner is as sure as before, and wrong."""
    strategy = BurstOnDrift(UncertaintySampling(), Adwin(block=BLOCKS["error"]), "error", events=50)
    x, _ = answers(800, 2)
    right = np.zeros(800, dtype=np.int64)
    strategy.learn(x, right)
    strategy.hear(right, right, np.full(800, np.nan))
    assert strategy.drifts == 0
    strategy.hear(right, 1 - right, np.full(800, np.nan))
    assert strategy.drifts == 1
    assert (strategy.utility(doubtful(*[0.2] * 60)).values >= 1).sum() == 50


def test_answers_to_events_that_were_not_predicted_are_no_errors():
    """Before the first class nothing is predicted, and nothing was wrong."""
    strategy = BurstOnDrift(UncertaintySampling(), Adwin(0.9), "error")
    right = np.zeros(800, dtype=np.int64)
    strategy.hear(right, right, np.full(800, np.nan))
    strategy.hear(right, right - 1, np.full(800, np.nan))
    assert strategy.drifts == 0


@pytest.mark.parametrize("signal", ["uncertainty", "error"])
def test_drifts_of_a_strategy_inside_are_counted(signal):
    inner = burst()
    strategy = Stochastic(BurstOnDrift(inner, Adwin(), signal))
    list(in_steps(inner, doubtful(*np.repeat([0.05, 0.45], [640, 320])), [32] * 30))
    assert strategy.drifts == 1
    teach(strategy, *answers(10, 2))
