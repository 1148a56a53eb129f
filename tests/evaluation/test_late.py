"""Answers that have not come yet, and what stands for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.evaluation.late import ANSWERS, OpenQuestions, standing_for
from stream_cl.evaluation.prequential import Prequential
from tests.evaluation.answers import answers_of

_asked = st.lists(
    st.tuples(st.integers(0, 5000), st.sampled_from([0.02, 0.3, 1.0]), st.booleans()),
    min_size=1,
    max_size=80,
    unique_by=lambda one: one[0],
)


def split(asked) -> tuple[np.ndarray, np.ndarray, OpenQuestions]:
    event, propensity, here = (np.array(column) for column in zip(*asked, strict=True))
    return event[here], propensity[here], OpenQuestions(event[~here], propensity[~here])


@given(_asked)
@settings(deadline=None)
def test_the_weight_of_open_questions_is_given_to_answers(asked):
    """Else events whose answer is late would count for nothing, or twice."""
    event, propensity, waiting = split(asked)
    found = standing_for(event, propensity, waiting)
    assert (found <= propensity).all()
    assert (found > 0).all()
    late = event >= waiting.event.min(initial=10_000)
    if late.sum() >= ANSWERS:
        whole = (1 / propensity).sum() + (1 / waiting.propensity).sum()
        assert (1 / found).sum() == pytest.approx(whole)
    np.testing.assert_array_equal(found[~late], propensity[~late])


def test_where_nothing_waits_nothing_changes():
    event, propensity = np.arange(5), np.full(5, 0.2)
    none = OpenQuestions(np.zeros(0, dtype=np.int64), np.zeros(0))
    for waiting in (None, none):
        assert standing_for(event, propensity, waiting) is propensity
    figures = Prequential(100, 3)
    figures.add(answers_of(event=[1, 2, 3, 4], propensity=[0.5] * 4))
    assert figures.figures(5, none) == figures.figures(5)


def test_late_answers_do_not_hide_that_accuracy_fell():
    """The newest events have few answers yet; a plain mean speaks of a time a little ago."""
    draw, n = np.random.default_rng(1), 20_000
    right = draw.random(n) < np.linspace(0.95, 0.35, n)
    asked = np.flatnonzero(draw.random(n) < 0.1)
    here = draw.random(len(asked)) < np.minimum(1, (n - asked) / 8000)
    propensity = np.full(len(asked), 0.1)
    for size in (5000, 700):
        figures = Prequential(n, size)
        known = asked[here]
        figures.add(answers_of(event=known, propensity=propensity[here], predicted=~right[known]))
        waiting = OpenQuestions(asked[~here], propensity[~here])
        plain, whole = (figures.figures(n, each)["unbiased"] for each in (None, waiting))
        assert plain is not None
        assert whole is not None
        assert plain.low > right.mean()
        assert whole.low <= right.mean() <= whole.high
