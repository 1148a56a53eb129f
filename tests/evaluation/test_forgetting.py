"""Forgetting and the worst case by class: what Chaudhry et al. and De Lange et al. define."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.checkpoint.format import decode, encode
from stream_cl.evaluation.forgetting import LEARNED, MIN_EVENTS, Forgetting, Look

EVENTS = 20


def look(forgetting: Forgetting, step: int, *right: float) -> Look:
    """A look at which of EVENTS events of each class these shares are predicted right."""
    y = np.repeat(np.arange(len(right)), EVENTS)
    hits = np.concatenate([np.arange(EVENTS) < round(share * EVENTS) for share in right])
    return forgetting.look(step, y, hits)


def test_a_class_that_is_no_longer_recognised_is_forgotten() -> None:
    """Overall accuracy hides it: here it rises while the first class is lost."""
    seen = Forgetting()
    first = look(seen, 1, 0.9, 0.1)
    assert first.forgetting is None, "nothing can be forgotten at the first look"
    assert look(seen, 2, 1.0, 0.2).forgetting == pytest.approx(-0.1), "better than ever"
    last = look(seen, 3, 0.2, 1.0)
    assert last.forgetting == pytest.approx(((1.0 - 0.2) + (0.2 - 1.0)) / 2)
    assert last.worst_case == pytest.approx((0.2 + 1.0) / 2)
    assert last.accuracy is not None
    assert last.accuracy.value == pytest.approx(0.6)
    assert [(c.number, c.now, c.best, c.worst) for c in last.classes] == [
        (0, pytest.approx(0.2), 1.0, pytest.approx(0.2)),
        (1, 1.0, 1.0, 1.0),
    ]


def test_a_dip_that_was_made_up_for_stays_in_the_worst_case() -> None:
    """Forgetting is over when a class is relearned; what users met meanwhile is not."""
    seen = Forgetting()
    for step, accuracy in enumerate((0.8, 0.3, 0.9)):
        last = look(seen, step, accuracy)
    assert last.forgetting == pytest.approx(-0.1)
    assert last.worst_case == pytest.approx(0.3)


def test_what_was_not_learned_yet_is_no_worst_case_for_ever() -> None:
    """A class is unknown when it appears; that is no failure to remember it."""
    seen = Forgetting()
    assert look(seen, 1, 0.0).worst_case == 0.0, "until then it counts as it is"
    assert look(seen, 2, 0.4).worst_case == pytest.approx(0.4)
    look(seen, 3, 0.9)
    assert look(seen, 4, 0.7).worst_case == pytest.approx(0.7)


def test_a_class_of_few_events_has_no_figure() -> None:
    """Of three events all wrong is an accident, and a maximum over many looks finds each."""
    seen = Forgetting()
    y = np.array([0] * MIN_EVENTS + [1] * (MIN_EVENTS - 1))
    last = seen.look(1, y, np.ones(len(y), dtype=bool))
    assert [one.number for one in last.classes] == [0]
    empty = Forgetting().look(1, np.zeros(0, dtype=int), np.zeros(0, dtype=bool))
    assert (empty.accuracy, empty.forgetting, empty.worst_case) == (None, None, None)


SHARES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=0, max_size=4)


@settings(deadline=None)
@given(st.lists(SHARES, min_size=1, max_size=8), st.integers(0, 8))
def test_figures_are_those_of_the_definition_and_survive_a_restart(
    looks: list[list[float]], restart: int
) -> None:
    """Straight from the formulas, over all looks; a checkpoint between two of them changes
    nothing."""
    seen, past = Forgetting(), dict[int, list[float]]()
    for step, shares in enumerate(looks):
        if step == restart:
            again = Forgetting()
            again.restore(decode(encode({"it": seen.snapshot()}))["it"])
            assert again.last == seen.last
            seen = again
        last = look(seen, step, *shares) if shares else seen.look(step, *nothing())
        drops = [max(past[c]) - now for c, now in enumerate(shares) if c in past]
        for c, now in enumerate(shares):
            past.setdefault(c, []).append(now)
        worst = [worst_of(past[c]) for c in range(len(shares))]
        assert last.forgetting == (pytest.approx(np.mean(drops)) if drops else None)
        assert last.worst_case == (pytest.approx(np.mean(worst)) if worst else None)
        assert last.forgetting is None or -1 <= last.forgetting <= 1


def nothing():
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)


def worst_of(accuracies: list[float]) -> float:
    learned = [i for i, accuracy in enumerate(accuracies) if accuracy > LEARNED]
    return min(accuracies[learned[0] :]) if learned else accuracies[-1]
