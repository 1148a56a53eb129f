"""ADWIN: what it finds, what it lets pass, and that it stays small."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.snapshot import digest
from stream_cl.drift.adwin import BUCKETS, Adwin


def fed(detector: Adwin, values) -> list[int]:
    return [detector.add(float(value)) for value in values]


def test_a_jump_is_found_soon_and_the_window_is_cut():
    """Else a burst begins when the drift is long over."""
    draws = np.random.default_rng(1)
    detector = Adwin()
    assert not any(fed(detector, draws.random(500) < 0.1))
    found = np.flatnonzero(fed(detector, draws.random(300) < 0.6))
    assert found[0] < 60
    assert detector.values < 400
    assert detector.mean == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(("before", "after", "sign"), [(0.2, 0.8, 1), (0.8, 0.2, -1)])
def test_it_says_which_way_the_mean_went(before, after, sign):
    draws = np.random.default_rng(2)
    detector = Adwin()
    fed(detector, draws.random(400) < before)
    assert next(filter(None, fed(detector, draws.random(400) < after))) == sign


def test_false_alarms_are_rare():
    """delta bounds them; over 20 steady streams of 2,000 values there is one at most."""
    alarms = [
        any(fed(Adwin(), np.random.default_rng(seed).random(2000) < 0.3)) for seed in range(20)
    ]
    assert sum(alarms) <= 1


@pytest.mark.parametrize("length", [300, 3000])
def test_a_slow_change_is_found_too(length):
    draws = np.random.default_rng(3)
    found = fed(Adwin(), draws.random(length) < np.linspace(0.1, 0.9, length))
    assert 1 in found
    assert -1 not in found


def test_the_window_holds_the_mean_and_spread_of_its_values():
    """Buckets are joined without losing either."""
    values = np.random.default_rng(4).random(777)
    detector = Adwin(1e-12)
    fed(detector, values)
    assert detector.values == 777
    assert detector.mean == pytest.approx(values.mean())
    kept = detector.snapshot()
    assert kept["squares"].sum() / 777 - detector.mean**2 == pytest.approx(values.var())
    assert max(np.unique(kept["sizes"], return_counts=True)[1]) <= BUCKETS


def test_a_restored_one_and_a_copy_go_on_to_the_bit():
    draws = np.random.default_rng(5)
    detector, other = Adwin(), Adwin()
    fed(detector, draws.random(700))
    other.restore(detector.snapshot())
    twin, rest = detector.copy(), draws.random(300) ** 0.2
    expected = fed(detector, rest)
    for one in (other, twin):
        assert fed(one, rest) == expected
        assert digest(one.snapshot()) == digest(detector.snapshot())


def test_a_copy_leaves_the_original_alone():
    """A step that aborts must leave no trace."""
    detector = Adwin()
    fed(detector, np.random.default_rng(6).random(100))
    before = digest(detector.snapshot())
    fed(detector.copy(), [0.0] * 100)
    assert digest(detector.snapshot()) == before
