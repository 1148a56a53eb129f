"""Balanced incremental quantile filter: ask what lies above a quantile of the latest utilities.

Source: Kottke, Krempl and Spiliopoulou 2015, *Probabilistic Active Learning in Datastreams*,
section 3. With the rank interval [lo, hi], b, f and deficit of `budget._ranked`:

    c = (b − f) / (1 − f) + b · deficit / HORIZON,    kept in [0, 1]
    s = share of [lo, hi] that lies above 1 − c
    p = f + (1 − f) · s + b · max(0, deficit / HORIZON − 1)

An event above the (1 − c)-quantile is asked for certain, any other with the floor. What is
not as in the paper, and why: the floor, because without p > 0 no figure from the asked labels
is sound; the balance moves the rank and not the utility, because a shift in units of utility
does nothing where utilities are equal and too much where they are skewed; a tie that straddles
the quantile is asked with the share of it that lies above; the last term, because while
utilities fall no event lies above any quantile and nothing would be spent. It begins at a whole
horizon of deficit, since the quantile catches up with less by itself, and what is asked for by the
last term is not chosen (decision 0032). While utilities fall the deficit stands at 2 − f / b
horizons, while they rise near −(1 − f / b): 7.2 labels apart at the default floor.
"""

from __future__ import annotations

from typing import Unpack

from stream_cl.budget._ranked import DEFICIT_MAX, HORIZON, RankedBudget, Shared
from stream_cl.budget._rules import QUANTILE
from stream_cl.budget._state import Settings


class QuantileBudget(RankedBudget):
    """Sharp: certain above the quantile, the floor below it.

    Args:
        fraction: b, in (0, 1].
    """

    def __init__(self, fraction: float, **shared: Unpack[Shared]) -> None:
        assert 0 < fraction <= 1
        settings = Settings(QUANTILE, fraction, horizon=HORIZON, deficit_max=DEFICIT_MAX)
        super().__init__(settings, **shared)
