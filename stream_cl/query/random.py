"""The control: every event is as useful as any other.

A budget that is fair to ties then asks each event with the same probability, so this is
plain random sampling at the same spend.
"""

from __future__ import annotations

import numpy as np

from stream_cl.core.protocols import Asking, Utilities
from stream_cl.query._stateless import Stateless


class RandomSampling(Stateless):
    """Utility 1 for every event, so that a strategy around it has something to work on. No state,
    no cost."""

    name = "random"

    def utility(self, asking: Asking) -> Utilities:
        """Ones."""
        return Utilities(np.ones(len(asking.x), dtype=np.float64))
