"""What budgets that spend by time share: tokens, and how many events there are to spend them on.

Only logical time is read, so the spend is a function of the log. Let g be the milliseconds
between two events that may be asked, and r the money per millisecond of (working) time. Then

    b       = min(1, r g / price)              the target of the next event
    deficit = r · elapsed − spent              in money, at most `burst` labels of it

where an event is granted b · price at once, and the difference to what the time since the
events before it was worth is settled as soon as the next logical time is known. What is spent
in any stretch of time is r · its length, less what the deficit grew in it; the feedback holds
the deficit, so it holds that.

g follows the stream: with n events since the last settled time and `elapsed` between the two
times, g ← k g + (1 − k) elapsed / n, k = (1 − 1 / m)ⁿ, m = max(32, 1 / 2 b) events. A pause is
taken for no more than 10 g per event. Errors of g move the deficit by a part of a label only,
because the feedback corrects them.

Asking is a self-correcting process (Isham and Westcott 1979, *A self-correcting point process*,
Stochastic Processes and their Applications 8(3)): its rate grows exponentially with what is owed.
With w the weight by rank of `budget.fraction`, H the horizon and d = deficit / H, at most 3,

    p = f k max(1, eᵈ) + (b − f) w eᵈ + b max(0, eᵈ − 1),    k = eᵈᐟ² below d = 0, at least 0.05

The draw for held-out is b k as well. Were the floor left as it is, chance alone would spend five
labels too much now and then, which is more than 5 % of 60 an hour. What it costs is wider
intervals: just after a question p is small, and 1 / p of the few that are asked then is large.
H is as long as 5 % of an hour's labels allow, a seventh of them, and within [0.4, 3] labels; from
400 labels an hour on it is as in the other budgets.
"""

from __future__ import annotations

from typing import Final, Unpack

from stream_cl.budget._chance import target_now
from stream_cl.budget._ranked import HORIZON, RankedBudget, Shared
from stream_cl.budget._state import Count, Level, Settings, State
from stream_cl.budget.hours import WorkingHours

HOUR_MS: Final = 3_600_000.0
EVENTS_MIN: Final = 32.0
"""Events over which the gap between them is averaged at the least."""
OUTLIER: Final = 10.0
"""Gaps that a single gap counts as at the most."""
HORIZON_LEAST: Final = 0.4
"""The shortest horizon, in labels: with a shorter one few labels have most of the weight."""
WITHIN: Final = 0.05
"""Of an hour's labels: what the spend of any hour may be off."""


def horizon(labels_per_hour: float, burst: float) -> float:
    """Labels of deficit that make the probability e times as large."""
    return min(HORIZON, max(HORIZON_LEAST, min(WITHIN * labels_per_hour, burst) / 7.0))


class TimedBudget(RankedBudget):
    """Takes the logical time of a step into the state.

    Args:
        settings: with `per_ms`, or with `per_event` where time is not looked at.
        hours: when tokens come in and events are asked; None for always.
    """

    def __init__(
        self, settings: Settings, hours: WorkingHours | None, **shared: Unpack[Shared]
    ) -> None:
        super().__init__(settings, **shared)
        self._hours = hours

    def _advance(self, state: State, time_ms: int) -> bool:
        counts = state.counts
        last_ms = int(counts[Count.LAST_MS])
        if last_ms < 0:
            counts[Count.LAST_MS] = time_ms
        elif time_ms > last_ms:
            counts[Count.LAST_MS] = time_ms
            elapsed_ms = time_ms - last_ms
            if self._hours is not None:
                elapsed_ms = self._hours.open_ms(last_ms, time_ms)
            if elapsed_ms > 0:
                self._settle(state, elapsed_ms)
        return self._hours is not None and not self._hours.is_open(time_ms)

    def _settle(self, state: State, elapsed_ms: int) -> None:
        """A new logical time, so many working milliseconds after the one before it."""
        counts, levels = state.counts, state.levels
        arrived, before_ms = int(counts[Count.ARRIVED]), float(levels[Level.ELAPSED_MS])
        if arrived == 0:
            levels[Level.ELAPSED_MS] = before_ms + elapsed_ms
            return
        if self._settings.per_ms > 0:
            if before_ms > 0:
                self._observe(state, before_ms / arrived, arrived)
            price = float(levels[Level.PRICE]) * self._settings.answers
            earned = self._settings.per_ms * before_ms - float(levels[Level.GRANTED])
            most = self._settings.deficit_max * price
            levels[Level.DEFICIT] = min(float(levels[Level.DEFICIT]) + earned, most)
        levels[Level.ELAPSED_MS] = elapsed_ms
        levels[Level.GRANTED] = 0.0
        counts[Count.ARRIVED] = 0

    def _observe(self, state: State, gap_ms: float, arrived: int) -> None:
        """Take the gap between the latest events into the estimate."""
        counts, levels = state.counts, state.levels
        observed, memory = int(counts[Count.OBSERVED]), float(levels[Level.MEMORY])
        kept = (1.0 - 1.0 / memory) ** arrived
        if observed < memory:
            kept = min(kept, observed / (observed + arrived))
        known_ms = float(levels[Level.GAP_MS])
        if observed >= EVENTS_MIN:
            gap_ms = min(gap_ms, OUTLIER * known_ms)
        levels[Level.GAP_MS] = kept * known_ms + (1.0 - kept) * gap_ms
        counts[Count.OBSERVED] = observed + arrived
        counts[Count.ARRIVED] = 0
        levels[Level.ELAPSED_MS] = 0.0
        target = float(target_now(self._settings, counts, levels))
        levels[Level.MEMORY] = max(EVENTS_MIN, 0.5 / max(target, 1e-12))
