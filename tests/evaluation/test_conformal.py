"""Candidate sets: as often right as they say, whatever the stream does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.conformal import NO_SET, ConformalSets


def answered(sets: ConformalSets, probabilities, true, size=None) -> None:
    """Answers to the events `probabilities [n, k]` of the classes `true [n]`."""
    rows = np.arange(len(true))
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rank = (order == true[:, None]).argmax(axis=1)
    sizes = sets.sizes(probabilities) if size is None else size
    sets.add(probabilities[rows, true], rank, sizes, np.full(len(true), 0.2))


def stream(n: int, k: int, seed: int, sharp: float = 2.0):
    """Probabilities that are calibrated, and classes drawn from them."""
    draw = np.random.default_rng(seed)
    logits = sharp * draw.standard_normal((n, k))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (draw.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(true, k - 1)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_truth_as_often_as_they_say(coverage):
    sets = ConformalSets(coverage, most=10)
    probabilities, true = stream(4000, 6, seed=1)
    for i in range(len(true)):
        answered(sets, probabilities[i : i + 1], true[i : i + 1])
    figure = sets.figures()["set_coverage"]
    assert figure is not None
    assert figure.value == pytest.approx(coverage, abs=0.015)


@pytest.mark.parametrize(("late", "lost"), [(0, 0.01), (400, 0.04)])
def test_they_do_so_when_the_learner_becomes_worse(late, lost):
    """Half-way the probabilities stop meaning anything. Nobody can know before the first answers
    to that come: 400 sets of 6,000 that hold the truth half the time cost three points, once."""
    sets = ConformalSets(0.9, most=10)
    probabilities, true = stream(6000, 6, seed=2)
    true[3000:] = np.random.default_rng(3).integers(0, 6, 3000)
    waiting = []
    for i in range(len(true)):
        waiting.append(sets.sizes(probabilities[i : i + 1]))
        if i >= late:
            j = i - late
            answered(sets, probabilities[j : j + 1], true[j : j + 1], waiting[j])
    figures = sets.figures()
    whole, recent = figures["set_coverage"], figures["recent_set_coverage"]
    assert whole is not None
    assert recent is not None
    assert whole.value == pytest.approx(0.9, abs=lost)
    assert recent.value == pytest.approx(0.9, abs=0.03)


def test_without_calibration_there_is_no_set():
    """A promise that rests on three answers must not be printed on a request."""
    sets = ConformalSets(0.9, most=5)
    probabilities, true = stream(9, 3, seed=4)
    for i in range(9):
        assert sets.sizes(probabilities).tolist() == [NO_SET] * 9
        answered(sets, probabilities[i : i + 1], true[i : i + 1])
    assert (sets.sizes(probabilities) != NO_SET).all()
    assert sets.sizes(np.zeros((2, 0))).tolist() == [NO_SET] * 2
    assert sets.figures()["set_coverage"] is None, "none of the nine had a set"


def test_who_names_no_candidates_gets_no_sets():
    sets = ConformalSets(0.9, most=0)
    probabilities, true = stream(50, 3, seed=4)
    answered(sets, probabilities, true)
    assert sets.sizes(probabilities).tolist() == [NO_SET] * 50
    assert set(sets.figures().values()) == {None}


@given(st.integers(0, 9), st.integers(1, 4), st.integers(2, 8))
@settings(max_examples=30, deadline=None)
def test_a_set_is_never_empty_and_never_too_large(seed, most, k):
    sets = ConformalSets(0.7, most)
    probabilities, true = stream(60, k, seed)
    answered(sets, probabilities, true)
    sizes, whole = sets.sizes_and_whole(probabilities)
    assert sizes.min() >= 1
    assert sizes.max() <= min(most, k)
    assert (sizes[~whole] == most).all()


@given(st.integers(0, 9), st.lists(st.integers(1, 20), max_size=8))
@settings(max_examples=30, deadline=None)
def test_answers_count_the_same_in_any_batches(seed, cuts):
    """Else the candidates of a request would depend on the step size."""
    probabilities, true = stream(80, 4, seed)
    size = np.random.default_rng(seed).integers(-1, 4, 80)
    whole, parts = ConformalSets(0.8, 3, window=30), ConformalSets(0.8, 3, window=30)
    answered(whole, probabilities, true, size)
    for part in np.split(np.arange(80), np.minimum(np.cumsum(cuts), 80)):
        if len(part):
            answered(parts, probabilities[part], true[part], size[part])
    assert digest(parts.snapshot()) == digest(whole.snapshot())
    other = ConformalSets(0.8, 3, window=30)
    answered(other, probabilities[::-1], true[::-1], size)
    other.restore(whole.snapshot())
    assert digest(other.snapshot()) == digest(whole.snapshot())
    assert np.array_equal(other.sizes(probabilities), whole.sizes(probabilities))
    assert other.figures() == whole.figures()


def test_scores_of_another_window_are_refused():
    sets = ConformalSets(0.8, 3, window=30)
    answered(sets, *stream(20, 4, 1))
    with pytest.raises(AssertionError):
        ConformalSets(0.8, 3, window=10).restore(sets.snapshot())


def test_what_was_published_counts_where_the_learner_gets_better():
    """Late answers are about sets of a worse learner, which were too large; by the threshold of now
    alone nobody would see it."""
    n, late, draw = 6000, 1500, np.random.default_rng(6)
    logits = np.linspace(0.5, 2.5, n)[:, None] * draw.standard_normal((n, 6))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (draw.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=5)
    rank = (probabilities > probabilities[np.arange(n), true][:, None]).sum(axis=1)

    def over(told: bool) -> float:
        sets, published = ConformalSets(0.9, most=10), np.full(n, NO_SET)
        for i in range(n):
            published[i] = sets.sizes(probabilities[i : i + 1])[0]
            if i >= late:
                j = slice(i - late, i - late + 1)
                size = published[j] if told else np.full(1, NO_SET)
                answered(sets, probabilities[j], true[j], size)
        had = published != NO_SET
        return float((rank < published)[had].mean()) - 0.9

    assert abs(over(True)) < 0.75 * over(False)


def test_a_list_that_was_cut_moves_nothing():
    """Three of six classes hold the truth as often as they do; other sets must not pay for it."""
    probabilities, true = stream(2000, 6, seed=7, sharp=0.3)
    cut, free = ConformalSets(0.9, most=3), ConformalSets(0.9, most=10)
    for sets in (cut, free):
        for i in range(len(true)):
            answered(sets, probabilities[i : i + 1], true[i : i + 1])
    assert cut.snapshot()["alpha"] > 0.02
