"""So many labels an hour, as people can answer them.

Tokens come in with logical time, `rate_per_hour` of them in an hour of working time, at most
`burst` are saved up, and each label takes one. How many of the events that makes is estimated
from the stream. Which of them are asked is decided by rank, as in `budget.fraction`, and by what is
owed; the formulas are in `budget._timed`.

Outside the working hours nothing is asked: p = 0 with the reason `closed`, and those events
leave what the figures speak of. They could be asked with a floor of their own only with
tokens that the day would lack, and nobody would answer before the morning.
"""

from __future__ import annotations

from typing import Unpack

from stream_cl.budget._ranked import Shared
from stream_cl.budget._rules import PACED
from stream_cl.budget._state import Settings
from stream_cl.budget._timed import HOUR_MS, TimedBudget, horizon
from stream_cl.budget.hours import WorkingHours


class PerTimeBudget(TimedBudget):
    """Smooth in the rank, steady in time.

    Args:
        rate_per_hour: labels in an hour of working time, above 0.
        burst: labels that may be saved up while there are no events, at least 1.
        hours: working hours; None for always.
    """

    def __init__(
        self,
        rate_per_hour: float,
        burst: float = 10.0,
        hours: WorkingHours | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        assert rate_per_hour > 0
        assert burst >= 1
        settings = Settings(
            PACED,
            per_ms=rate_per_hour / HOUR_MS,
            horizon=horizon(rate_per_hour, burst),
            deficit_max=burst,
        )
        super().__init__(settings, hours, **shared)
