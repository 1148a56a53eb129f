"""The live figures: each prediction judged by its label, since the start and in a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.intervals import WeightedSums, wilson
from stream_cl.evaluation.prequential import Prequential
from stream_cl.evaluation.scores import Answers, ScoreSums
from tests.evaluation.answers import answers_of

_answers = st.lists(
    st.tuples(st.integers(0, 30), st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 1.0])),
    max_size=60,
)


def add(figures: Prequential, answers) -> None:
    event, right, propensity = zip(*answers, strict=True) if answers else ((), (), ())
    true = [n % 3 for n in event]
    predicted = [t if hit else t - 1 for t, hit in zip(true, right, strict=True)]
    figures.add(
        answers_of(
            event=event,
            propensity=propensity,
            true=true,
            predicted=predicted,
            last=[n % 2 for n in event],
            probability=[0.25 + 0.5 * hit for hit in right],
            held_out=[n % 5 == 0 for n in event],
        )
    )


def columns(figures: Prequential) -> Answers:
    """What a figure remembers of its last answers, in the ring's order."""
    snapshot = figures.snapshot()
    return Answers(**{name: snapshot[name] for name in Answers.__slots__})


@given(_answers, st.lists(st.integers(1, 9), max_size=20), st.integers(1, 12), st.integers(1, 12))
@settings(deadline=None)
def test_the_window_holds_the_latest_answers_of_its_events(answers, sizes, events, labels):
    """Else the moving figure shows another stretch of the stream than it says."""
    figures, start = Prequential(events, labels), 0
    for size in [*sizes, len(answers)]:
        add(figures, answers[start : start + size])
        start += size
    kept = [a for a in answers if a[2] > 0]
    expected, seen = WeightedSums(), 31
    recent = [a for a in kept[-labels:] if a[0] >= seen - events]
    if recent:
        expected.add(np.array([a[1] for a in recent]), np.array([a[2] for a in recent]))
    np.testing.assert_allclose(figures.window(seen).sums, expected.sums)
    scores, held = ScoreSums(), columns(figures)
    scores.add(held.take(held.event >= seen - events))
    assert figures.window_scores(seen) == scores.scores()
    assert figures.since_start.sums[4] == len(kept)
    assert figures.since_start.sums[5] == sum(a[1] for a in kept)


def test_what_could_not_be_asked_leaves_the_estimand():
    """A label that came by itself says nothing of the events that are asked."""
    figures = Prequential(10, 10)
    add(figures, [(0, True, 0.0), (1, True, 0.0)])
    assert set(figures.figures(2).values()) == {None}
    add(figures, [(2, False, 1.0)])
    naive = figures.figures(3)["naive"]
    assert naive is not None
    assert naive.value == 0.0


def test_old_answers_leave_the_window_though_none_comes():
    """A stream whose labels stop must not show last week's accuracy as today's."""
    figures = Prequential(window_events=100, window_labels=100)
    add(figures, [(i, True, 1.0) for i in range(50)])
    assert figures.figures(60)["window_naive"] is not None
    assert figures.figures(1000)["window_naive"] is None
    assert figures.figures(1000)["naive"] is not None


@given(_answers, _answers)
@settings(deadline=None)
def test_restored_it_goes_on_equal(before, after):
    figures = Prequential(20, 8)
    add(figures, before)
    saved = figures.snapshot()
    kept = digest(saved)
    other = Prequential(20, 8)
    add(other, after)
    other.restore(saved)
    for each in (figures, other):
        add(each, after)
    assert digest(other.snapshot()) == digest(figures.snapshot())
    assert digest(saved) == kept
    assert other.figures(31) == figures.figures(31)
    assert other.scores() == figures.scores()
    assert other.last == figures.last


@pytest.mark.parametrize("labels", [4, 20])
def test_a_window_of_another_size_is_refused(labels):
    """Else answers that never came would count as wrong ones, or some be lost."""
    figures = Prequential(30, 8)
    add(figures, [(i, True, 1.0) for i in range(12)])
    with pytest.raises((AssertionError, ValueError)):
        Prequential(30, labels).restore(figures.snapshot())


def test_held_out_answers_are_counted_apart_and_without_weights():
    """They were drawn uniformly; weights for the asked ones would bias them."""
    figures = Prequential(10, 10)
    add(figures, [(0, True, 0.1), (5, False, 0.1), (10, True, 1.0), (11, False, 0.5)])
    found = figures.figures(12)
    held_out, window = found["held_out"], found["window_held_out"]
    assert held_out is not None
    assert window is not None
    assert held_out == wilson(2, 3)
    assert window == wilson(1, 2), "the first one has left the window"


def test_the_last_label_is_the_last_one_that_names_a_class():
    """Else the no-change baseline repeats an answer that named none, and looks too weak."""
    figures = Prequential(10, 10)
    assert figures.last == -1
    figures.add(answers_of(true=[2, 1, -1]))
    assert figures.last == 1
    figures.add(answers_of(true=[-1]))
    assert figures.last == 1
    figures.add(answers_of(true=[0], propensity=[0.0]))
    assert figures.last == 0, "who repeats a label knows those that came by themselves too"
