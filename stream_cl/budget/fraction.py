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

from stream_cl.budget._ranked import POWER, RankedBudget


class FractionBudget(RankedBudget):
    """Smooth: p grows with the fourth power of the rank."""

    rule = POWER
