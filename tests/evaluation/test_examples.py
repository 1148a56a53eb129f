"""Answered events that look like the one that is asked about."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.evaluation.examples import BYTES, ENTRIES, Examples


def made(n: int, width: int = 3, shown: int = 4, cuts=(), seed: int = 1) -> Examples:
    draw, store = np.random.default_rng(seed), Examples(width, shown)
    x, y = draw.standard_normal((n, width)).astype(np.float32), draw.integers(0, 5, n)
    for part in np.split(np.arange(n), np.minimum(np.cumsum(cuts), n)):
        store.add([str(i) for i in part], x[part], y[part])
    return store


@given(st.integers(0, 600), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_the_nearest_are_found_among_the_latest(n, shown):
    store, draw = made(n, shown=shown), np.random.default_rng(1)
    x, y = draw.standard_normal((n, 3)).astype(np.float32), draw.integers(0, 5, n)
    asked = np.random.default_rng(2).standard_normal(3).astype(np.float32)
    latest = np.arange(max(0, n - ENTRIES), n)
    distance = np.linalg.norm(x[latest].astype(np.float64) - asked, axis=1)
    expected = latest[np.argsort(distance, kind="stable")][:shown]
    (found,) = store.nearest(asked[None])
    assert [example.id for example in found] == [str(i) for i in expected]
    assert [example.number for example in found] == y[expected].tolist()
    assert [e.distance for e in found] == pytest.approx(sorted(distance)[:shown], rel=1e-5)


@given(st.integers(0, 600), st.lists(st.integers(1, 200), max_size=5))
@settings(max_examples=30, deadline=None)
def test_restored_it_is_equal_in_any_batches(n, cuts):
    store, other = made(n), made(400, seed=7)
    assert digest(made(n, cuts=cuts).snapshot()) == digest(store.snapshot())
    assert digest(made(n, cuts=cuts).fingerprint()) == digest(store.fingerprint())
    other.restore(store.snapshot())
    assert digest(other.snapshot()) == digest(store.snapshot())
    asked = np.ones((1, 3), dtype=np.float32)
    assert other.nearest(asked) == store.nearest(asked)


def test_who_shows_none_keeps_none():
    store = made(10, shown=0)
    assert len(store) == store.capacity == 0
    assert store.nearest(np.ones((1, 3), dtype=np.float32)) == [[]]


def test_wide_events_do_not_make_it_large():
    """A request must not wait for a look through gigabytes."""
    store = Examples(width=65_536, shown=3)
    assert 1 <= store.capacity <= BYTES // (4 * 65_536)


def test_a_corrected_answer_is_shown_as_it_is_now():
    """People decide by what they are shown; a label that was found wrong must not go on."""
    store = made(ENTRIES + 5)
    before = store.snapshot()["number"].copy()
    store.correct("7", 4)
    store.correct("0", 4)
    changed = before != store.snapshot()["number"]
    assert set(np.flatnonzero(changed).tolist()) <= {7}, "the first ones have left"
    assert store.snapshot()["number"][7] == 4
