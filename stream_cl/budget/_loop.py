"""The compiled loop of the budgets that ask: one event's turn after another.

One loop, because each decision depends on what was asked before it. What it calls is inlined, and
takes arrays rather than the state: with calls, counting the references to each array took a third
of the time.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np

from stream_cl.budget import _chance, _rules, _spread, _state
from stream_cl.budget._chance import eased_now, line, ranks, target_now, wanted
from stream_cl.budget._fresh import not_before
from stream_cl.budget._spread import remember, spread_out
from stream_cl.budget._state import Count, Level
from stream_cl.core import protocols
from stream_cl.core.protocols import REASONS

CLASS_LABELS: Final = 20
"""Labels in the window below which no class has too large a share of them."""
REFUND_RATE: Final = 20 / 5000
"""Labels per event that refunds are paid back with; at most half the target."""

_DRAWN, _HELD_OUT = REASONS.index("drawn"), REASONS.index("held_out")
_COLD_START, _CLOSED = REASONS.index("cold_start"), REASONS.index("closed")
_NOT_ALLOWED, _NO_ROOM = REASONS.index("not_allowed"), REASONS.index("no_room")
_KEY_LIMIT, _CLASS_LIMIT = REASONS.index("key_limit"), REASONS.index("class_limit")


@numba.njit(inline="always")
def _limited(
    settings: Any, counts: Any, limits: Any, key: int, predicted: int
) -> tuple[bool, bool]:
    """Whether the event's key, and its predicted class, have had what they may have."""
    size = limits.shape[0]
    if size == 0:
        return False, False
    labels = min(counts[Count.ASKED], size)
    of_key, of_class, looked_at = 0, 0, 0
    oldest = counts[Count.EVENTS] - settings.limit_window
    at = counts[Count.ASKED] % size
    for _ in range(labels):  # from the latest to the oldest
        at = at - 1 if at > 0 else size - 1
        if limits[at, 0] <= oldest:
            break
        looked_at += 1
        of_key += limits[at, 1] == key
        of_class += limits[at, 2] == predicted
    by_key = 0 < settings.labels_per_key <= of_key and key != 0
    share = settings.class_share * looked_at
    by_class = settings.class_share < 1.0 and predicted >= 0 and looked_at >= CLASS_LABELS
    return by_key, by_class and of_class >= share


@numba.njit(inline="always")
def _note(settings: Any, counts: Any, limits: Any, key: int, predicted: int) -> None:
    """Count a question, and note it where there are limits."""
    if limits.shape[0] > 0:
        at = counts[Count.ASKED] % limits.shape[0]
        limits[at, 0], limits[at, 1], limits[at, 2] = counts[Count.EVENTS], key, predicted
    counts[Count.ASKED] += 1
    counts[Count.OPEN] += settings.answers


@numba.njit(inline="always")
def _book(
    settings: Any,
    counts: Any,
    levels: Any,
    propensities: Any,
    target: float,
    p: float,
    asked: bool,
) -> None:
    """An event that could be asked: grant it its share, pay refunds, take what was asked."""
    waiting, back = levels[Level.WAITING], 0.0
    paid_back = min(waiting, REFUND_RATE / settings.answers, target / 2.0)
    if paid_back > 0.0:
        back = levels[Level.OWED] * paid_back / waiting
    levels[Level.OWED] -= back
    levels[Level.WAITING] -= paid_back
    levels[Level.REFUNDED] += paid_back
    price = levels[Level.PRICE] * settings.answers
    balance = levels[Level.DEFICIT] + back + (target - asked) * price
    levels[Level.DEFICIT] = min(balance, settings.deficit_max * price)
    levels[Level.GRANTED] += target * price
    levels[Level.CHARGED] += asked * price
    propensities[counts[Count.ASKABLE] % propensities.shape[0]] = p
    counts[Count.ASKABLE] += 1
    counts[Count.ARRIVED] += 1


@numba.njit(cache=True)
def decide(packed: Any, state: Any, columns: Any, bounds: Any, given: Any) -> int:
    """Decide n events in their order; changes `state` and fills `given`. Returns how many were
    decided: all, or what `Candidates.until_asked` says.

    packed: `Settings.packed`. columns: utility, ask_draw, held_out_draw, allowed, key (`int64`, 0:
    none), predicted class, `x [n, width]` and how far questions about each event are spread; x is
    empty where none are.
    bounds: room, room_floor, whether nothing is asked now, until_asked.
    given: propensity, asked, held_out, reason, and the utility above which an event would have been
    asked by choice (of what was asked; not a number where there is no such line).
    """
    settings = packed[0]
    utility, ask_draw, held_out_draw, allowed, keys, predicted, x, spread = columns
    room, room_floor, closed, until_asked = bounds
    propensity, asked, held_out, reason, lines = given
    ring, propensities, counts, levels, limits, questions = state
    places, numbers = np.empty(x.shape[1], np.int64), np.empty(x.shape[1])
    i, n = 0, len(utility)
    while i < n:
        value = spread_out(utility[i], x, i, spread[i], questions, counts, levels, places, numbers)
        lo, hi = ranks(value, ring, counts[Count.RANKED])
        counts[Count.EVENTS] += 1
        target = target_now(settings, counts, levels)
        kept = eased_now(settings, levels)
        uniform = target * settings.held_out * kept
        by_key, by_class = _limited(settings, counts, limits, keys[i], predicted[i])

        starting = counts[Count.ASKED] < settings.cold_start and room > 0 and not by_class
        why, p, level = 0, 0.0, levels[Level.THRESHOLD]
        if closed:
            why = _CLOSED
        elif not allowed[i]:
            why = _NOT_ALLOWED
        elif room_floor <= 0:
            why = _NO_ROOM
        elif by_key:
            why = _KEY_LIMIT
        else:
            p = wanted(settings, levels, ring.shape[0], value, lo, hi, target)
            if by_class:
                why = _CLASS_LIMIT
            if room <= 0 or by_class:
                p = target * settings.floor * kept
            elif starting:
                p = 1.0

        chosen = room > 0 and not (by_class or starting)
        own = held_out_draw[i] < uniform
        drawn = uniform < 1.0 and ask_draw[i] < (p - uniform) / (1.0 - uniform)
        propensity[i] = p
        held_out[i] = own and p > 0.0
        asked[i] = p > 0.0 and (own or drawn)
        if asked[i]:
            room, room_floor = room - 1, room_floor - 1
            why = _HELD_OUT if own else (_COLD_START if starting else _DRAWN)
        reason[i] = why
        lines[i] = math.nan
        if asked[i] and chosen:
            lines[i] = line(settings, levels, level, target, ring, counts[Count.RANKED])
        ring[counts[Count.RANKED] % ring.shape[0]] = value
        counts[Count.RANKED] += 1
        if p > 0.0:
            _book(settings, counts, levels, propensities, target, p, asked[i])
        if asked[i]:
            _note(settings, counts, limits, keys[i], predicted[i])
            remember(x, i, spread[i], own, questions, counts)
            if until_asked > 0 and not own:
                n = min(n, (i // until_asked + 1) * until_asked)
        i += 1
    return n


not_before(decide, _chance, _rules, _spread, _state, protocols)
