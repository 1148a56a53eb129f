"""Class-balanced memory: the contract, the shares of classes, and their fairness in time."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.memory import class_balanced
from stream_cl.memory.class_balanced import ClassBalanced
from stream_cl.testing.memory_contract import MemoryContract, contents, entries


class TestClassBalanced(MemoryContract):
    def make(self, width=3, capacity=20, seed=1, max_bytes=None) -> ClassBalanced:
        return ClassBalanced(width, capacity, seed, max_bytes)


def held(memory: ClassBalanced, classes: int) -> list[int]:
    return np.bincount(memory.sample(len(memory))[1], minlength=classes).tolist()


@pytest.mark.parametrize("order", ["shuffled", "ascending", "descending"])
def test_a_rare_class_keeps_all_its_events_and_the_others_share_the_rest(order):
    """Otherwise the learner forgets the fraud among the payments."""
    y = np.repeat(np.arange(4), [10_000, 3_000, 300, 7])
    if order == "shuffled":
        y = np.random.default_rng(0).permutation(y)
    elif order == "descending":
        y = y[::-1].copy()
    memory = ClassBalanced(1, 100, seed=0)
    memory.add(np.zeros((len(y), 1), dtype=np.float32), y)
    assert held(memory, 4) == [31, 31, 31, 7]


def test_a_full_class_keeps_a_uniform_sample_of_its_events():
    """A biased memory rehearses one part of the past and forgets the others."""
    n, rounds = 60, 3000
    x, _ = entries(n)
    kept = np.zeros(n)
    for seed in range(rounds):
        memory = ClassBalanced(3, 15, seed)
        memory.add(x, np.zeros(n, dtype=np.int64))
        kept[list(contents(memory))] += 1
    mean = rounds * 15 / n
    assert np.abs(kept - mean).max() < 5 * np.sqrt(mean * (1 - 15 / n))


@given(st.lists(st.integers(0, 30), max_size=150), st.integers(1, 8))
def test_any_order_of_classes_is_taken(classes, capacity):
    """More classes than room, classes that return: nothing may stop the stream."""
    memory = ClassBalanced(1, capacity, seed=0)
    memory.add(np.zeros((len(classes), 1), dtype=np.float32), np.array(classes, dtype=np.int64))
    assert len(memory) == min(capacity, len(classes))
    assert memory.bytes_used <= memory.bytes_max


def test_examples_in_the_docstring_hold():
    result = doctest.testmod(class_balanced)
    assert result.attempted > 0
    assert result.failed == 0
