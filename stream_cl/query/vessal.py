"""VeSSAL: uncertain and unlike what was asked for, by an inverse covariance of gradients.

Source: Saran, Yousefi, Krishnamurthy, Langford and Ash 2023, *Streaming Active Learning with
Deep Neural Networks* (ICML), section 3, algorithm 1. The gradient of the loss in the last layer,
had the predicted class been the label, is

    g(x) = (p − onehot(argmax p)) ⊗ (x, 1)

long where the learner is unsure. VeSSAL takes an event with a probability in proportion to

    utility(x) = gᵀ Σ⁻¹ g,         Σ = λ I + Σ_{taken} g gᵀ

so it prefers directions that were not taken before. Three things are another here:

- The budget owns the rate, and whether an event is asked is decided after its utility. So an
  event enters Σ in proportion to its utility u, weighted by w = min(8, u / mean u): in
  expectation what the paper's draw puts there, up to a factor that is the same for all.
- The stream does not end: Σ ← γ (Σ − λ I) + λ I + w g gᵀ with γ = 1 − 1/window. Σ⁻¹ follows by
  Sherman and Morrison's formula; every 256 events λ I is filled up and the inverse taken anew,
  which also keeps rounding from adding up.
- g is hashed to D numbers as a tensor sketch (Pham and Pagh 2013, *Fast and Scalable Polynomial
  Kernels via Explicit Feature Maps*, section 3): the sketch z of (x, 1) is turned by an offset of
  each class's own and added up, g_b = Σ_c s_c · e_c · z_{(b − o_c) mod D}, which keeps inner
  products of e ⊗ (x, 1) in expectation and costs O(k · D).

Memory: 2 · D² numbers of 8 bytes. Cost per event: O(width + k · D + D²), 0.6 µs for ten
features and 2 classes, 1.3 µs for 128 columns of which 39 are filled and 23 classes.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, Utilities
from stream_cl.core.records import FloatMatrix
from stream_cl.query._arrays import Arrayed
from stream_cl.query._sketch import Sketch

RIDGE: Final = 1.0
"""λ."""
REFRESH_EVENTS: Final = 256
LENGTH_MAX: Final = 1e3
"""Longest sketch of an event: keeps the condition of Σ below 10¹¹."""


class VessalSampling(Arrayed):
    """Gradient embeddings measured by their inverse covariance; the formulas stand above.

    Args:
        width: numbers in an encoded event.
        seed: of the sketch.
        max_classes: most classes that there may ever be.
        window: events after which one counts for a third of what it did.
        dimensions: D, numbers that a gradient is hashed to.
    """

    name = "vessal"

    def __init__(
        self, width: int, seed: int, max_classes: int, window: int = 1000, dimensions: int = 32
    ) -> None:
        assert window >= 2
        self._keep = 1.0 - 1.0 / window
        # One number more for the bias, which the last layer has too.
        self._sketch = Sketch(width + 1, dimensions, seed)
        draws = np.random.default_rng([seed, 1])
        places = draws.permutation(dimensions)
        # The first D classes have an offset each: were two the same, errors of opposite sign,
        # which is all that two classes have, could cancel.
        self._offsets = np.resize(places, max_classes).astype(np.int64)
        self._signs = np.where(draws.random(max_classes) < 0.5, -1.0, 1.0)
        events = {
            "covariance": RIDGE * np.eye(dimensions),
            "inverse": np.eye(dimensions) / RIDGE,
            "mean": np.zeros(1),
            "seen": np.zeros(1, dtype=np.int64),
        }
        super().__init__(events, {})

    def utility(self, asking: Asking) -> Utilities:
        """Event after event; each enters the covariance by its weight."""
        n, k = asking.probabilities.shape
        if k < 2:
            # Nothing is known to be told apart yet, so there is no gradient.
            return Utilities(np.ones(n), self._copied())
        x = np.ones((n, asking.x.shape[1] + 1), dtype=np.float32)
        x[:, :-1] = asking.x
        after, values = self._copied(), np.empty(n)
        _leverage(
            self._sketch(x),
            asking.probabilities,
            self._offsets,
            self._signs,
            self._keep,
            RIDGE,
            LENGTH_MAX,
            REFRESH_EVENTS,
            after["covariance"],
            after["inverse"],
            after["mean"],
            after["seen"],
            values,
        )
        return Utilities(values, after)

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """Nothing to learn: what was likely asked for stands in the covariance."""


@numba.njit(cache=True)
def _invert(matrix: Any, inverse: Any) -> None:
    """The inverse of a positive definite matrix, by Cholesky's factor L: L⁻ᵀ L⁻¹."""
    size = matrix.shape[0]
    factor = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for m in range(j):
                total -= factor[i, m] * factor[j, m]
            if i == j:
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    back = np.zeros((size, size))
    for j in range(size):
        for i in range(j, size):
            total = 1.0 if i == j else 0.0
            for m in range(j, i):
                total -= factor[i, m] * back[m, j]
            back[i, j] = total / factor[i, i]
    inverse[:, :] = 0.0
    for m in range(size):
        for i in range(m + 1):
            for j in range(m + 1):
                inverse[i, j] += back[m, i] * back[m, j]


@numba.njit(cache=True)
def _gradient(z: Any, p: Any, offsets: Any, signs: Any, longest: float, twice: Any, g: Any) -> None:
    """The hashed gradient of an event with the sketch `z [D]` and probabilities `p [k]`."""
    size, square, best = z.shape[0], 0.0, 0
    for b in range(size):
        square += np.float64(z[b]) * np.float64(z[b])
    shrink = longest / np.sqrt(square) if square > longest * longest else 1.0
    for b in range(size):
        # Twice in a row, so that turning it is reading it from another place.
        twice[b] = twice[size + b] = z[b] * shrink
    for c in range(p.shape[0]):
        best = c if p[c] > p[best] else best
    g[:] = 0.0
    for c in range(p.shape[0]):
        error = p[c] - (1.0 if c == best else 0.0)
        if error != 0.0:
            error *= signs[c]
            start = size - offsets[c]
            for b in range(size):
                g[b] += error * twice[start + b]


@numba.njit(cache=True)
def _enter(
    g: Any, turned: Any, value: float, weight: float, keep: float, covariance: Any, inverse: Any
) -> None:
    """Σ ← keep · Σ + weight · g gᵀ, and its inverse; `turned` is Σ⁻¹ g and `value` is gᵀ Σ⁻¹ g."""
    size = g.shape[0]
    step = weight / (keep + weight * value)
    for a in range(size):
        first, second = step * turned[a], weight * g[a]
        for b in range(size):
            inverse[a, b] = (inverse[a, b] - first * turned[b]) / keep
        for b in range(size):
            covariance[a, b] = keep * covariance[a, b] + second * g[b]


@numba.njit(cache=True)
def _leverage(
    z: Any,
    probabilities: Any,
    offsets: Any,
    signs: Any,
    keep: float,
    ridge: float,
    longest: float,
    refresh: int,
    covariance: Any,
    inverse: Any,
    mean: Any,
    seen: Any,
    values: Any,
) -> None:
    size = z.shape[1]
    g, turned, twice = np.empty(size), np.empty(size), np.empty(2 * size)
    for i in range(z.shape[0]):
        _gradient(z[i], probabilities[i], offsets, signs, longest, twice, g)
        turned[:] = 0.0
        for a in range(size):
            for b in range(size):
                turned[b] += g[a] * inverse[a, b]
        value = 0.0
        for b in range(size):
            value += g[b] * turned[b]
        values[i] = value = max(value, 0.0)
        mean[0] = value if seen[0] == 0 else keep * mean[0] + (1.0 - keep) * value
        weight = min(8.0, value / mean[0]) if mean[0] > 0.0 else 0.0
        _enter(g, turned, value, weight, keep, covariance, inverse)
        seen[0] += 1
        if seen[0] % refresh == 0:
            lost = ridge * (1.0 - keep**refresh)
            for b in range(size):
                covariance[b, b] += lost
            _invert(covariance, inverse)
