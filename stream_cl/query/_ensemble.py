"""A small committee of logistic regressions that saw other samples of the same labels.

Online bagging (Oza and Russell 2001, *Online Bagging and Boosting*, section 2): every member
learns every labelled event w times, w drawn from Poisson(1), which is what a bootstrap sample
gives it in the limit. Here an event with w > 0 is learned once with weight w. A member is
multinomial logistic regression by AdaGrad that forgets (Duchi, Hazan and Singer 2011, section
1.3), with the update rule of the default learner:

    g ← w · (p_c − [c = y]) · x_j        G ← forget · G + (1 − forget) · epsilon + g²
    W_jc ← W_jc − rate / √m · g / √G     m: inputs that are not zero, one more for the bias

All start at zero, so before the first label they agree.

Memory: 16 · members · (width + 1) · classes bytes, classes rounded up to a power of two. Cost:
O(members · m · k) per event.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.query._arrays import generator_words, set_generator

RATE: Final = 1.5
EPSILON: Final = 0.1
FORGET: Final = 0.999
VALUE_MAX: Final = 1e9
"""Larger numbers are cut to it, so that their squares stay finite."""
_POISSON: Final = np.cumsum(np.exp(-1.0) / np.array([1, 1, 2, 6, 24, 120, 720, 5040.0]))
"""P(w ≤ 0), …, P(w ≤ 7) for Poisson(1); more than 8 is never drawn."""


class Ensemble:
    """Members that predict together and learn apart.

    Args:
        width: numbers in an encoded event.
        seed: of the draws of who learns what.
        max_classes: most classes that there may ever be.
        members: logistic regressions.
    """

    def __init__(self, width: int, seed: int, max_classes: int, members: int) -> None:
        assert members >= 2
        self._width, self._max_classes, self._members = width, max_classes, members
        self._bits = np.random.PCG64(seed)
        self._draws = np.random.Generator(self._bits)
        self._allocate(0)

    def _allocate(self, classes: int) -> None:
        shape = (self._width + 1, self._members, classes)
        self._weights: npt.NDArray[np.float64] = np.zeros(shape)
        self._squares: npt.NDArray[np.float64] = np.full(shape, EPSILON)
        self._learned: npt.NDArray[np.bool_] = np.zeros(classes, dtype=np.bool_)

    def probabilities(self, x: FloatMatrix, k: int) -> npt.NDArray[np.float64]:
        """`float64 [members, n, k]` of the first k classes; those never learned have none."""
        out = np.zeros((self._members, len(x), k))
        known = min(k, len(self._learned))
        if self._learned[:known].any():
            _predict(_rows(x), self._weights, self._learned, known, out)
        elif k:
            out[:] = 1.0 / k
        return out

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """Learn `x [n, width]`, `y [n]` event after event."""
        if not len(y):
            return
        draws = self._draws.random((len(y), self._members))
        weight = np.searchsorted(_POISSON, draws, side="right").astype(np.float64)
        classes = int(y.max()) + 1
        assert classes <= self._max_classes
        if classes > len(self._learned):
            self._grow(min(1 << (classes - 1).bit_length(), self._max_classes))
        _learn(
            _rows(x), np.ascontiguousarray(y, dtype=np.int64), weight,
            self._weights, self._squares, self._learned, RATE, EPSILON, FORGET,
        )  # fmt: skip

    def _grow(self, classes: int) -> None:
        weights, squares, learned = self._weights, self._squares, self._learned
        self._allocate(classes)
        k = len(learned)
        self._weights[:, :, :k], self._squares[:, :, :k] = weights, squares
        self._learned[:k] = learned

    def snapshot(self) -> Snapshot:
        """Weights and sums of squares `[width + 1, members, classes]`, and the generator."""
        return {
            "weights": self._weights.copy(),
            "squares": self._squares.copy(),
            "learned": self._learned.copy(),
            "generator": generator_words(self._bits),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        shape = snapshot["weights"].shape
        assert shape[:2] == (self._width + 1, self._members), f"a snapshot of {shape}"
        self._allocate(shape[2])
        self._weights[...], self._squares[...] = snapshot["weights"], snapshot["squares"]
        self._learned[:] = snapshot["learned"]
        set_generator(self._bits, snapshot["generator"])


def _rows(x: FloatMatrix) -> FloatMatrix:
    cut = np.minimum(np.maximum(x, np.float32(-VALUE_MAX)), np.float32(VALUE_MAX))
    return np.ascontiguousarray(cut, dtype=np.float32)


@numba.njit(cache=True)
def _softmax(row: Any, learned: Any) -> None:
    """Turn logits into probabilities; classes that were never learned get 0."""
    largest = -np.inf
    for c in range(row.shape[0]):
        if learned[c] and row[c] > largest:
            largest = row[c]
    total = 0.0
    for c in range(row.shape[0]):
        row[c] = np.exp(row[c] - largest) if learned[c] else 0.0
        total += row[c]
    for c in range(row.shape[0]):
        row[c] /= total


@numba.njit(cache=True)
def _logits(x: Any, weights: Any, out: Any) -> int:
    """Logits `[members, classes]` of one event; returns the inputs that are not zero."""
    width, members, classes = x.shape[0], out.shape[0], out.shape[1]
    inputs = 1
    for e in range(members):
        for c in range(classes):
            out[e, c] = weights[width, e, c]
    for j in range(width):
        value = np.float64(x[j])
        if value != 0.0:
            inputs += 1
            for e in range(members):
                for c in range(classes):
                    out[e, c] += value * weights[j, e, c]
    return inputs


@numba.njit(cache=True)
def _predict(x: Any, weights: Any, learned: Any, known: int, out: Any) -> None:
    members = weights.shape[1]
    row = np.empty((members, known))
    for i in range(x.shape[0]):
        _logits(x[i], weights, row)
        for e in range(members):
            _softmax(row[e], learned)
            for c in range(known):
                out[e, i, c] = row[e, c]


@numba.njit(cache=True)
def _learn(
    x: Any,
    y: Any,
    weight: Any,
    weights: Any,
    squares: Any,
    learned: Any,
    rate: float,
    epsilon: float,
    forget: float,
) -> None:
    width, (_, members, classes) = x.shape[1], weights.shape
    error = np.empty((members, classes))
    refill = (1.0 - forget) * epsilon
    for i in range(x.shape[0]):
        learned[y[i]] = True
        inputs = _logits(x[i], weights, error)
        for e in range(members):
            _softmax(error[e], learned)
            error[e, y[i]] -= 1.0
            for c in range(classes):
                error[e, c] *= weight[i, e]
        step = rate / np.sqrt(np.float64(inputs))
        for j in range(width + 1):
            value = np.float64(x[i, j]) if j < width else 1.0
            if value != 0.0:
                for e in range(members):
                    if weight[i, e] > 0.0:
                        for c in range(classes):
                            g = error[e, c] * value
                            square = forget * squares[j, e, c] + refill + g * g
                            squares[j, e, c] = square
                            weights[j, e, c] -= step * g / np.sqrt(square)
