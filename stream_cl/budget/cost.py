"""So much money an hour, or per 1,000 events, where each annotator has a price.

What a label costs is known when its answer comes: the answer's own `cost`, else the price of
the annotator who gave it, else the price that all others have. Until then it is expected to
cost the mean of the latest answers,

    price ← price + (cost − price) / min(n + 1, 15)         after answer n
    deficit = granted − paid − charged                      in money

with `charged` what the questions that are open were charged with, each the price expected when
it was asked. An answer takes the mean of it out and pays its cost instead, so each question is
corrected by its own answer. Were all that is open valued anew with each change of the price, the
noise of that price would count as often as questions are open. The target b is money per event
over the price; by events the rule is that of `budget.fraction`, by time that of `budget._timed`.

A question that nobody answered gives its expected price back a little at a time, as any
refund. An answer that comes after that is not charged here. What one answer says it cost counts
as 100 expected prices at the most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Unpack

from stream_cl.budget._ranked import DEFICIT_MAX, HORIZON, Shared
from stream_cl.budget._rules import PACED, POWER
from stream_cl.budget._state import Count, Level, Settings
from stream_cl.budget._timed import HOUR_MS, TimedBudget, horizon
from stream_cl.budget.hours import WorkingHours
from stream_cl.core.protocols import Bill

ANSWERS: Final = 15
"""Answers over which the price is averaged."""
CHEAPEST: Final = 1e-3
"""Of the first price: what a label is expected to cost at the least. Were it nothing, every
event would be asked."""
DEAREST: Final = 100.0
"""Expected prices that one answer counts as at the most: a slip of units, or a hostile record,
would otherwise use up the money of years, and no answer would ever come to correct the price."""


class CostBudget(TimedBudget):
    """Spends money where it teaches most.

    Args:
        amount: money for an hour of working time or for 1,000 events, above 0.
        per: which of the two.
        price: of an annotator that `prices` does not name, above 0; what the first labels are
            expected to cost.
        prices: annotator → price of an answer.
        burst: labels' worth of money that may be saved up, at least 1.
        hours: working hours, for `per` hour; None for always.
    """

    def __init__(
        self,
        amount: float,
        per: Literal["hour", "1000_events"] = "hour",
        price: float = 0.1,
        prices: Mapping[str, float] | None = None,
        burst: float = 10.0,
        hours: WorkingHours | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        assert amount > 0
        assert price > 0
        assert burst >= 1
        by_time = per == "hour"
        settings = Settings(
            PACED if by_time else POWER,
            per_event=0.0 if by_time else amount / 1000,
            per_ms=amount / HOUR_MS if by_time else 0.0,
            horizon=horizon(amount / price, burst) if by_time else HORIZON,
            deficit_max=burst if by_time else min(burst, DEFICIT_MAX),
        )
        super().__init__(settings, hours, **shared)
        self._prices = dict(prices or {})
        self._price = price
        self._state.levels[Level.PRICE] = price

    def charge(self, bills: Sequence[Bill]) -> None:
        """Correct what the questions were charged with by what their answers cost."""
        counts, levels = self._state.counts, self._state.levels
        for bill in bills:
            stated = self._prices.get(bill.annotator, self._price)
            old, answers = float(levels[Level.PRICE]), int(counts[Count.ANSWERED])
            cost = stated if bill.cost is None else max(0.0, min(bill.cost, DEAREST * old))
            new = old + (cost - old) / min(answers + 2, ANSWERS)
            levels[Level.DEFICIT] += self._close(int(bill.closes)) - cost
            levels[Level.PAID] += cost
            levels[Level.PRICE] = max(CHEAPEST * self._price, new)
            counts[Count.ANSWERED] = answers + 1
