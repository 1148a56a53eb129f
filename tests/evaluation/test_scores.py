"""Kappas, the no-change baseline and log loss from weighted answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.agreement import cohens_kappa, no_change_accuracy
from stream_cl.evaluation.likelihood import given_to, keep_largest
from stream_cl.evaluation.scores import PROBABILITY_FLOOR, Scores, ScoreSums
from tests.evaluation.answers import answers_of

_classes = st.integers(-1, 4)
_rows = st.lists(
    st.tuples(_classes, _classes, _classes, st.floats(0, 1), st.integers(1, 4)),
    min_size=1,
    max_size=40,
)


def sums_of(**columns) -> ScoreSums:
    sums = ScoreSums()
    sums.add(answers_of(**columns))
    return sums


def named(rows) -> dict[str, list]:
    true, predicted, last, probability, weight = (list(c) for c in zip(*rows, strict=True))
    propensity = [1 / w for w in weight]
    columns = {"true": true, "predicted": predicted, "last": last}
    return {**columns, "probability": probability, "propensity": propensity}


def test_by_hand():
    """Four answers; the third stands for two events, so five in all."""
    scores = sums_of(
        true=[0, 1, 1, 0],
        predicted=[0, 1, 0, 0],
        last=[-1, 0, 1, 1],
        probability=[0.5, 1.0, 0.25, 1.0],
        propensity=[1.0, 1.0, 0.5, 1.0],
    ).scores()
    right, unchanged = 3 / 5, 2 / 5
    chance = (2 / 5) * (4 / 5) + (3 / 5) * (1 / 5)
    assert scores.no_change == pytest.approx(unchanged)
    assert scores.kappa == pytest.approx((right - chance) / (1 - chance))
    assert scores.kappa_temporal == pytest.approx((right - unchanged) / (1 - unchanged))
    assert scores.log_loss == pytest.approx((math.log(2) + 2 * math.log(4)) / 5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 5)), min_size=1, max_size=60))
def test_with_every_label_it_is_the_known_kappa(pairs):
    """Else live figures and those of `evaluate` speak of different things."""
    true, predicted = ([p[i] for p in pairs] for i in (0, 1))
    scores = sums_of(true=true, predicted=predicted, last=[-1, *true[:-1]]).scores()
    texts = [str(p) if p >= 0 else None for p in predicted]
    truth = [str(t) for t in true]
    known = cohens_kappa(truth, texts)
    assert scores.kappa == pytest.approx(known) if scores.kappa is not None else known == 0
    assert scores.no_change == pytest.approx(no_change_accuracy(truth))


@given(_rows)
def test_a_weight_stands_for_as_many_events(rows):
    """An event asked with propensity 1/3 counts as three: that is what makes it unbiased."""
    weighted = sums_of(**named(rows)).scores()
    repeated = [(*row[:4], 1) for row in rows for _ in range(row[4])]
    for one, other in zip(weighted, sums_of(**named(repeated)).scores(), strict=True):
        assert one == pytest.approx(other, abs=1e-9)


@given(_rows, st.integers(1, 7))
def test_batches_do_not_show_and_a_restored_one_goes_on_equal(rows, size):
    """Else the digest depends on how labels arrived, or a restart changes a figure."""
    whole, parts = sums_of(**named(rows)), ScoreSums()
    for start in range(0, len(rows), size):
        parts.add(answers_of(**named(rows[start : start + size])))
        again = ScoreSums()
        again.restore(parts.snapshot())
        parts = again
    assert digest(parts.snapshot()) == digest(whole.snapshot())
    assert parts.scores() == whole.scores()


def test_what_has_no_value_is_not_shown_as_zero():
    """Nothing counted, or a baseline that is never wrong: there is nothing to be better than."""
    assert ScoreSums().scores() == Scores(None, None, None, None)
    constant = sums_of(true=[2, 2], predicted=[2, 2], last=[2, 2]).scores()
    assert constant == Scores(1.0, None, None, 0.0)


def test_a_surprise_is_dear_but_finite():
    """One new class must not turn the log loss into infinity for good."""
    scores = sums_of(true=[3, -1], probability=[0.0, 0.0]).scores()
    assert scores.log_loss == pytest.approx(-math.log(PROBABILITY_FLOOR))


@given(st.integers(1, 25), st.integers(0, 2**32 - 1))
def test_the_probability_of_the_truth_is_that_of_the_prediction(k, seed):
    """To float32 where it was kept, else its share of the rest; never more than 1 in all."""
    draw = np.random.default_rng(seed)
    p = draw.dirichlet(np.ones(k), size=6)
    classes, kept = np.zeros((6, 10), dtype=np.int16), np.zeros((6, 10), dtype=np.float32)
    keep_largest(p, classes, kept)
    known = np.full(6, k, dtype=np.int32)
    got = np.stack([given_to(np.full(6, c), known, classes, kept) for c in range(k)], axis=1)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-6)
    large = np.argsort(-p, axis=1, kind="stable")[:, :10]
    for row in range(6):
        np.testing.assert_allclose(got[row, large[row]], p[row, large[row]], rtol=1e-6)
    for outside in (-1, k, k + 5):
        assert not given_to(np.full(6, outside), known, classes, kept).any()


def test_before_the_first_class_nothing_was_likely():
    classes, kept = np.zeros((2, 10), dtype=np.int16), np.zeros((2, 10), dtype=np.float32)
    keep_largest(np.zeros((2, 0)), classes, kept)
    assert given_to(np.array([0, 1]), np.zeros(2, dtype=np.int32), classes, kept).tolist() == [0, 0]
