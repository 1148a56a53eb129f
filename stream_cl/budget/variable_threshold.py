"""Variable uncertainty, its spend held: a threshold that follows the uncertainty.

Source: Žliobaitė, Bifet, Pfahringer and Holmes 2014, Algorithm 2; the rule as it is here, and
what differs, is in `budget._threshold`, with η = 1:

    p = f + (1 − f) [c < θ] gate + b · max(0, deficit) / H
"""

from __future__ import annotations

from typing import Unpack

from stream_cl.budget._ranked import RankedBudget, Shared
from stream_cl.budget._threshold import Scale, settings


class VariableThreshold(RankedBudget):
    """Sharp, and on the scale of the utility: when all events are certain it asks few by choice.

    Args:
        fraction: b, in (0, 1].
        step: s, how fast the threshold moves, in (0, 1).
        scale: "utility" for utilities in [0, 1], "rank" for any other.
    """

    def __init__(
        self,
        fraction: float,
        step: float = 0.01,
        scale: Scale = "utility",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(settings(fraction, step, scale), **shared)
