"""What state looks like when it is written down, and its two digests.

A snapshot is a tree of dicts and lists whose leaves are plain values or numpy arrays. It
shares no memory with what it was taken from. Its digest has two halves: `discrete` covers
ids, labels, counts and every other thing that must be the same anywhere; `numeric` covers
floating-point values, which may differ in the last bits on another processor.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Snapshot = dict[str, Any]
"""Keys are str; leaves are None, bool, int, float, str, list of leaves, dict or ndarray."""


class Stateful(Protocol):
    """Something whose whole state can be written down and put back."""

    def snapshot(self) -> Snapshot:
        """The state, as a copy."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from. Takes a copy of what it keeps."""
        ...


class Digest(NamedTuple):
    """The two halves, as hexadecimal text."""

    discrete: str
    numeric: str

    def __str__(self) -> str:
        return f"{self.discrete}-{self.numeric}"


def digest(snapshot: Snapshot) -> Digest:
    """Digest of a snapshot tree. Equal trees give equal digests in every process."""
    discrete, numeric = blake2b(digest_size=16), blake2b(digest_size=16)
    _walk(snapshot, discrete, numeric)
    return Digest(discrete.hexdigest(), numeric.hexdigest())


def _walk(node: Any, discrete: blake2b, numeric: blake2b) -> None:
    # Each leaf is preceded by its kind and size, so no two trees give the same bytes. A number
    # in the numeric half leaves its kind in the discrete one, which says where it stands.
    if isinstance(node, dict):
        discrete.update(b"{%d" % len(node))
        for key in sorted(node):
            _leaf(discrete, b"k", key.encode())
            _walk(node[key], discrete, numeric)
    elif isinstance(node, np.ndarray):
        _array(node, discrete, numeric)
    elif isinstance(node, list | tuple):
        discrete.update(b"[%d" % len(node))
        for item in node:
            _walk(item, discrete, numeric)
    elif isinstance(node, float):
        discrete.update(b"f")
        _leaf(numeric, b"f", np.float64(node).tobytes())
    elif isinstance(node, str):
        _leaf(discrete, b"s", node.encode())
    elif node is None or isinstance(node, bool | int):
        _leaf(discrete, b"i", repr(node).encode())
    else:
        raise TypeError(f"a snapshot cannot hold {type(node).__name__}")


def _array(array: npt.NDArray[Any], discrete: blake2b, numeric: blake2b) -> None:
    half = discrete
    if array.dtype.kind == "f":
        discrete.update(b"n")
        half = numeric
    _leaf(half, b"a", f"{array.dtype.str}{array.shape}".encode())
    half.update(np.ascontiguousarray(array).data)


def _leaf(half: blake2b, kind: bytes, body: bytes) -> None:
    half.update(b"%b%d:" % (kind, len(body)))
    half.update(body)


class SetDigest:
    """An incremental digest of a set of items: add and remove in any order.

    The sum modulo 2^128 of the items' hashes (Bellare and Micciancio 1997, AdHash); a store
    keeps it beside its contents, so that its digest costs nothing however full it is.
    """

    __slots__ = ("value",)
    _MODULUS = 1 << 128

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def add(self, *parts: object) -> None:
        self.value = (self.value + _item(parts)) % self._MODULUS

    def remove(self, *parts: object) -> None:
        self.value = (self.value - _item(parts)) % self._MODULUS

    def hex(self) -> str:
        return f"{self.value:032x}"


def _item(parts: tuple[object, ...]) -> int:
    # The representation of a tuple of texts, bytes and numbers tells each from all others.
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=16).digest(), "little")
