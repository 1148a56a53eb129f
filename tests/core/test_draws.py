"""The numbers that decide who is asked: uniform, independent, the same in any process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.draws import Draws, keyed_unit, unit

_IDS = [str(i) for i in range(40_000)]
_PROGRAM = """
from stream_cl.core.draws import Draws, keyed_unit
print(Draws(3).words(["a", "ü", ""]).tolist(), keyed_unit(3, "held-out slot", 5, "x"))
"""


def chi_square(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


def test_the_draws_are_uniform():
    """Else a budget of 5 % asks another share, and unbiased figures are biased."""
    numbers = unit(Draws(1).words(_IDS))
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    for column in numbers.T:
        counts, _ = np.histogram(column, bins=100, range=(0, 1))
        # 99 degrees of freedom: mean 99, standard deviation 14.
        assert 50 < chi_square(counts, len(_IDS) / 100) < 160
        # Small probabilities matter most: what is drawn at 1 in 1,000.
        assert abs((column < 0.001).sum() - 40) < 4 * 40**0.5


def test_asking_and_holding_out_are_independent():
    """Else the held-out set is no uniform sample of what was asked."""
    numbers = unit(Draws(1).words(_IDS))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        counts, _, _ = np.histogram2d(numbers[:, i], numbers[:, j], bins=10, range=[[0, 1]] * 2)
        assert chi_square(counts, len(_IDS) / 100) < 160
        assert abs(np.corrcoef(numbers[:, i], numbers[:, j])[0, 1]) < 4 / len(_IDS) ** 0.5
    # Neighbouring ids have nothing to do with one another either.
    assert abs(np.corrcoef(numbers[1:, 0], numbers[:-1, 0])[0, 1]) < 4 / len(_IDS) ** 0.5


def test_seeds_give_streams_of_their_own():
    one, other = (unit(Draws(seed).words(_IDS))[:, 0] for seed in (1, 2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / len(_IDS) ** 0.5


@given(st.lists(st.text(max_size=10), max_size=10), st.integers(0, 2**63 - 1))
def test_a_draw_belongs_to_its_id(ids, seed):
    """Else the size of a step or the order of events changes who is asked."""
    draws = Draws(seed)
    alone = [draws.words([id_])[0].tolist() for id_ in ids]
    assert draws.words(ids).tolist() == alone
    assert Draws(seed).words(reversed(ids)).tolist() == alone[::-1]
    assert draws.words(ids).shape == (len(ids), 3)


def test_another_process_draws_the_same():
    found = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "7")
    }
    assert len(found) == 1
    words = Draws(3).words(["a", "ü", ""]).tolist()
    assert found == {f"{words} {keyed_unit(3, 'held-out slot', 5, 'x')}\n"}


def test_the_largest_word_is_below_one():
    """A draw of 1.0 would never be asked, however sure the asking is."""
    assert unit(np.array([2**64 - 1], dtype=np.uint64))[0] < 1.0
    assert unit(np.array([0], dtype=np.uint64))[0] == 0.0


def test_keyed_numbers_are_uniform_and_differ_by_every_part():
    numbers = np.array([keyed_unit(5, "slot", i) for i in range(10_000)])
    counts, _ = np.histogram(numbers, bins=50, range=(0, 1))
    assert chi_square(counts, 200) < 49 + 5 * 10
    keys = [(5, "a", 1, 23), (5, "a", 12, 3), (5, "a", 123), (5, "b", 1, 23), (6, "a", 1, 23)]
    assert len({keyed_unit(*key) for key in keys}) == len(keys)
