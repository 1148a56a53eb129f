"""A fixed fraction of the events, spent the more the higher the utility ranks.

With the rank interval [lo, hi], b, f and deficit of `budget._ranked`:

    weight = mean of 9 r⁸ over r in [lo, hi] = (hi⁹ − lo⁹) / (hi − lo)
    p      = f + (b − f) · weight / max(1, w / SLACK) + b · deficit / HORIZON

with w the mean weight of the events before. The mean of 9 r⁸ over all ranks is 1, so the rule
spends b whatever the utilities are, and the mean over a tie makes it exact for a strategy that
cannot tell events apart, which is then plain random sampling. While utilities rise for long each
event ranks first: w, over the latest `window` events (exponential, about), takes that back, what is
more than SLACK of it. The exponent was 4 before; see decision 0022. The feedback is additive, an
idea of the balanced incremental quantile filter (Kottke, Krempl and Spiliopoulou 2015, section 3).
"""

from __future__ import annotations

from typing import Final, Unpack

from stream_cl.budget._ranked import DEFICIT_MAX, RankedBudget, Shared
from stream_cl.budget._rules import POWER
from stream_cl.budget._state import Settings

POWER_OF_RANK: Final = 8
SLACK: Final = 1.5
"""Mean weight up to which a stretch of higher utilities is let be: half as many labels again."""
HORIZON: Final = 2.0
"""Shorter than with other rules: where utilities turn from falling to rising the deficit moves by
up to 9 (1 − floor share) · HORIZON labels. Any 5,000 events stay within 14 labels of their target
in simulations; 3 would give 18."""


class FractionBudget(RankedBudget):
    """Smooth: p grows with the eighth power of the rank.

    Args:
        fraction: b, in (0, 1].
    """

    def __init__(self, fraction: float, **shared: Unpack[Shared]) -> None:
        assert 0 < fraction <= 1
        settings = Settings(
            POWER,
            fraction,
            horizon=HORIZON,
            deficit_max=DEFICIT_MAX,
            power=POWER_OF_RANK,
            slack=SLACK,
        )
        super().__init__(settings, **shared)
