"""A snapshot tree as one safetensors file; nothing in it runs when it is read.

Arrays are tensors under their path in the tree, a JSON pointer (RFC 6901); everything else is
one JSON document in a tensor named `__plain__` in which each array is replaced by
`{"__array__": path}`. Whole numbers beyond 64 bits are written as `{"__int__": text}`, and a
dict that has one of these words among its keys as `{"__dict__": it}`. Arrays come back in fresh
memory with the memory order they had: some libraries compute other bits for another order.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load, save

from stream_cl.core.errors import CheckpointCorrupt
from stream_cl.core.snapshot import Snapshot

FORMAT: Final = 2
READABLE: Final = (2,)
"""Formats that this version reads: its own and the one before (1 was in no release)."""

_PLAIN: Final = "__plain__"
_WORDS: Final = frozenset({"__array__", "__int__", "__dict__"})


def encode(snapshot: Snapshot) -> bytes:
    """The file's bytes. Raises TypeError for a leaf that a snapshot cannot hold, among them
    arrays of text, dates or structures: safetensors has numbers and booleans only."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    document = orjson.dumps(_flatten(snapshot, "", arrays))
    arrays[_PLAIN] = np.frombuffer(document, dtype=np.uint8)
    try:
        return save(arrays)
    except SafetensorError as error:
        raise TypeError(str(error)) from error


def decode(data: bytes) -> Snapshot:
    """The tree that `encode` wrote.

    Raises:
        CheckpointCorrupt: these are not such bytes.
    """
    try:
        arrays = load(data)
        tree = _build(orjson.loads(arrays[_PLAIN].tobytes()), arrays)
    except (SafetensorError, LookupError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointCorrupt(f"not a checkpoint of format {FORMAT}: {error}") from error
    if not isinstance(tree, dict):
        raise CheckpointCorrupt("not a checkpoint: its document is no object")
    return tree


def _flatten(node: Any, path: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    if isinstance(node, dict):
        flat = {k: _flatten(v, f"{path}/{_escaped(k)}", arrays) for k, v in node.items()}
        return flat if _WORDS.isdisjoint(flat) else {"__dict__": flat}
    if isinstance(node, np.ndarray):
        fortran = node.ndim > 1 and node.flags.f_contiguous and not node.flags.c_contiguous
        # Not ascontiguousarray, which makes a vector of a single number.
        arrays[path] = np.asarray(node.T if fortran else node, order="C")
        return {"__array__": path, "fortran": fortran}
    if isinstance(node, list | tuple):
        if all(type(item) is str for item in node):
            return node  # the common case, long lists of ids, without a call for each
        return [_flatten(item, f"{path}/{i}", arrays) for i, item in enumerate(node)]
    if isinstance(node, int) and not isinstance(node, bool) and not -(2**63) <= node < 2**64:
        return {"__int__": str(node)}
    if isinstance(node, float) and not np.isfinite(node):
        raise TypeError(f"{path}: a number that is not finite must be in an array")
    return node


def _escaped(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a snapshot's keys are text, and {key!r} is none")
    return key.replace("~", "~0").replace("/", "~1")


def _build(node: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    if isinstance(node, dict):
        if "__array__" in node:
            array = np.array(arrays[node["__array__"]], order="C", copy=True)
            return array.T if node["fortran"] else array
        if "__int__" in node:
            return int(node["__int__"])
        inner = dict(node.get("__dict__", node))
        return {key: _build(value, arrays) for key, value in inner.items()}
    if isinstance(node, list):
        return [_build(item, arrays) if type(item) in (dict, list) else item for item in node]
    return node
