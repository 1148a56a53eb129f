"""The interval that may be looked at all the time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.evaluation.intervals import WeightedSums, terms
from stream_cl.evaluation.late import Missing, OpenQuestions, missing, standing_for
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


def test_it_holds_with_answers_that_come_late():
    """Who waits for people looks at figures from half of the answers, and the half is new each
    time. 200 runs, a look after every fifth answer; three deviations of 0.95 are 4.6 points."""
    n, draw = 4000, np.random.default_rng(6)
    right = draw.random(n) < np.linspace(0.5, 0.9, n)
    truth = np.add.accumulate(right) / np.arange(1, n + 1)
    held = np.ones((200, 2), dtype=np.bool_)
    for run in held:
        propensity = np.where(draw.random(n) < 0.5, 0.05, 0.3)
        asked = np.flatnonzero(draw.random(n) < propensity)
        due = asked + 300 * np.exp(1.5 * draw.standard_normal(len(asked)))
        order = np.argsort(due)
        order = order[due[order] < n]
        for look in range(19, len(order), 5):
            known, now = asked[order[: look + 1]], due[order[look]]
            late = asked[(asked <= now) & (due > now)]
            waiting = OpenQuestions(late, propensity[late])
            standing = standing_for(known, propensity[known], waiting)
            sums = WeightedSums()
            sums.add(right[known], standing)
            lacking = missing(right[known], propensity[known], standing, len(known), waiting)
            for which, estimate in enumerate((sequence(sums, lacking), sums.unbiased())):
                assert estimate is not None
                run[which] &= estimate.low <= truth[int(now)] <= estimate.high
    always, once = held.mean(axis=0)
    assert always >= 0.95
    assert once < 0.85


@given(_answers, st.floats(0, 1), st.floats(1, 50))
@settings(deadline=None)
def test_what_is_missing_makes_it_wider(answers, share, renewed):
    """And the longer it goes on, the wider, since there are more moments to be wrong at."""
    sums = WeightedSums()
    right, propensity = (np.array(column) for column in zip(*answers, strict=True))
    sums.add(right, propensity)
    part = share * sums.sums[2:4]
    lacking = Missing(float(part[0]), float(part[1]), renewed)
    longer = Missing(lacking.spread, lacking.right, renewed + 10)
    none, some, more = (sequence(sums, one) for one in (None, lacking, longer))
    assert none is not None
    assert some is not None
    assert more is not None
    slack = 1e-12
    assert some.high - some.low >= none.high - none.low - slack
    assert more.low <= some.low + slack
    assert more.high >= some.high - slack
