"""Query strategies: the contract of all, and what each says of small examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.protocols import QueryStrategy
from stream_cl.drift.adwin import Adwin
from stream_cl.query.burst_on_drift import BurstOnDrift
from stream_cl.query.class_balance import ClassBalance
from stream_cl.query.cost_aware import CostAware
from stream_cl.query.random import RandomSampling
from stream_cl.query.stochastic import Stochastic
from stream_cl.query.uncertainty import MEASURES, UncertaintySampling, uncertainty
from stream_cl.testing.strategy_contract import StrategyContract, asking


class TestRandomSampling(StrategyContract):
    def make(self) -> QueryStrategy:
        return RandomSampling()


class TestMargin(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return UncertaintySampling("margin")


class TestLeastConfidence(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return UncertaintySampling("least_confidence")


class TestEntropy(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return UncertaintySampling("entropy")


@pytest.mark.parametrize(
    ("row", "margin", "least", "entropy"),
    [
        ([0.5, 0.5], 1.0, 0.5, 1.0),
        ([1.0, 0.0], 0.0, 0.0, 0.0),
        ([0.8, 0.2], 0.4, 0.2, 0.7219280948873623),
        ([0.25, 0.25, 0.25, 0.25], 1.0, 0.75, 1.0),
        ([0.6, 0.3, 0.1], 0.7, 0.4, 0.8173454221465103),
        ([0.1, 0.3, 0.6], 0.7, 0.4, 0.8173454221465103),
        ([0.45, 0.1, 0.45], 1.0, 0.55, 0.8637400525036962),
    ],
)
def test_small_examples(row, margin, least, entropy):
    """Settles 2009, section 3.1, by hand."""
    p = np.array([row])
    assert uncertainty(p, "margin")[0] == pytest.approx(margin)
    assert uncertainty(p, "least_confidence")[0] == pytest.approx(least)
    assert uncertainty(p, "entropy")[0] == pytest.approx(entropy)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("k", [0, 1])
def test_before_two_classes_are_known_every_label_is_worth_most(measure, k):
    """Else a fresh pipeline would ask for nothing and never learn."""
    assert UncertaintySampling(measure).utility(asking(5, k)).values.tolist() == [1.0] * 5


def test_random_does_not_look():
    """The control must be blind, or the comparison says nothing."""
    assert RandomSampling().utility(asking(50, 3)).values.tolist() == [1.0] * 50


@pytest.mark.parametrize("measure", MEASURES)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_which_class_is_which_does_not_matter(measure, raw, random):
    """Classes are numbered by first appearance, which says nothing about them."""
    p = np.array([raw]) + 1e-9
    p /= p.sum()
    shuffled = list(range(len(raw)))
    random.shuffle(shuffled)
    assert uncertainty(p[:, shuffled], measure)[0] == pytest.approx(uncertainty(p, measure)[0])


@pytest.mark.parametrize("measure", MEASURES)
def test_with_two_classes_all_measures_rank_alike(measure):
    """Margin, confidence and entropy are functions of one another for two classes."""
    p = np.random.default_rng(2).random(200)
    both = np.stack([p, 1 - p], axis=1)
    order = np.argsort(-np.abs(p - 0.5))
    assert (np.diff(uncertainty(both, measure)[order]) >= -1e-12).all()


def test_strategies_around_it_hand_on_how_far_questions_are_spread():
    """Else the setting inside a wrapper would be read and do nothing."""
    for around in (
        ClassBalance(UncertaintySampling(spread=0.2), 60),
        CostAware(UncertaintySampling(spread=0.2), 60),
        Stochastic(UncertaintySampling(spread=0.2)),
        BurstOnDrift(UncertaintySampling(spread=0.2), Adwin(0.9)),
    ):
        assert around.utility(asking(50, 3)).spread == 0.2, around.name
    assert RandomSampling().utility(asking(5, 3)).spread == 0.0
