"""Balanced asking: what a rare class gets."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.protocols import Asking, QueryStrategy
from stream_cl.query.class_balance import ClassBalance
from stream_cl.query.random import RandomSampling
from stream_cl.query.stochastic import Stochastic
from stream_cl.query.uncertainty import UncertaintySampling
from stream_cl.testing.strategy_contract import Knows, StrategyContract, asking


class TestClassBalance(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return ClassBalance(UncertaintySampling(), 60, strength=1.5, forget=0.9)


class TestAWrapperInAWrapper(StrategyContract):
    def make(self) -> QueryStrategy:
        return ClassBalance(Stochastic(UncertaintySampling()), 60)


def sure(*classes: int, k: int = 3) -> Asking:
    """Events of which the learner is sure."""
    return Asking(np.zeros((len(classes), 1), np.float32), np.eye(k)[list(classes)], Knows(k))


def told(strategy: ClassBalance, *labels: int) -> ClassBalance:
    strategy.learn(np.zeros((len(labels), 1), np.float32), np.array(labels))
    return strategy


def test_by_hand():
    """Ten labels of class 0, one of class 1, none of class 2: 1/11, 1/2, 1 by the formula."""
    blind = told(ClassBalance(RandomSampling(), 5, forget=1.0), *[0] * 10, 1)
    assert blind.utility(sure(0, 1, 2)).values == pytest.approx([1 / 11, 1 / 2, 1])
    uncertain = told(ClassBalance(UncertaintySampling(), 5, forget=1.0), *[0] * 10, 1)
    shown = sure(0, 1, 2)
    shown.probabilities = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]])
    expected = [(1 / 11 + 1 / 2) / 2, (1 / 11 + 1) / 2, (1 / 2 + 1) / 2]
    assert uncertain.utility(shown).values == pytest.approx(expected)


def test_of_two_events_as_uncertain_the_rare_class_comes_first():
    """Else a class with one label in a hundred is never learned."""
    strategy = told(ClassBalance(UncertaintySampling(), 3), *[0] * 50, *[1] * 40, *[2] * 2)
    shown = sure(0, 1, 2)
    shown.probabilities = np.array([[0.6, 0.4, 0.0], [0.6, 0.0, 0.4], [0.0, 0.4, 0.6]])
    both_frequent, one_rare, mostly_rare = strategy.utility(shown).values
    assert both_frequent < one_rare < mostly_rare


def test_strength_0_changes_nothing():
    strategy = told(ClassBalance(UncertaintySampling(), 3, strength=0.0), 0, 0, 0, 1)
    shown = asking(50, 3)
    inner = UncertaintySampling().utility(shown).values
    assert strategy.utility(shown).values == pytest.approx(inner)


def test_what_is_long_ago_counts_less():
    """A class that was frequent once and is rare now must be asked for again."""
    strategy = told(ClassBalance(UncertaintySampling(), 2, forget=0.9), *[0] * 100, *[1] * 100)
    counts = strategy.snapshot()["counts"] / strategy.snapshot()["gain"]
    assert counts[0] < 0.01
    assert counts[1] == pytest.approx(10.0, rel=0.01)


def test_counts_stay_finite_on_an_endless_stream():
    strategy = told(ClassBalance(UncertaintySampling(), 2, forget=0.1), *[0, 1] * 2000)
    assert np.isfinite(strategy.utility(sure(0, 1, k=2)).values).all()
    assert strategy.snapshot()["gain"] < 1e102


def test_a_corrected_label_counts_once():
    """A label that was learned twice, as two classes, would make both look well known."""
    strategy = told(ClassBalance(RandomSampling(), 5, forget=1.0), *[0] * 10, 1)
    outer = ClassBalance(strategy, 5, strength=0.0)
    outer.learn(np.zeros((2, 1), np.float32), np.array([1, 2]))
    outer.corrected(np.array([0, 0]))
    assert strategy.utility(sure(0, 1, 2)).values == pytest.approx([2 / 9, 2 / 3, 1])
    told(strategy).corrected(np.array([2, 2]))
    assert strategy.utility(sure(2)).values == pytest.approx([1]), "never less than none"
