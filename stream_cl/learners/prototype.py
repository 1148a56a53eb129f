"""Nearest class mean: every class is its running mean, an event belongs to the closest one.

Sources: Mensink, Verbeek, Perronnin and Csurka 2013, *Distance-Based Image Classification:
Generalizing to New Classes at Near-Zero Cost* (NCM with a learned metric; here the metric is
the running within-class variance of each feature); Rebuffi, Kolesnikov, Sperl and Lampert
2017, *iCaRL*, section 2.1 (classes that appear one after another). For an event (x, y, w):

    n_y ← forget · n_y + w
    μ_y ← μ_y + w / n_y · e,               e = x − μ_y before the update
    S_j ← forget · S_j + w · e_j · (x_j − μ_yj),    N ← forget · N + w

The last line is left out for the first event of a class, whose distance to itself says
nothing. With v_j = (S_j + 1) / (N + 1), variance 1 as long as nothing is known:

    p_c ∝ exp( −½ · Σ_j (x_j − μ_cj)² / v_j / √width )

√width in place of 1, which would hold if features were independent, gave the best
calibrated probabilities on eight real streams. Classes have equal priors, so a class that
has just appeared is predicted like any other; one that was never learned has probability 0.

Memory: 8 · (width + 2) · max_classes + 8 · width bytes at most. Cost: O(width) per event for
learning, O(width · k) for predicting.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.learners._compiled import as_column, as_rows, classes_in, compiled

_Matrix = npt.NDArray[np.float64]
_Vector = npt.NDArray[np.float64]


@compiled(
    "void(float32[:,::1], float64[:,::1], float64[::1], float64[::1], float64, float64[:,::1])"
)
def _predict(
    x: FloatMatrix, means: _Matrix, counts: _Vector, spread: _Vector, total: float, out: _Matrix
) -> None:
    width, classes = x.shape[1], out.shape[1]
    scale = np.empty(width)
    for j in range(width):
        scale[j] = -0.5 / np.sqrt(np.float64(width)) * (total + 1.0) / (spread[j] + 1.0)
    for i in range(x.shape[0]):
        row = out[i]
        for c in range(classes):
            row[c] = 0.0
        for j in range(width):
            value = np.float64(x[i, j])
            for c in range(classes):
                away = value - means[j, c]
                row[c] += scale[j] * away * away
        largest = -np.inf
        for c in range(classes):
            if counts[c] > 0.0 and row[c] > largest:
                largest = row[c]
        norm = 0.0
        for c in range(classes):
            row[c] = np.exp(row[c] - largest) if counts[c] > 0.0 else 0.0
            norm += row[c]
        for c in range(classes):
            row[c] /= norm


@compiled(
    "float64(float32[:,::1], int64[::1], float64[::1], float64[:,::1], float64[::1],"
    " float64[::1], float64, float64)"
)
def _learn(
    x: FloatMatrix,
    y: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    means: _Matrix,
    counts: _Vector,
    spread: _Vector,
    total: float,
    forget: float,
) -> float:
    for i in range(x.shape[0]):
        c = y[i]
        known = counts[c] > 0.0
        counts[c] = forget * counts[c] + weight[i]
        share = weight[i] / counts[c]
        if known:
            total = forget * total + weight[i]
        for j in range(x.shape[1]):
            value = np.float64(x[i, j])
            away = value - means[j, c]
            if known:
                means[j, c] += share * away
                spread[j] = forget * spread[j] + weight[i] * away * (value - means[j, c])
            else:
                means[j, c] = value
    return total


class Prototype:
    """Running class means under a running diagonal metric; the formulas stand above.

    Args:
        width: numbers in an encoded event.
        seed: not needed; every learner takes one.
        max_classes: most classes that it may ever be given.
        forget: how much of a mean's count stays with every event of its class, so its window
            is 1 / (1 − forget) events; 1 gives plain means, which forget nothing.

    >>> import numpy as np
    >>> learner = Prototype(width=1, seed=0, max_classes=2)
    >>> x = np.array([[-1.0], [1.0]], dtype=np.float32)
    >>> learner.learn(x, np.array([0, 1]), np.ones(2))
    >>> learner.predict(x).argmax(axis=1).tolist()
    [0, 1]
    """

    def __init__(self, width: int, seed: int, max_classes: int, forget: float = 0.99) -> None:
        assert width >= 1
        assert max_classes >= 1
        assert 0.0 < forget <= 1.0
        self._width = width
        self._max_classes = max_classes
        self._forget = float(forget)
        self._classes = 0
        self._total = 0.0
        self._spread: _Vector = np.zeros(width)
        self._allocate(0)

    def _allocate(self, classes: int) -> None:
        self._means: _Matrix = np.zeros((self._width, classes))
        self._counts: _Vector = np.zeros(classes)

    @property
    def n_classes(self) -> int:
        """One more than the largest class ever learned; 0 before the first label."""
        return self._classes

    @property
    def memory_bytes_max(self) -> int:
        """What its arrays never exceed."""
        return 8 * (self._width + 2) * self._max_classes + 8 * self._width

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]` of `x [n, width]`. Pure."""
        assert x.shape[1] == self._width
        out = np.empty((len(x), self._classes))
        if self._classes:
            _predict(as_rows(x), self._means, self._counts, self._spread, self._total, out)
        return out

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Learn `x [n, width]`, `y [n]`, `weight [n]` (larger than 0) event after event.

        Raises:
            LearnerFailed: an input is not finite; nothing of the batch was learned.
        """
        x, y, weight = as_rows(x), as_column(y, np.int64), as_column(weight, np.float64)
        classes = classes_in(x, y, weight, self._width, self._max_classes)
        if classes > len(self._counts):
            self._grow(min(max(classes, 2 * len(self._counts)), self._max_classes))
        self._classes = max(self._classes, classes)
        self._total = _learn(
            x, y, weight, self._means, self._counts, self._spread, self._total, self._forget
        )

    def _grow(self, capacity: int) -> None:
        means, counts, k = self._means, self._counts, self._classes
        self._allocate(capacity)
        self._means[:, :k], self._counts[:k] = means[:, :k], counts[:k]

    def snapshot(self) -> Snapshot:
        """Means `[width, k]`, their weights `[k]`, and the within-class spread `[width]`."""
        k = self._classes
        return {
            "means": self._means[:, :k].copy(),
            "counts": self._counts[:k].copy(),
            "spread": self._spread.copy(),
            "total": self._total,
        }

    def fingerprint(self) -> Snapshot:
        """What goes into a digest of the state: the snapshot itself."""
        return self.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        assert snapshot["means"].shape[0] == self._width, "a snapshot of another width"
        self._classes = len(snapshot["counts"])
        assert self._classes <= self._max_classes
        self._allocate(self._classes)
        self._means[:], self._counts[:] = snapshot["means"], snapshot["counts"]
        self._spread[:] = snapshot["spread"]
        self._total = float(snapshot["total"])
