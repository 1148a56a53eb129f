"""Accuracy with a 95 % interval: of all events, and of all events from the asked ones.

Naive: Wilson 1927, *Probable inference, the law of succession*, for m labels of which c
were right.

Unbiased: the Hájek estimator (Hájek 1971) over the asked and answered events, with weight
w = 1 / propensity, and pseudo-observations after Agresti and Coull 1998, because the delta
method and the bootstrap cover too little at the small weighted samples that asking leaves:

    mean      μ = (Σ w·l + 2a) / (Σ w + 4a),    a = max(1, Σ w²(1 − p) / Σ w)
    variance  V = (Σ w²(1 − p)(l − μ)² + 2a²(1 − μ)² + 2a²μ²) / (Σ w + 4a)²

with l = 1 where the prediction was right. Each of the four pseudo-labels (two right, two
wrong) weighs as much as a typical observation does; the interval is μ ± z·√V.

The weight a has a floor of 1, the weight of one observation that stands for itself alone.
Without it nothing would be uncertain while all propensities are 1 (the cold start): three
events that were all wrong would give [0, 0], where with it they give [0, 0.59]. Where asking
has begun a is near the usual 1 / p, so the floor changes nothing; where every event is
labelled the interval shrinks as 1 / n, not 1 / √n, as it should: nothing is left to estimate.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Z95: Final = 1.959963984540054


class Estimate(NamedTuple):
    """A fraction and its 95 % interval, all in [0, 1]."""

    value: float
    low: float
    high: float


def wilson(right: float, total: float) -> Estimate | None:
    """The naive interval; None when there is nothing to count."""
    if total <= 0:
        return None
    z2 = Z95 * Z95
    mean = right / total
    centre = (mean + z2 / (2 * total)) / (1 + z2 / total)
    half = Z95 * math.sqrt(mean * (1 - mean) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return Estimate(mean, max(0.0, centre - half), min(1.0, centre + half))


class Moments(NamedTuple):
    """What an interval is made of: centre, variance of the weighted total, its weight."""

    mean: float
    variance: float
    total: float


N_SUMS: Final = 7


def terms(
    right: npt.NDArray[np.bool_], propensity: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """`float64 [n, N_SUMS]`: what each of n answers adds to `WeightedSums.sums`.

    right: `bool [n]`, whether the prediction was right. propensity: `float64 [n]`, > 0.
    """
    weight, found = 1.0 / propensity, np.empty((len(right), N_SUMS))
    spread = weight * weight * (1.0 - propensity)
    found[:, 0], found[:, 1] = weight, weight * right
    found[:, 2], found[:, 3] = spread, spread * right
    found[:, 4], found[:, 5] = 1.0, right
    found[:, 6] = weight * weight
    return found


class WeightedSums:
    """The sums that the unbiased estimate needs; they add up over any parts of a stream.

    Answers are added one after another, so the sums are the same to the bit however the
    answers were batched.
    """

    __slots__ = ("sums",)

    def __init__(self, sums: npt.NDArray[np.float64] | None = None) -> None:
        # Σw, Σw·l, Σw²(1 − p), Σw²(1 − p)·l, labels, labels that were right, Σw²
        self.sums = np.zeros(N_SUMS) if sums is None else sums.copy()

    def add(self, right: npt.NDArray[np.bool_], propensity: npt.NDArray[np.float64]) -> None:
        """Add answered events: whether each prediction was right, its propensity > 0."""
        # A sum over an axis may pair its terms; what accumulates goes from one to the next.
        self.sums = np.add.accumulate(np.vstack([self.sums, terms(right, propensity)]))[-1].copy()

    @property
    def effective(self) -> float:
        """Kish 1965, section 8.2: (Σw)² / Σw², labels of equal weight that are worth as much."""
        return float(self.sums[0] ** 2 / self.sums[6]) if self.sums[6] else 0.0

    def naive(self) -> Estimate | None:
        """Accuracy on the asked events, as if they had been drawn uniformly."""
        return wilson(float(self.sums[5]), float(self.sums[4]))

    def unbiased(self) -> Estimate | None:
        """Accuracy on all events that could have been asked; None without a label."""
        moments = self.moments()
        if moments is None:
            return None
        return self.around(moments, Z95 * math.sqrt(moments.variance) / moments.total)

    def moments(self) -> Moments | None:
        """μ, V · (Σ w + 4a)² and Σ w + 4a of the formula above; None without a label."""
        weight, weighted_right, spread, spread_right = (float(s) for s in self.sums[:4])
        if weight <= 0:
            return None
        a = max(1.0, spread / weight)
        total = weight + 4 * a
        mean = (weighted_right + 2 * a) / total
        squares = spread_right * (1 - mean) ** 2 + (spread - spread_right) * mean**2
        pseudo = 2 * a * a * ((1 - mean) ** 2 + mean**2)
        return Moments(mean, squares + pseudo, total)

    def around(self, moments: Moments, half: float) -> Estimate:
        """The weighted share of right answers, within `half` of the centre of `moments`."""
        value = min(1.0, float(self.sums[1] / self.sums[0]))  # their last bits may differ
        # One answer alone has its interval end just short of its own value.
        low, high = moments.mean - half, moments.mean + half
        return Estimate(value, max(0.0, min(value, low)), min(1.0, max(value, high)))
