"""The digest of a state: what recovery trusts to tell one state from another."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.snapshot import SetDigest, digest

_PROGRAM = """
import numpy as np
from stream_cl.core.snapshot import SetDigest, digest
tree = {"b": {"ids": ["ü", "x"], "n": 2**70}, "a": [1.5, None, np.arange(6.0).reshape(2, 3)],
        "names": {name: len(name) for name in {"one", "three", "fifteen"}}}
items = SetDigest()
for name in {"one", "three", "fifteen"}:
    items.add(name, 1)
print(digest(tree), items.hex())
"""

_arrays = st.builds(
    lambda kind, shape, fill: np.full(shape, fill, dtype=kind),
    st.sampled_from(["f4", "f8", "i8", "u1", "?"]),
    st.sampled_from([(), (0,), (3,), (2, 3), (3, 2), (0, 4)]),
    st.integers(0, 1),
)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | _arrays
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def plain(tree: Any) -> Any:
    """Something that is equal exactly where two trees are."""
    if isinstance(tree, dict):
        return ("dict", tuple(sorted((key, plain(value)) for key, value in tree.items())))
    if isinstance(tree, list):
        return ("list", tuple(plain(item) for item in tree))
    if isinstance(tree, np.ndarray):
        return ("array", tree.dtype.str, tree.shape, tree.tobytes())
    return (type(tree).__name__, repr(tree))


def test_equal_states_have_equal_digests_in_every_process():
    """Else a restart on the same machine stops with a mismatch that is none."""
    found = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "2024")
    }
    assert len(found) == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(_trees, min_size=2, max_size=2))
def test_other_trees_have_other_digests(trees):
    """Else a state that went another way is taken for the one it should be."""
    first, second = ({"state": tree} for tree in trees)
    assert (digest(first) == digest(second)) == (plain(first) == plain(second))


@settings(max_examples=100, deadline=None)
@given(st.lists(_leaves, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_a_list_counts(leaves, random):
    """A number and a word that change places are another state."""
    shuffled = list(leaves)
    random.shuffle(shuffled)
    same = plain(leaves) == plain(shuffled)
    assert (digest({"a": leaves}) == digest({"a": shuffled})) == same


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": [1, 2]}, {"a": [[1], 2]}),
        ({"a": [[1], 2]}, {"a": [[1, 2]]}),
        ({"a": [], "b": [1]}, {"a": [1], "b": []}),
        ({"a": {"b": 1}}, {"a": {"b": {}}}),
        ({"a": {"b": 1}}, {"ab": 1}),
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": 1, "c": 2}}),
        ({"a": "1"}, {"a": 1}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": None}, {"a": "None"}),
        ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
        ({"a": ["i1:1"]}, {"a": [1]}),
        ({"a": [1.0, None]}, {"a": [None, 1.0]}),
        ({"a": [1.0, [2.0]]}, {"a": [[1.0], 2.0]}),
        ({"a": [np.ones(1), "x"]}, {"a": ["x", np.ones(1)]}),
        ({"a": np.ones((2, 3))}, {"a": np.ones((3, 2))}),
        ({"a": np.ones(3, dtype="f4")}, {"a": np.ones(3)}),
        ({"a": np.array(1.0)}, {"a": 1.0}),
        ({"a": np.zeros(2)}, {"a": -np.zeros(2)}),
    ],
)
def test_trees_that_look_alike_are_told_apart(first, second):
    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    ("leaf", "other", "half"),
    [
        (1, 2, "discrete"),
        ("a", "b", "discrete"),
        (None, False, "discrete"),
        (np.array([1, 2]), np.array([1, 3]), "discrete"),
        (np.array([True]), np.array([False]), "discrete"),
        (0.1, np.nextafter(0.1, 1), "numeric"),
        (np.array([0.1]), np.array([np.nextafter(0.1, 1)]), "numeric"),
        (np.ones(2, dtype="f4"), np.zeros(2, dtype="f4"), "numeric"),
    ],
)
def test_a_changed_leaf_changes_its_own_half_only(leaf, other, half):
    """Else another processor's last bits would stop a replay, or other labels would not."""
    first = digest({"x": {"y": [1, leaf, 0.5]}})
    second = digest({"x": {"y": [1, other, 0.5]}})
    assert (first.discrete != second.discrete) == (half == "discrete")
    assert (first.numeric != second.numeric) == (half == "numeric")


def test_memory_order_is_not_part_of_the_state():
    """A restored array may lie otherwise in memory and is the same state."""
    array = np.arange(12.0).reshape(3, 4)
    assert digest({"a": array}) == digest({"a": np.asfortranarray(array)})
    assert digest({"a": array[:, ::2]}) == digest({"a": array[:, ::2].copy()})


def test_a_leaf_that_no_snapshot_can_hold_is_an_error():
    with pytest.raises(TypeError, match="set"):
        digest({"a": {1, 2}})


_items = st.lists(st.tuples(st.text(max_size=3), st.integers() | st.none()), unique=True)


@given(_items, _items, st.randoms(use_true_random=False))
def test_a_set_digest_depends_on_the_contents_only(kept, gone, random):
    """Else a store that was restored has another digest than the one that grew."""
    direct, grown = SetDigest(), SetDigest()
    for item in kept:
        direct.add(*item)
    both = [(item, True) for item in gone] + [(item, False) for item in kept]
    random.shuffle(both)
    for item, _ in both:
        grown.add(*item)
    for item, leaves in both:
        if leaves:
            grown.remove(*item)
    assert grown.hex() == direct.hex()
    assert SetDigest(direct.value).hex() == direct.hex()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a", 1), ("a", "1")),
        (("x", None, "", 0), ("x", "None", "", 0)),
        (("a",), ("a", "")),
    ],
)
def test_items_that_look_alike_are_told_apart(first, second):
    """An expired question and one that was answered `None` are two things."""
    one, two = SetDigest(), SetDigest()
    one.add(*first)
    two.add(*second)
    assert one.hex() != two.hex()
