"""Reading pickles of river models without running what somebody else put there.

A pickle names functions to call and classes to build. This reader looks up a name only if it
stands in the lists below, and refuses every other one before anything of it is called.
Two rules keep the lists closed:

- From river come classes that are defined in one of the listed packages, named without a dot,
  so that no attribute of a module or a class can be reached through them.
- `builtins.getattr`, by which pickle writes a bound method, is replaced by a function that
  gives out the methods in `_METHODS` and nothing else. What `functools.partial` and
  `copy.deepcopy` can be given to call has therefore come through these lists too.

What it protects against is a file that was put in place of a checkpoint. It does not bound
the memory that a hostile file can make the process take.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Callable
from typing import Any, Final

from stream_cl.core.errors import CheckpointCorrupt

_PLAIN: Final = {
    ("builtins", "bool"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("builtins", "dict"),
    ("builtins", "float"),
    ("builtins", "frozenset"),
    ("builtins", "int"),
    ("builtins", "list"),
    ("builtins", "set"),
    ("builtins", "slice"),
    ("builtins", "str"),
    ("builtins", "tuple"),
    ("collections", "Counter"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "deque"),
    ("copy", "deepcopy"),
    ("functools", "partial"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.random._mt19937", "MT19937"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("random", "Random"),
}
"""Plain data, numpy arrays and random generators: calling these builds a value."""

_PACKAGES: Final = frozenset(
    {
        "_river_rust",
        "base",
        "drift",
        "dummy",
        "ensemble",
        "facto",
        "forest",
        "imblearn",
        "linear_model",
        "metrics",
        "multiclass",
        "naive_bayes",
        "neighbors",
        "optim",
        "proba",
        "stats",
        "tree",
        "utils",
    }
)
"""Packages of river whose classes may be built."""

_FUNCTIONS: Final = {
    ("river._river_rust.vectordict", "euclidean_distance_tuple"),
    ("river.naive_bayes.gaussian", "GaussianNB._make_gaussian"),
}
"""Functions of river that models keep a reference to."""

_METHODS: Final = {
    ("river.ensemble.bagging", "_leveraging_bag"),
    ("river.ensemble.bagging", "_leveraging_bag_me"),
    ("river.ensemble.bagging", "_leveraging_bag_half"),
    ("river.ensemble.bagging", "_leveraging_bag_wt"),
    ("river.ensemble.bagging", "_leveraging_subag"),
    ("river.linear_model.pa", "_calc_tau_0"),
    ("river.linear_model.pa", "_calc_tau_1"),
    ("river.linear_model.pa", "_calc_tau_2"),
    ("river.multiclass.occ", "_next_code"),
}
"""(module of the class, method): the bound methods that models keep a reference to."""


def loads(data: bytes, origin: str) -> Any:
    """The object that was pickled in `data`; `origin` says in a message where it came from.

    Raises:
        CheckpointCorrupt: the bytes are no pickle, or name something that is not listed.
    """
    try:
        return _Reader(io.BytesIO(data), origin).load()
    except (CheckpointCorrupt, MemoryError):
        raise
    except Exception as error:
        # A damaged pickle can raise nearly anything out of the classes that it builds.
        raise CheckpointCorrupt(f"{origin}: not a readable pickle ({error!r})") from error


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, origin: str) -> None:
        super().__init__(file)
        self._origin = origin

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return self._method
        if (module, name) in _PLAIN or (module, name) in _FUNCTIONS:
            return super().find_class(module, name)
        package = module.split(".")[1] if module.startswith("river.") else ""
        if package in _PACKAGES and "." not in name:
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__module__.startswith("river."):
                return found
        raise self._refused(f"{module}.{name}")

    def _method(self, owner: Any, name: str) -> Callable[..., Any]:
        known = {(cls.__module__, name) for cls in type(owner).__mro__}
        if not known & _METHODS:
            raise self._refused(f"{type(owner).__qualname__}.{name}")
        method: Callable[..., Any] = getattr(owner, name)
        return method

    def _refused(self, name: str) -> CheckpointCorrupt:
        return CheckpointCorrupt(
            f"{self._origin}: the pickle names {name!r}, which no offered model needs; "
            "nothing was run: restore a checkpoint that this program wrote"
        )
