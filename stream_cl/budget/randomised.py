"""Variable uncertainty with a randomised threshold, its spend held.

Source: Žliobaitė, Bifet, Pfahringer and Holmes 2014, Algorithm 3; the rule as it is here, and
what differs, is in `budget._threshold`. The threshold is multiplied by η, drawn for each event
from the normal distribution N(1, δ²), so that certain events are asked too, only less often:

    a = P(c < θ η) = 1 − Φ((c / θ − 1) / δ)
    p = f + (1 − f) a · gate + b · max(0, deficit) / H
"""

from __future__ import annotations

from typing import Unpack

from stream_cl.budget._ranked import RankedBudget, Shared
from stream_cl.budget._threshold import Scale, settings


class RandomisedThreshold(RankedBudget):
    """Smooth: p falls with the certainty, and reaches 0 above the floor nowhere.

    Args:
        fraction: b, in (0, 1].
        delta: δ, the standard deviation of η, above 0.
        step: s, how fast the threshold moves, in (0, 1).
        scale: "utility" for utilities in [0, 1], "rank" for any other.
    """

    def __init__(
        self,
        fraction: float,
        delta: float = 1.0,
        step: float = 0.01,
        scale: Scale = "utility",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(settings(fraction, step, scale, delta=delta), **shared)
