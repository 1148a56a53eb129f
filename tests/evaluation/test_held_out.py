"""The held-out set: a bounded uniform sample, to measure forgetting on."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.held_out import HeldOut
from stream_cl.evaluation.intervals import wilson


def offer(store: HeldOut, numbers) -> None:
    for number in numbers:
        store.add(np.full((1, 2), number, dtype=np.float32), number)


def contents(store: HeldOut) -> list[int]:
    snapshot = store.snapshot()
    assert (snapshot["x"] == snapshot["y"][:, None]).all(), "features and class belong together"
    return [int(y) for y in snapshot["y"]]


def test_it_is_never_larger_than_its_capacity():
    """Bounded memory, and nothing is dropped before it is full."""
    store = HeldOut(10, 2, seed=1)
    for n in range(100):
        assert len(store) == min(n, 10)
        offer(store, [n])
    assert len(contents(store)) == len(set(contents(store))) == 10
    early = HeldOut(10, 2, seed=1)
    offer(early, range(10))
    assert contents(early) == list(range(10))


def test_it_is_a_uniform_sample():
    """Else forgetting is measured on new events only, or on old ones only.

    2,000 seeds: how often each of 60 events is among the 12 that are kept."""
    counts = np.zeros(60)
    for seed in range(2000):
        store = HeldOut(12, 2, seed)
        offer(store, range(60))
        counts[contents(store)] += 1
    expected = 2000 * 12 / 60
    # Drawn without replacement, so the variance is a little smaller: 59 degrees of freedom.
    chi_square = ((counts - expected) ** 2 / (expected * (1 - 12 / 60))).sum()
    assert abs(chi_square - 59) < 4 * (2 * 59) ** 0.5
    assert np.abs(counts - expected).max() < 4.5 * (expected * 0.8) ** 0.5


def test_pairs_are_kept_independently():
    """Neighbours in the stream must not stand or fall together."""
    both = np.zeros(3)
    for seed in range(3000):
        store = HeldOut(5, 2, seed)
        offer(store, range(20))
        kept = set(contents(store))
        both += [{0, 1} <= kept, {10, 11} <= kept, {18, 19} <= kept]
    expected = 3000 * (5 * 4) / (20 * 19)
    assert np.abs(both - expected).max() < 4.5 * expected**0.5


@pytest.mark.parametrize("n", [0, 3, 8, 30])
def test_restored_it_goes_on_equal(n):
    store = HeldOut(8, 2, seed=5)
    offer(store, range(n))
    saved = store.snapshot()
    kept = digest(saved)
    other = HeldOut(8, 2, seed=5)
    offer(other, range(100, 150))
    other.restore(saved)
    assert digest(other.fingerprint()) == digest(store.fingerprint())
    for each in (store, other):
        offer(each, range(200, 230))
    assert contents(other) == contents(store)
    assert digest(saved) == kept


def test_what_was_offered_may_be_overwritten():
    """The arrays of a step are used again."""
    store, x = HeldOut(2, 2, seed=1), np.ones((1, 2), dtype=np.float32)
    store.add(x, 1)
    x[:] = 9
    assert contents(store) == [1]


@pytest.mark.parametrize("capacity", [4, 20])
def test_another_capacity_is_refused(capacity):
    """A sample cannot be made larger or smaller after the fact and stay what it says it is."""
    store = HeldOut(8, 2, seed=5)
    offer(store, range(30))
    with pytest.raises((AssertionError, ValueError)):
        HeldOut(capacity, 2, seed=5).restore(store.snapshot())


def test_accuracy_of_the_learner_as_it_is_now():
    """Forgetting shows here: every entry is predicted afresh, in parts that bound memory."""
    store = HeldOut(3000, 2, seed=1)
    assert store.accuracy(lambda x: np.ones((len(x), 1))) is None
    offer(store, (n % 3 for n in range(2500)))
    before, sizes = digest(store.snapshot()), []

    def predict(x):
        sizes.append(len(x))
        return np.eye(2)[np.minimum(x[:, 0].astype(int), 1)]  # knows classes 0 and 1 only

    assert store.accuracy(predict) == wilson(834 + 833, 2500)
    assert max(sizes) <= 1024
    assert sum(sizes) == 2500
    assert digest(store.snapshot()) == before
    assert store.accuracy(lambda x: np.zeros((len(x), 0))) == wilson(0, 2500)
