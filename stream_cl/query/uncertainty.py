"""Uncertainty sampling: ask where the learner is least sure.

Source: Settles 2009, *Active Learning Literature Survey*, section 3.1. For class
probabilities p sorted so that p1 ≥ p2 ≥ …:

    least_confidence   1 − p1
    margin             1 − (p1 − p2)
    entropy            −Σ p log p / log k
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, Utilities
from stream_cl.core.records import Probabilities
from stream_cl.query._stateless import Stateless

Measure = Literal["least_confidence", "margin", "entropy"]
MEASURES: Final[tuple[Measure, ...]] = ("least_confidence", "margin", "entropy")


class UncertaintySampling(Stateless):
    """Utility in [0, 1]; 1 while fewer than two classes are known. No state.

    Costs O(k) per event.

    Args:
        measure: one of `MEASURES`.
        spread: how far questions are to be spread out, see `core.protocols.Utilities`; 0: not.
    """

    name = "uncertainty"

    def __init__(self, measure: Measure = "margin", spread: float = 0.2) -> None:
        assert spread >= 0
        self.measure: Measure = measure
        self.spread = spread

    def utility(self, asking: Asking) -> Utilities:
        """From the probabilities alone."""
        values = uncertainty(asking.probabilities, self.measure)
        return Utilities(values, spread=self.spread)


def uncertainty(probabilities: Probabilities, measure: Measure) -> npt.NDArray[np.float64]:
    """The measure for each row of `probabilities [n, k]`, as `float64 [n]` in [0, 1]."""
    n, k = probabilities.shape
    if k < 2:
        # Nothing is known to be told apart yet: every label teaches as much as a label can.
        return np.ones(n, dtype=np.float64)
    result = np.empty(n, dtype=np.float64)
    if measure == "margin":
        _margins(probabilities, result)
        return result
    if measure == "entropy":
        safe = np.where(probabilities > 0, probabilities, 1.0)
        result = -(probabilities * np.log(safe)).sum(axis=1) / np.log(k)
    else:
        result = 1.0 - probabilities.max(axis=1)
    # np.clip would take four times as long where there is one event.
    clipped: npt.NDArray[np.float64] = np.minimum(np.maximum(result, 0.0), 1.0)
    return clipped


@numba.njit(cache=True)
def _margins(probabilities: Any, out: Any) -> None:
    """One pass, where a partition sorts each row for its two largest."""
    for i in range(probabilities.shape[0]):
        first, second = -np.inf, -np.inf
        for c in range(probabilities.shape[1]):
            p = probabilities[i, c]
            if p > first:
                first, second = p, first
            elif p > second:
                second = p
        out[i] = min(max(1.0 - (first - second), 0.0), 1.0)
