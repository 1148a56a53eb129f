"""What the compiled learners share: the compiler's settings and one look at a batch.

Kernels are compiled when their module is imported, for fixed types, and kept in numba's
cache, so that a later start only loads them. They run without `fastmath` and `parallel`:
the order of every sum is the one written down, so bits depend neither on the batch size nor
on the number of threads. A kernel calls no kernel of another file, because numba's cache
notices changes of its own file only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.errors import LearnerFailed
from stream_cl.core.records import FloatMatrix

P = ParamSpec("P")
R = TypeVar("R")

PRODUCT_MAX: Final = 1e150
"""Largest weight × |feature| that is learned: its square still is a finite number."""


def compiled(signature: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile a function now, for the types of `signature`; keep the result if that works.

    It divides as numpy does: a check of each divisor would keep loops from using vectors.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kernel: Any
        try:
            kernel = numba.njit(signature, cache=True, error_model="numpy")(function)
        except (OSError, RuntimeError):
            # No folder for the cache can be written, or the disk is full.
            kernel = numba.njit(signature, error_model="numpy")(function)
        result: Callable[P, R] = kernel
        return result

    return decorate


@compiled("int64(float32[:,::1], int64[::1], float64[::1])")
def _survey(x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]) -> int:
    largest = -1
    for i in range(len(y)):
        if y[i] < 0 or weight[i] <= 0.0:
            return -2
        largest = max(largest, y[i])
        for j in range(x.shape[1]):
            # Written so that NaN fails it too.
            if not abs(np.float64(x[i, j])) * weight[i] <= PRODUCT_MAX:
                return -1
        if not weight[i] <= PRODUCT_MAX:
            return -1
    return largest + 1


def classes_in(
    x: FloatMatrix,
    y: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    width: int,
    max_classes: int,
) -> int:
    """One more than the largest class of a batch that may be learned; 0 for an empty one.

    Raises:
        LearnerFailed: a feature or a weight is not finite, or beyond what may be learned.
    """
    assert x.shape == (len(y), width), f"x is {x.shape}, expected {(len(y), width)}"
    assert len(weight) == len(y)
    classes = _survey(x, y, weight)
    if classes == -1:
        raise LearnerFailed(
            "a feature or weight of the batch is NaN, infinite or larger than "
            f"{PRODUCT_MAX:.0e} when multiplied: nothing of the batch was learned"
        )
    assert classes >= 0, "classes are whole numbers from 0, weights are larger than 0"
    assert classes <= max_classes, f"class {classes - 1}, but max_classes is {max_classes}"
    return classes


def as_rows(x: FloatMatrix) -> FloatMatrix:
    """`x` as the kernels take it: float32, rows in one piece, aligned. Mostly no copy."""
    if x.flags.carray and x.dtype == np.float32:
        return x
    return np.array(x, dtype=np.float32, order="C")


def as_column(values: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """One value per event as the kernels take it. Mostly no copy."""
    if values.flags.carray and values.dtype == dtype:
        return values
    return np.array(values, dtype=dtype, order="C")
