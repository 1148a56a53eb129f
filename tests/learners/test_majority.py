"""The control that counts classes: the contract, and its frequencies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.learners.majority import Majority
from stream_cl.testing.learner_contract import LearnerContract


class TestMajority(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Majority:
        return Majority(width, seed, max_classes)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 100.0)), min_size=1, max_size=50))
def test_probabilities_are_the_weighted_frequencies(labels):
    learner = Majority(1, 0, 5)
    y = np.array([c for c, _ in labels])
    weight = np.array([w for _, w in labels])
    learner.learn(np.zeros((len(y), 1), dtype=np.float32), y, weight)
    answer = learner.predict(np.zeros((1, 1), dtype=np.float32))[0]
    for c, p in enumerate(answer):
        assert p == pytest.approx(weight[y == c].sum() / weight.sum())
