"""Learning curves stay small, and advice says so when it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.learning_curve import BLOCK, POINTS, WORTH, LearningCurve


def made(right, propensity=None, cuts=()) -> LearningCurve:
    curve = LearningCurve()
    propensity = np.ones(len(right)) if propensity is None else propensity
    for part in np.split(np.arange(len(right)), np.minimum(np.cumsum(cuts), len(right))):
        curve.add(right[part], propensity[part])
    return curve


@given(st.integers(0, 5000), st.lists(st.integers(1, 900), max_size=9), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_it_is_the_same_in_any_batches_and_bounded(n, cuts, seed):
    draw = np.random.default_rng(seed)
    right, propensity = draw.random(n) < 0.7, draw.uniform(0.05, 1, n)
    whole, parts = made(right, propensity), made(right, propensity, cuts)
    assert digest(parts.snapshot()) == digest(whole.snapshot())
    points = whole.points()
    assert len(points) <= POINTS
    assert [point.labels for point in points] == sorted(point.labels for point in points)
    if n > POINTS * BLOCK:
        assert len(points) >= POINTS // 2
    other = made(~right)
    other.restore(whole.snapshot())
    assert other.points() == points
    assert other.advice() == whole.advice()


def test_each_point_is_the_accuracy_of_its_own_labels():
    """A mean since the start would hide that learning stopped."""
    right = np.arange(4 * BLOCK) >= 2 * BLOCK
    assert [point.accuracy.value for point in made(right).points()] == [0, 0, 1, 1]


def learned(n: int, seed: int, a: float, b: float, c: float):
    draw = np.random.default_rng(seed)
    return draw.random(n) < a - b * np.arange(1, n + 1) ** -c


def test_a_learner_that_has_learned_all_is_told_to_stop():
    advice = made(learned(40_000, 1, 0.8, 0.5, 1.0)).advice()
    assert advice.says == "stop"
    assert advice.high is not None
    assert advice.high < WORTH


def test_a_learner_that_still_learns_fast_is_told_to_go_on():
    advice = made(learned(4_000, 2, 1.0, 2.0, 0.15)).advice()
    assert advice.says == "go_on"


@pytest.mark.parametrize("n", [0, 100, 499])
def test_few_labels_say_nothing(n):
    """A forecast from a hundred labels for a thousand is a guess."""
    assert made(learned(n, 3, 0.9, 0.5, 0.5)).advice() == ("unknown", None, None, None)


def test_a_world_that_jumps_is_unknown():
    """Accuracy that falls in the middle lies on no learning curve."""
    right = np.concatenate([learned(1500, 4, 0.95, 0.5, 0.5), learned(700, 5, 0.5, 0.3, 0.5)])
    assert made(right).advice().says == "unknown"


def test_the_interval_holds_the_true_gain():
    """100 runs at 2,000 labels; three deviations of 0.95 are 6.5 points."""
    a, b, c = 0.9, 1.0, 0.3
    true = b * (2000.0**-c - 3000.0**-c)
    held = []
    for seed in range(100):
        advice = made(learned(2000, seed, a, b, c)).advice()
        assert advice.low is not None
        assert advice.high is not None
        held.append(advice.low <= true <= advice.high)
    assert np.mean(held) >= 0.88
