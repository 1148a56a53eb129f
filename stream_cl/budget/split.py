"""A share of the stream asked at random, the rest by variable uncertainty, its spend held.

Source: Žliobaitė, Bifet, Pfahringer and Holmes 2014, Algorithm 4; the rule as it is here, and
what differs, is in `budget._threshold`. An event is in the random part with probability ν, where
it is asked with probability b; which part it is in is not drawn on its own:

    p = ν b + (1 − ν) (f + (1 − f) [c < θ] gate + b · max(0, deficit) / H)

There the random part also looks for change; here a detector does that, where one is set.
"""

from __future__ import annotations

from typing import Unpack

from stream_cl.budget._ranked import RankedBudget, Shared
from stream_cl.budget._threshold import Scale, settings


class SplitBudget(RankedBudget):
    """Sharp in one part of the stream, uniform in the other.

    Args:
        fraction: b, in (0, 1].
        share: ν, the part of the stream asked at random, in [0, 1].
        step: s, how fast the threshold moves, in (0, 1).
        scale: "utility" for utilities in [0, 1], "rank" for any other.
    """

    def __init__(
        self,
        fraction: float,
        share: float = 0.2,
        step: float = 0.01,
        scale: Scale = "utility",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(settings(fraction, step, scale, split=share), **shared)
