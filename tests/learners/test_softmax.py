"""Softmax regression: the contract, the formula, and what it reaches on real streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stream_cl
from stream_cl.core.errors import LearnerFailed
from stream_cl.core.snapshot import digest
from stream_cl.learners.softmax import Softmax
from stream_cl.testing.learner_contract import LearnerContract, events, same_bits

from .streams import prequential, standardised

SLOW, FAST = (0.5, 1.0), (2.0, 0.995)
"""Learning rate and `forget` of each set by default."""


def one_set(width: int, max_classes: int, rate: float, forget: float) -> Softmax:
    return Softmax(width, 0, max_classes, rate, 0.1, forget, rate, forget)


class TestSoftmax(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Softmax:
        return Softmax(width, seed, max_classes)


class TestSoftmaxWithEverySettingChanged(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Softmax:
        return Softmax(
            width,
            seed,
            max_classes,
            learning_rate=0.4,
            epsilon=1e-6,
            forget=0.99,
            learning_rate_fast=3.0,
            forget_fast=0.9,
            l2=0.01,
        )


class TestSoftmaxOfOneSet(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Softmax:
        return one_set(width, max_classes, 1.5, 0.999)


def by_the_formula(labelled, rate, forget, epsilon=0.1, l2=0.0):
    """The docstring's formula in numpy: weights `[width + 1, k]`."""
    x, y, weight = labelled
    k = int(y.max()) + 1
    inputs = np.hstack([x.astype(np.float64), np.ones((len(x), 1))])
    w, squares = np.zeros((inputs.shape[1], k)), np.full((inputs.shape[1], k), epsilon)
    seen = np.zeros(k, dtype=bool)
    for row, c, strength in zip(inputs, y, weight, strict=True):
        seen[c] = True
        logits = np.where(seen, row @ w, -np.inf)
        p = np.exp(logits - logits.max())
        p /= p.sum()
        pull = np.where(np.arange(len(row)) < len(row) - 1, l2, 0.0)[:, None]
        g = strength * row[:, None] * (p - (np.arange(k) == c)) + pull * w
        on = row != 0
        touched = on[:, None] & (np.arange(k) <= np.flatnonzero(seen).max())
        squares = np.where(touched, forget * squares + (1 - forget) * epsilon + g * g, squares)
        w = np.where(touched, w - rate / np.sqrt(on.sum()) * g / np.sqrt(squares), w)
    return w


def test_settings_may_be_whole_numbers():
    x, y, weight = events(50)
    whole, real = (
        Softmax(5, 0, 12, 1, 1, 1, 2, 1, 0),
        Softmax(5, 0, 12, 1.0, 1.0, 1.0, 2.0, 1.0, 0.0),
    )
    for learner in (whole, real):
        learner.learn(x, y, weight)
    assert digest(whole.fingerprint()) == digest(real.fingerprint())


def test_room_for_more_classes_changes_no_bit():
    """What a learner knows does not depend on when its memory grew."""
    x, _, weight = events(400)
    y = np.arange(400) // 40
    grown, fresh = Softmax(5, 0, 12), Softmax(5, 0, 12)
    for start in range(0, 400, 10):
        some = slice(start, start + 10)
        grown.learn(x[some], y[some], weight[some])
        fresh.learn(x[some], y[some], weight[some])
        exact = Softmax(5, 0, 12)
        exact.restore(fresh.snapshot())
        fresh = exact
        assert digest(grown.fingerprint()) == digest(fresh.fingerprint())


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_it_learns_by_the_formula_of_its_docstring(l2):
    labelled = events(300)
    learner = Softmax(5, 0, 12, l2=l2)
    learner.learn(*labelled)
    for weights, (rate, forget) in zip(learner.snapshot()["weights"], (SLOW, FAST), strict=True):
        expected = by_the_formula(labelled, rate, forget, l2=l2)
        np.testing.assert_allclose(weights, expected, atol=1e-8)


def test_the_two_sets_are_averaged_by_the_formula_of_the_docstring():
    x, y, weight = events(300)
    mixed, alone = Softmax(5, 0, 12), [one_set(5, 12, *SLOW), one_set(5, 12, *FAST)]
    losses, met = np.zeros(2), set()
    for i in range(len(x)):
        one = slice(i, i + 1)
        for s, learner in enumerate(alone):
            if y[i] in met:
                losses[s] = 0.99 * losses[s] + (learner.predict(x[one])[0].argmax() != y[i])
            learner.learn(x[one], y[one], weight[one])
        met.add(y[i])
    mixed.learn(x, y, weight)
    shares = np.exp(-losses) / np.exp(-losses).sum()
    expected = sum(s * learner.predict(x) for s, learner in zip(shares, alone, strict=True))
    np.testing.assert_allclose(mixed.predict(x), expected, atol=1e-9)


def test_what_moves_is_followed_and_what_stays_is_kept():
    """One window of forgetting suits one of the two; who does not know the stream needs both."""

    def accuracy(turns: int, **settings: float) -> float:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(40_000, 2)).astype(np.float32)
        angle = np.linspace(0.0, 2 * np.pi * turns, len(x))
        y = (x[:, 0] * np.cos(angle) + x[:, 1] * np.sin(angle) > 0).astype(np.int64)
        y = np.where(rng.random(len(x)) < 0.2, 1 - y, y)
        return prequential(Softmax(2, 0, 2, **settings), x, y)

    for turns in (0, 20):
        both = accuracy(turns)
        slow = accuracy(turns, learning_rate_fast=SLOW[0], forget_fast=SLOW[1])
        fast = accuracy(turns, learning_rate=FAST[0], forget=FAST[1])
        assert both > max(slow, fast) - 0.002
        assert max(slow, fast) - min(slow, fast) > 0.005


def test_a_failed_batch_leaves_no_trace():
    """The labels of a failed batch are quarantined; what was learned before must stand."""
    learner = Softmax(5, 0, 12)
    learner.learn(*events(100))
    before = digest(learner.snapshot())
    x, y, weight = events(50)
    x[49, 0] = np.nan
    with pytest.raises(LearnerFailed):
        learner.learn(x, y, weight)
    assert digest(learner.snapshot()) == before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=3, max_size=3),
            st.integers(0, 5),
            st.floats(1e-6, 1e6),
        ),
        max_size=30,
    )
)
def test_any_finite_events_leave_finite_probabilities(rows):
    """One absurd reading must not make every later prediction NaN."""
    learner = Softmax(3, 0, 6)
    x = np.array([row[0] for row in rows], dtype=np.float32).reshape(-1, 3)
    learner.learn(
        x,
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
    )
    answer = learner.predict(x)
    assert np.isfinite(answer).all()
    assert not answer.size or np.allclose(answer.sum(axis=1), 1.0)


def test_capacity_changes_no_bit():
    """Arrays grow ahead of the classes; how far ahead depends on the history of the process."""
    grown, restored = Softmax(5, 0, 12), Softmax(5, 0, 12)
    labelled = events(200)
    grown.learn(*labelled)
    restored.restore(grown.snapshot())
    x, _, weight = events(12, seed=3)
    for learner in (grown, restored):
        learner.learn(x, np.arange(12), weight)
    assert same_bits(grown.predict(x), restored.predict(x))


PROGRAM = """
import numpy as np
from stream_cl.learners.softmax import Softmax
learner = Softmax(1, 0, 2)
x = np.ones((2, 1), dtype=np.float32)
learner.learn(x, np.array([0, 1]), np.ones(2))
print(learner.predict(x).shape)
"""


def test_it_works_where_no_cache_can_be_written(tmp_path: Path):
    """An installation may be read-only and the user without a home."""
    source = Path(stream_cl.__file__).parent
    for folder in ("core", "learners"):
        shutil.copytree(
            source / folder,
            tmp_path / "stream_cl" / folder,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    (tmp_path / "stream_cl" / "__init__.py").touch()
    blocked = tmp_path / "stream_cl" / "learners" / "__pycache__"
    blocked.write_text("a file where a folder would be made")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(blocked),
            "XDG_CACHE_HOME": str(blocked),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(2, 2)\n"


@pytest.mark.parametrize(
    ("stream", "limit", "floor"),
    [
        ("elec2", None, 0.85),
        ("insects_gradual_balanced", None, 0.77),
        ("keystroke", None, 0.88),
        ("outdoor", None, 0.77),
        ("covertype_first100k", 30_000, 0.75),
    ],
)
def test_accuracy_on_real_streams(data_dir, stream, limit, floor):
    """Predict, then learn, each event, with features standardised as they come."""
    x, y = standardised(data_dir / f"{stream}.csv.gz", limit)
    learner = Softmax(x.shape[1], 0, int(y.max()) + 1)
    assert prequential(learner, x, y) >= floor
