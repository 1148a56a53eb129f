"""Reliability and calibration error from asked labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.calibration import Reliability
from tests.evaluation.answers import answers_of

_answers = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([0.05, 0.3, 1.0])), max_size=60
)


def made(answers, parts: int = 1) -> Reliability:
    reliability = Reliability()
    for part in np.array_split(np.arange(len(answers)), parts):
        confidence, right, propensity = ([answers[i][j] for i in part] for j in range(3))
        predicted = [0 if hit else 1 for hit in right]
        reliability.add(
            answers_of(confidence=confidence, predicted=predicted, propensity=propensity)
        )
    return reliability


@given(_answers, st.integers(1, 5))
@settings(deadline=None)
def test_sums_do_not_depend_on_the_steps(answers, parts):
    whole, cut = made(answers), made(answers, parts)
    assert digest(cut.snapshot()) == digest(whole.snapshot())
    again = made([(0.5, True, 1.0)])
    again.restore(whole.snapshot())
    assert again.bins() == whole.bins()
    assert again.error() == whole.error()


@given(_answers)
@settings(deadline=None)
def test_the_error_is_a_fraction_and_the_bins_are_all(answers):
    reliability = made(answers)
    if not answers:
        assert reliability.error() is None
        assert reliability.bins() == []
        return
    assert 0 <= (reliability.error() or 0) <= 1
    assert sum(one.share for one in reliability.bins()) == pytest.approx(1)
    for one in reliability.bins():
        assert one.low - 1e-9 <= one.confidence <= one.high + 1e-9


def test_by_hand():
    """Two of four right at 0.9 sure, weighed; and one right at 0.6."""
    reliability = made([(0.92, True, 0.5), (0.92, False, 0.25), (0.6, True, 1.0)])
    assert reliability.error() == pytest.approx((6 * abs(2 / 6 - 0.92) + 1 * 0.4) / 7)
    assert [(one.low, one.accuracy) for one in reliability.bins()] == [
        (0.6, 1.0), (0.9, pytest.approx(1 / 3)),
    ]  # fmt: skip


def test_asking_where_it_is_unsure_does_not_bias_the_error():
    """A calibrated learner must not look uncalibrated because its hard events were asked."""
    draw = np.random.default_rng(2)
    confidence = draw.uniform(0.5, 1, 40_000)
    right = draw.random(40_000) < confidence
    propensity = np.where(confidence < 0.7, 0.5, 0.05)
    rows = np.flatnonzero(draw.random(40_000) < propensity)
    asked = [(float(confidence[i]), bool(right[i]), float(propensity[i])) for i in rows]
    assert (made(asked).error() or 1) < 0.03
