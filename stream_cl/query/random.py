"""The control: every event is as useful as any other.

A budget that is fair to ties then asks each event with the same probability, so this is
plain random sampling at the same spend.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix, Probabilities


class RandomSampling:
    """Utility 0 for every event. No state, no cost."""

    name = "random"

    def utility(self, x: FloatMatrix, probabilities: Probabilities) -> npt.NDArray[np.float64]:
        """`float64 [n]` of zeros."""
        return np.zeros(len(x), dtype=np.float64)
