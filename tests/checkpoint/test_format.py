"""A state as bytes: it comes back equal, or is refused; nothing in it ever runs."""

from __future__ import annotations

import json
import pickle
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.checkpoint.format import decode, encode
from stream_cl.core.errors import CheckpointCorrupt
from stream_cl.core.snapshot import digest

_DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
_shapes = st.sampled_from([(), (0,), (1,), (7,), (2, 3), (3, 1), (0, 5), (2, 3, 4)])


@st.composite
def _arrays(draw):
    dtype, shape = np.dtype(draw(st.sampled_from(_DTYPES))), draw(_shapes)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype=np.uint8)
    array = (raw % 2).astype("?") if dtype == "?" else raw.view(dtype)
    array = array[: int(np.prod(shape))].reshape(shape).copy()
    layout = draw(st.sampled_from(["C", "F", "part"]))
    if layout == "F":
        return np.asfortranarray(array) if array.ndim else array
    return array[::2] if layout == "part" and array.ndim else array


_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | _arrays()
)
_words = st.sampled_from(["__array__", "__int__", "__dict__", "__plain__", "a/b", "a~1b", "~", ""])
_trees = st.dictionaries(
    st.text(max_size=4) | _words,
    st.recursive(
        _leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=3) | _words, inner, max_size=4)
        ),
        max_leaves=15,
    ),
    max_size=4,
)


def same(first: Any, second: Any) -> bool:
    """Equal to the bit: types, dtypes, shapes and memory order of arrays."""
    if isinstance(first, np.ndarray):
        return (
            isinstance(second, np.ndarray)
            and (first.dtype, first.shape) == (second.dtype, second.shape)
            and first.tobytes() == second.tobytes()
            and (not _fortran(first) or _fortran(second))
        )
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and repr(first) == repr(second)


def _fortran(array: np.ndarray) -> bool:
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)


@settings(max_examples=400, deadline=None)
@given(_trees)
def test_what_is_written_comes_back(tree):
    """Else a restarted pipeline goes on from another state than the one it stopped with."""
    back = decode(encode(tree))
    assert same(tree, back)
    assert digest(back) == digest(tree)


def test_what_comes_back_is_fresh_memory():
    """A learner computes other bits on memory at another alignment, and writes into it."""
    array = np.arange(6.0)
    back = decode(encode({"a": array}))["a"]
    assert back.flags.writeable
    assert back.flags.owndata
    assert back.ctypes.data % array.dtype.alignment == 0


def test_paths_that_look_alike_stay_two():
    """Else one array of a state silently takes another's place."""
    tree = {"a": {"b": np.ones(1)}, "a/b": np.zeros(1), "a~1b": np.full(1, 2.0)}
    assert same(tree, decode(encode(tree)))


@pytest.mark.parametrize(
    "leaf",
    [
        {1, 2},
        object(),
        b"bytes",
        float("nan"),
        float("inf"),
        np.float64("nan"),
        np.array(["text"]),
        np.array([None]),
        np.zeros(2, dtype=[("a", "<i4")]),
        np.zeros(2, dtype="M8[ms]"),
        {1: "a key that is no text"},
    ],
    ids=repr,
)
def test_a_leaf_that_it_cannot_hold_is_a_type_error(leaf):
    """At once, when the checkpoint is written, and not when it is needed."""
    with pytest.raises(TypeError):
        encode({"a": [leaf]})


def _example() -> bytes:
    return encode(
        {
            "ids": ["a", "ü", "c"],
            "x": np.arange(12, dtype=np.float32).reshape(3, 4),
            "y": np.asfortranarray(np.arange(6).reshape(2, 3)),
            "n": 2**70,
            "deep": {"list": [1, 2.5, None, {"b": np.ones(2)}]},
        }
    )


def test_damage_anywhere_is_found_or_harmless_and_never_another_error():
    """3,000 flips and cuts: else a damaged file stops the start with a traceback, where the
    checkpoint before it could be used. (What a flip in a number does is the sha256's to find.)"""
    data, draw = _example(), random.Random(5)
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 8))):
            damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.3:
            del damaged[draw.randrange(len(data)) :]
        try:
            assert isinstance(decode(bytes(damaged)), dict)
        except CheckpointCorrupt:
            continue


def test_flips_in_the_document_are_never_another_error():
    """The same where it hurts most: in the header and the JSON document."""
    data, draw = _example(), random.Random(6)
    places = [i for i, byte in enumerate(data) if 32 <= byte < 127]
    for _ in range(3000):
        damaged = bytearray(data)
        damaged[draw.choice(places)] = draw.choice(b'{}[]",:0123456789_ainF')
        try:
            decode(bytes(damaged))
        except CheckpointCorrupt:
            continue


def _file(tensors: dict[str, bytes]) -> bytes:
    """A safetensors file of uint8 tensors, written by hand."""
    header, body = {}, b""
    for name, data in tensors.items():
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('a checkpoint ran code')",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 8,
        b"\xff" * 8 + b"{}",
        pickle.dumps(_Trap()),
        _file({}),
        _file({"__plain__": pickle.dumps(_Trap())}),
        _file({"__plain__": b"[]"}),
        _file({"__plain__": b"3"}),
        _file({"__plain__": b'{"a":{"__array__":"/nowhere","fortran":false}}'}),
        _file({"__plain__": b'{"a":{"__array__":["/a"],"fortran":false}}'}),
        _file({"__plain__": b'{"a":{"__array__":"/a"}}', "/a": b"12"}),
        _file({"__plain__": b'{"a":{"__int__":"ten"}}'}),
        _file({"__plain__": b'{"a":{"__int__":"' + b"9" * 5000 + b'"}}'}),
        _file({"__plain__": b'{"a":{"__dict__":3}}'}),
        _file({"__plain__": b'{"a":' + b"[" * 1020 + b"]" * 1020 + b"}"}),
        _file({"__plain__": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"}),
    ],
    ids=range(16),
)
def test_a_malicious_file_is_refused_and_runs_nothing(data):
    """Whoever can write to the checkpoint folder must not become the pipeline's user."""
    with pytest.raises(CheckpointCorrupt):
        decode(data)
