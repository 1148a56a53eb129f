"""A fixed fraction of the events, spent the more the higher the utility ranks.

With the rank interval [lo, hi], b, f and deficit of `budget._ranked`:

    chosen = (b − f) · mean of 5 r⁴ over r in [lo, hi] = (b − f) · (hi⁵ − lo⁵) / (hi − lo)
    p      = f + chosen + b · deficit / HORIZON

The mean of 5 r⁴ over all ranks is 1, so the rule spends b whatever the utilities are, and the
mean over a tie makes it exact for a strategy that cannot tell events apart, which is then
plain random sampling. The feedback is additive, an idea of the balanced incremental quantile
filter (Kottke, Krempl and Spiliopoulou 2015, section 3).
"""

from __future__ import annotations

from typing import Unpack

from stream_cl.budget._loop import Settings
from stream_cl.budget._ranked import DEFICIT_MAX, HORIZON, RankedBudget, Shared
from stream_cl.budget._rules import POWER


class FractionBudget(RankedBudget):
    """Smooth: p grows with the fourth power of the rank.

    Args:
        fraction: b, in (0, 1].
    """

    def __init__(self, fraction: float, **shared: Unpack[Shared]) -> None:
        assert 0 < fraction <= 1
        settings = Settings(POWER, fraction, horizon=HORIZON, deficit_max=DEFICIT_MAX)
        super().__init__(settings, **shared)
