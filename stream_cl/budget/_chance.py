"""With which probability the event that comes next is to be asked, from the state of the loop.

Which rule it is the settings say; the rules themselves are in `budget._rules`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from stream_cl.budget import _rules, _state
from stream_cl.budget._fresh import not_before
from stream_cl.budget._rules import (
    PACED,
    POWER,
    QUANTILE,
    THRESHOLD,
    below,
    choice,
    eased,
    moved,
    paced,
    power,
    quantile,
    rank_weight,
    threshold,
)
from stream_cl.budget._state import Count, Level


@numba.njit(cache=True, inline="always")
def target_now(settings: Any, counts: Any, levels: Any) -> float:
    """b: the share of the events to ask about, of the event that comes next.

    By time it is money per millisecond times milliseconds per event. The gap between events
    is estimated from the logical times before this one; where more events have come at this
    time than it lets expect, they count at once, each with its share of the time. Before any gap
    is known, as where a stream's whole past comes at once, what is spent ahead of time is held
    within a few times what may be saved up.
    """
    price = levels[Level.PRICE] * settings.answers
    if settings.per_event > 0.0:
        return float(min(1.0, settings.per_event / price))
    if counts[Count.OBSERVED] == 0:
        ahead = levels[Level.GRANTED] / (settings.deficit_max * price)
        return float(settings.start * math.exp(-ahead))
    gap = levels[Level.GAP_MS]
    if levels[Level.ELAPSED_MS] > 0.0:
        arrived = counts[Count.ARRIVED] + 1.0
        kept = (1.0 - 1.0 / levels[Level.MEMORY]) ** arrived
        gap = min(gap, kept * gap + (1.0 - kept) * levels[Level.ELAPSED_MS] / arrived)
    return float(min(1.0, settings.per_ms * gap / price))


@numba.njit(inline="always")
def ranks(value: float, ring: Any, seen: int) -> tuple[float, float]:
    """The interval of the ranks that an event of this utility shares with its equals."""
    filled = min(seen, ring.shape[0])
    lower, equal = 0, 1
    for j in range(filled):
        lower += ring[j] < value
        equal += ring[j] == value
    return lower / (filled + 1), (lower + equal) / (filled + 1)


@numba.njit(inline="always")
def behind_now(settings: Any, levels: Any) -> float:
    """The deficit in horizons."""
    questions = levels[Level.DEFICIT] / (levels[Level.PRICE] * settings.answers)
    return float(questions / settings.horizon)


@numba.njit(cache=True, inline="always")
def eased_now(settings: Any, levels: Any) -> float:
    """The share of the floor, and of the draw for held-out, that is kept."""
    return float(eased(behind_now(settings, levels))) if settings.rule == PACED else 1.0


@numba.njit(inline="always")
def _weighed(settings: Any, levels: Any, lo: float, hi: float, window: int) -> float:
    """The weight of an event by its rank, over the mean of those before it.

    While utilities rise each event ranks first; without the mean the feedback alone would
    hold the spend, and stand many labels off for as long as they rise. The mean is never taken
    for less than 1: while they fall it would be near 0, and all would be asked at the turn. Up to
    `slack` it is let be, for a stretch of events that are all worth more may well have more labels.
    """
    weight = rank_weight(lo, hi, settings.power)
    mean = levels[Level.WEIGHT]
    levels[Level.WEIGHT] = max(1.0, mean + (weight - mean) / window)
    return float(weight / max(1.0, mean / settings.slack))


@numba.njit(inline="always")
def wanted(
    settings: Any, levels: Any, window: int, value: float, lo: float, hi: float, target: float
) -> float:
    """What the rule says, within [f, 1]; what it remembers moves on."""
    floor = target * settings.floor
    behind = behind_now(settings, levels)
    feedback = target * behind
    if settings.rule == POWER:
        p = power(_weighed(settings, levels, lo, hi, window), target, floor, feedback)
    elif settings.rule == PACED:
        p = paced(_weighed(settings, levels, lo, hi, window), target, floor, behind)
        floor *= eased(behind)
    elif settings.rule == QUANTILE:
        p = quantile(lo, hi, target, floor, feedback)
    else:
        certainty = 1.0 - (lo + hi) / 2.0 if settings.by_rank else 1.0 - min(1.0, max(0.0, value))
        chosen = below(certainty, levels[Level.THRESHOLD], settings.delta)
        p = threshold(chosen, target, floor, feedback, -behind)
        p = settings.split * target + (1.0 - settings.split) * min(1.0, p)
        levels[Level.THRESHOLD] = moved(
            levels[Level.THRESHOLD], chosen, target, floor, settings.step
        )
    return float(min(1.0, max(floor, p)))


@numba.njit(inline="always")
def line(settings: Any, levels: Any, level: float, target: float, ring: Any, seen: int) -> float:
    """The utility above which the rule asks by choice; not a number where there is no such line.

    level: the threshold on certainty as the event met it; ring: the utilities before the event.
    """
    filled = min(seen, ring.shape[0])
    if settings.rule == QUANTILE:
        feedback = target * behind_now(settings, levels)
        place = math.ceil((1.0 - choice(target, target * settings.floor, feedback)) * (filled + 1))
    elif settings.rule == THRESHOLD and settings.delta == 0.0:
        if not settings.by_rank:
            return 1.0 - level
        place = math.floor((1.0 - level) * (filled + 1) - 0.5) + 1
    else:
        return math.nan
    if place < 1 or place > filled:
        return math.nan
    return float(np.partition(ring[:filled], place - 1)[place - 1])


not_before(eased_now, _rules, _state)
