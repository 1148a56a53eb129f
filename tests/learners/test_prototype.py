"""Running class means: the contract, the formula, and what they reach on real streams."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.learners.prototype import Prototype
from stream_cl.testing.learner_contract import LearnerContract, events

from .streams import prequential, standardised


class TestPrototype(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Prototype:
        return Prototype(width, seed, max_classes)


class TestPrototypeThatForgetsNothing(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Prototype:
        return Prototype(width, seed, max_classes, forget=1.0)


def test_without_forgetting_the_means_are_weighted_means():
    x, y, weight = events(300)
    learner = Prototype(5, 0, 12, forget=1.0)
    learner.learn(x, y, weight)
    means = learner.snapshot()["means"]
    for c in range(4):
        expected = np.average(x[y == c].astype(np.float64), axis=0, weights=weight[y == c])
        np.testing.assert_allclose(means[:, c], expected, atol=1e-9)


def test_probabilities_follow_the_formula_of_the_docstring():
    x, y, weight = events(300)
    learner = Prototype(5, 0, 12)
    learner.learn(x, y, weight)
    state = learner.snapshot()
    variance = (state["spread"] + 1) / (state["total"] + 1)
    away = x.astype(np.float64)[:, :, None] - state["means"][None]
    logits = -0.5 * (away**2 / variance[None, :, None]).sum(axis=1) / np.sqrt(5)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(learner.predict(x), expected, atol=1e-9)


def test_forgetting_follows_a_class_that_moved():
    """A mean of everything ever seen would stay half-way for as long again."""
    steady, nimble = Prototype(1, 0, 2, forget=1.0), Prototype(1, 0, 2)
    for place in (0.0, 10.0):
        for learner in (steady, nimble):
            x = np.full((1000, 1), place, dtype=np.float32)
            learner.learn(x, np.zeros(1000, dtype=np.int64), np.ones(1000))
    assert steady.snapshot()["means"][0, 0] == pytest.approx(5.0, abs=0.1)
    assert nimble.snapshot()["means"][0, 0] == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize(
    ("stream", "floor"), [("elec2", 0.77), ("insects_gradual_balanced", 0.64), ("keystroke", 0.86)]
)
def test_accuracy_on_real_streams(data_dir, stream, floor):
    x, y = standardised(data_dir / f"{stream}.csv.gz")
    assert prequential(Prototype(x.shape[1], 0, int(y.max()) + 1), x, y) >= floor
