"""Probabilistic active learning: how many more events would be predicted rightly after a label.

Sources: Kottke, Krempl, Lang, Teschner and Spiliopoulou 2016, *Multi-Class Probabilistic Active
Learning* (McPAL), sections 3 and 4; for streams Kottke, Krempl and Spiliopoulou 2015,
*Probabilistic Active Learning in Datastreams*. Around an event x let k_c be how many labels of
class c were seen, each counted by a kernel of its distance. What the true class probabilities
there are is known as Dirichlet(α), α_c = k_c + prior. With A = Σ α and ŷ = argmax α, m further
labels are expected to raise the probability of a right prediction by

    G_1 = Σ_{i≠ŷ} α_i (1 + α_i − α_ŷ)₊ / (A (A+1))
    G_2 = [ Σ_{i≠ŷ} α_i (α_i+1) (2 + α_i − α_ŷ)₊
            + Σ_{i<j, ≠ŷ} 2 α_i α_j (1 + max(α_i, α_j) − α_ŷ)₊ ] / (A (A+1) (A+2))

which is the paper's expectation over the 1 or 2 labels and over Dirichlet(α), with the outcomes
left out after which ŷ stays the best. The utility is per label, weighted by the density d(x):
the mean kernel over a window of the latest events.

    utility(x) = d(x) · max(G_1, G_2 / 2)

`frequencies: kernel` is the paper's k. `learner` takes the number of labels around x from the
kernel and their shares from the learner, k = (Σ kernel) · p(x): what is taught is the learner,
and its boundary is not the kernel's.

The kernel is (1 − t/8)₊⁸ with t = ‖x − w‖²/2h², a Gaussian to within 0.04 that needs no
exponential. The papers choose its bandwidth for each data set; a stream of unknown features needs
one that finds itself, or in many dimensions no label is near anything and every event alike. So h²
follows, by a few per cent an event, until the mean kernel over the window is `reach` (stochastic
approximation: Robbins and Monro 1951): at 0.05 an event has the weight of 5 neighbours in 100.

Distances are those between sketches (`_sketch.py`). Memory: 2 · dimensions · window numbers of 4
bytes. Cost per event: O(dimensions · window + k log k), 0.6 µs for ten
features and 2 classes, 1.3 µs for 128 columns and 23 classes.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, Utilities
from stream_cl.core.records import FloatMatrix
from stream_cl.query._arrays import Arrayed, Arrays
from stream_cl.query._sketch import Sketch

Frequencies = Literal["kernel", "learner"]

PACE: Final = 0.02
"""How fast log h² moves, per event and in shares of `reach`; at most five times as fast."""


class ProbabilisticSampling(Arrayed):
    """McPAL with two labels to look ahead; the formulas stand above.

    Utility in [0, 1].

    Args:
        width: numbers in an encoded event.
        seed: of the sketch.
        max_classes: most classes that there may ever be.
        frequencies: where the class shares around an event come from.
        prior: what each class counts for before any label.
        reach: mean kernel between an event and the window, in (0, 1).
        window: events, and as many labelled events, remembered.
        dimensions: numbers that an event is remembered by.
    """

    name = "probabilistic"

    def __init__(
        self,
        width: int,
        seed: int,
        max_classes: int,
        frequencies: Frequencies = "learner",
        prior: float = 1.0,
        reach: float = 0.05,
        window: int = 100,
        dimensions: int = 32,
    ) -> None:
        assert window >= 1
        assert prior > 0.0
        assert 0.0 < reach < 1.0
        self.frequencies: Frequencies = frequencies
        self._prior, self._reach = float(prior), float(reach)
        self._max_classes = max_classes
        self._sketch = Sketch(width, min(width, dimensions), seed)
        shape = (self._sketch.dimensions, window)
        events: Arrays = {
            "points": np.zeros(shape, dtype=np.float32),
            "seen": np.zeros(1, dtype=np.int64),
            "scale": np.zeros(1),
        }
        labels: Arrays = {
            "labelled": np.zeros(shape, dtype=np.float32),
            "classes": np.zeros(window, dtype=np.int64),
            "learned": np.zeros(1, dtype=np.int64),
        }
        super().__init__(events, labels)

    def utility(self, asking: Asking) -> Utilities:
        """Event after event; each joins the window of events seen."""
        after, known = self._copied(), self._labels
        values = np.empty(len(asking.x))
        _gains(
            self._sketch(asking.x),
            asking.probabilities,
            self.frequencies == "learner",
            self._prior,
            self._reach,
            PACE,
            after["points"],
            after["seen"],
            after["scale"],
            known["labelled"],
            known["classes"],
            known["learned"][0],
            values,
        )
        return Utilities(values, after)

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """The latest labelled events replace the oldest ones."""
        known = self._labels
        size = len(known["classes"])
        for row, c in zip(self._sketch(x), y.tolist(), strict=True):
            slot = int(known["learned"][0]) % size
            known["labelled"][:, slot] = row
            known["classes"][slot] = c
            known["learned"][0] += 1


@numba.njit(cache=True)
def _gain(alpha: Any) -> float:
    """max(G_1, G_2 / 2) for one row; `alpha` is sorted, the largest last."""
    k = alpha.shape[0]
    if k < 2:
        # Nothing is known to be told apart yet: every label teaches as much as a label can.
        return 1.0
    top, total, below = alpha[k - 1], 0.0, 0.0
    one, two = 0.0, 0.0
    for i in range(k):
        total += alpha[i]
    for i in range(k - 1):
        a = alpha[i]
        if 2.0 + a > top:
            two += a * (a + 1.0) * (2.0 + a - top)
        if 1.0 + a > top:
            one += a * (1.0 + a - top)
            # Of a pair the larger decides, and the others up to it are those before it.
            two += 2.0 * a * below * (1.0 + a - top)
        below += a
    one /= total * (total + 1.0)
    two /= total * (total + 1.0) * (total + 2.0)
    return max(one, two / 2.0)


@numba.njit(cache=True)
def _kernel(square: Any, narrow: Any) -> Any:
    """(1 − square · narrow)₊⁸ in float32."""
    base = max(np.float32(1.0) - square * narrow, np.float32(0.0))
    base *= base
    base *= base
    return base * base


@numba.njit(cache=True)
def _gains(
    z: Any,
    probabilities: Any,
    by_learner: bool,
    prior: float,
    reach: float,
    pace: float,
    points: Any,
    seen: Any,
    scale: Any,
    labelled: Any,
    classes: Any,
    learned: int,
    values: Any,
) -> None:
    dimensions, size = points.shape
    k = probabilities.shape[1]
    away, near = np.empty(size, dtype=np.float32), np.empty(size, dtype=np.float32)
    alpha = np.empty(k)
    for i in range(z.shape[0]):
        away[:] = 0
        near[:] = 0
        for j in range(dimensions):
            value = z[i, j]
            for w in range(size):
                apart = value - points[j, w]
                away[w] += apart * apart
            for w in range(size):
                apart = value - labelled[j, w]
                near[w] += apart * apart
        filled = min(seen[0], size)
        if filled and scale[0] == 0.0:
            scale[0] = np.float64(away[:filled].max())
        # 1 / (8 · 2h²)
        narrow = np.float32(1.0 / (16.0 * scale[0])) if scale[0] > 0.0 else np.float32(0.0)

        density = 0.0
        for w in range(filled):
            density += _kernel(away[w], narrow)
        density = density / filled if filled else 1.0
        if filled:
            moved = scale[0] * np.exp(max(pace * (reach - density) / reach, -5.0 * pace))
            scale[0] = min(max(moved, 1e-18), 1e30) if scale[0] > 0.0 else 0.0

        alpha[:] = prior
        labels = 0.0
        for w in range(min(learned, size)):
            kernel = _kernel(near[w], narrow)
            labels += kernel
            if not by_learner and classes[w] < k:
                alpha[classes[w]] += kernel
        if by_learner:
            for c in range(k):
                alpha[c] += labels * probabilities[i, c]
        alpha.sort()
        values[i] = density * _gain(alpha)

        slot = seen[0] % size
        points[:, slot] = z[i]
        seen[0] += 1
