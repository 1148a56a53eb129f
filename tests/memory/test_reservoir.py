"""Reservoir: the contract, and that what it keeps is a uniform sample."""

from __future__ import annotations

import doctest

import numpy as np

from stream_cl.memory import reservoir
from stream_cl.memory.reservoir import Reservoir
from stream_cl.testing.memory_contract import MemoryContract, contents, entries


class TestReservoir(MemoryContract):
    def make(self, width=3, capacity=20, seed=1, max_bytes=None) -> Reservoir:
        return Reservoir(width, capacity, seed, max_bytes)


def test_old_and_new_events_are_kept_as_often():
    """A biased memory rehearses one part of the past and forgets the others."""
    n, capacity, rounds = 60, 15, 3000
    kept = np.zeros(n)
    x, y = entries(n)
    for seed in range(rounds):
        memory = Reservoir(3, capacity, seed)
        memory.add(x, y)
        kept[list(contents(memory))] += 1
    mean = rounds * capacity / n
    # Binomial with p = 1/4: standard deviation 24; five of them.
    assert np.abs(kept - mean).max() < 5 * np.sqrt(mean * (1 - capacity / n))


def test_examples_in_the_docstring_hold():
    result = doctest.testmod(reservoir)
    assert result.attempted > 0
    assert result.failed == 0
