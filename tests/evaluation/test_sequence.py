"""The interval that may be looked at all the time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.evaluation.intervals import WeightedSums, terms
from stream_cl.evaluation.sequence import sequence

_answers = st.lists(st.tuples(st.booleans(), st.floats(1e-3, 1.0)), min_size=1, max_size=60)


@given(_answers)
@settings(deadline=None)
def test_it_is_wider_than_the_interval_of_one_moment(answers):
    """Who may look always knows less at each look."""
    sums = WeightedSums()
    right, propensity = zip(*answers, strict=True)
    sums.add(np.array(right), np.array(propensity))
    always, once = sequence(sums), sums.unbiased()
    assert always is not None
    assert once is not None
    assert always.value == once.value
    assert 0 <= always.low <= once.low <= once.high <= always.high <= 1


def test_nothing_counted_is_no_figure():
    assert sequence(WeightedSums()) is None


def test_it_holds_at_every_look_and_the_other_does_not():
    """The whole promise, on a stream that drifts: 200 runs, a look after every answer. Three
    deviations of 0.95 are 4.6 points."""
    n, draw = 4000, np.random.default_rng(5)
    right = draw.random(n) < np.linspace(0.5, 0.9, n)
    truth = np.add.accumulate(right) / np.arange(1, n + 1)
    held = np.zeros((200, 2), dtype=np.bool_)
    for run in held:
        propensity = np.where(draw.random(n) < 0.5, 0.05, 0.3)
        asked = np.flatnonzero(draw.random(n) < propensity)
        sums = np.add.accumulate(terms(right[asked], propensity[asked]))
        run[:] = True
        for look in range(19, len(asked)):
            so_far = WeightedSums(sums[look])
            for which, estimate in enumerate((sequence(so_far), so_far.unbiased())):
                assert estimate is not None
                run[which] &= estimate.low <= truth[asked[look]] <= estimate.high
    always, once = held.mean(axis=0)
    assert always >= 0.9
    assert once < 0.85
