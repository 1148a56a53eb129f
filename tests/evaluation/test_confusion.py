"""Confusion, recall and precision by class: of all events, from the few that were asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.confusion import MIN_EFFECTIVE, Confusion
from stream_cl.evaluation.intervals import WeightedSums
from tests.evaluation.answers import answers_of

_answers = st.lists(
    st.tuples(st.integers(-1, 7), st.integers(-1, 7), st.sampled_from([0.05, 0.3, 1.0])),
    max_size=80,
)


def made(answers, cells: int = 5, parts: int = 1) -> Confusion:
    confusion = Confusion(cells)
    for part in np.array_split(np.arange(len(answers)), parts):
        true, predicted, propensity = ([answers[i][j] for i in part] for j in range(3))
        confusion.add(answers_of(true=true, predicted=predicted, propensity=propensity))
    return confusion


@given(_answers)
@settings(deadline=None)
def test_every_answer_is_in_one_cell(answers):
    """Else the shares do not add up to all events."""
    confusion = made(answers)
    expected = np.zeros((6, 6))
    for true, predicted, propensity in answers:
        at = [number if 0 <= number < 5 else 5 for number in (true, predicted)]
        expected[at[0], at[1]] += 1 / propensity
    np.testing.assert_allclose(confusion.matrix, expected)


@given(_answers, st.integers(1, 6))
@settings(deadline=None)
def test_the_sums_do_not_depend_on_the_steps(answers, parts):
    """Else a replay with other steps would have another digest."""
    assert digest(made(answers, parts=parts).snapshot()) == digest(made(answers).snapshot())


@given(_answers, _answers)
@settings(deadline=None)
def test_restored_it_goes_on_equal(before, after):
    confusion, other = made(before), made(after)
    other.restore(confusion.snapshot())
    for each in (confusion, other):
        true, predicted, propensity = ([a[j] for a in after] for j in range(3))
        each.add(answers_of(true=true, predicted=predicted, propensity=propensity))
    assert digest(other.snapshot()) == digest(confusion.snapshot())
    assert other.classes(9) == confusion.classes(9)


def test_recall_is_the_weighted_accuracy_on_the_class():
    """The figure and its interval are those that coverage was measured for."""
    draw = np.random.default_rng(1)
    answers = [
        (int(t), int(p), float(q))
        for t, p, q in zip(
            draw.integers(0, 2, 300), draw.integers(0, 2, 300), draw.uniform(0.2, 1, 300),
            strict=True,
        )
    ]  # fmt: skip
    for one in made(answers).classes(2):
        for which, figure in ((0, one.recall), (1, one.precision)):
            inside = [a for a in answers if a[which] == one.number]
            sums = WeightedSums()
            right = np.array([a[0] == a[1] for a in inside])
            sums.add(right, np.array([a[2] for a in inside]))
            assert figure == sums.unbiased()


def test_below_thirty_effective_labels_there_is_no_figure():
    """A recall of three answers is read as if it were one of three hundred."""
    few = made([(0, 0, 1.0)] * 29)
    assert few.classes(1)[0].recall is None
    enough = made([(0, 0, 1.0)] * 30)
    assert enough.classes(1)[0].recall is not None
    uneven = made([(0, 0, 1.0)] * 60 + [(0, 1, 0.01)])
    assert uneven.classes(1)[0].effective < MIN_EFFECTIVE, "one answer outweighs all others"
    assert uneven.classes(1)[0].recall is None


def test_the_largest_classes_are_shown_and_the_rest_together():
    answers = [(0, 0, 1.0)] * 2 + [(1, 2, 0.1)] * 3 + [(2, 1, 0.5)] * 4 + [(6, -1, 1.0)]
    confusion = made(answers)
    assert [one.number for one in confusion.classes(2)] == [1, 2]
    numbers, shares = confusion.shares(2)
    assert numbers == [1, 2, -1]
    assert shares.sum() == pytest.approx(1)
    assert shares[0, 1] == pytest.approx(30 / 41)
    assert shares[2, 2] == pytest.approx(3 / 41)
    assert sum(one.share for one in confusion.classes(9)) == pytest.approx(1)


def test_without_an_answer_nothing_is_shown():
    confusion = Confusion()
    assert confusion.classes(5) == []
    assert confusion.shares(5)[0] == [-1]
