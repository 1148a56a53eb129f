"""The compiled loop of the budgets that ask: its state, its settings, and one event's turn.

One loop, because each decision depends on what was asked before it. The state is arrays, so
that it is copied and written down as it is; `Count` and `Level` say what stands where.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.budget._rules import POWER, QUANTILE, below, moved, power, quantile, threshold
from stream_cl.core.protocols import REASONS

CLASS_LABELS: Final = 20
"""Labels in the window below which no class has too large a share of them."""
REFUND_RATE: Final = 20 / 5000
"""Labels per event that refunds are paid back with; at most half the target."""

_DRAWN, _HELD_OUT = REASONS.index("drawn"), REASONS.index("held_out")
_COLD_START, _CLOSED = REASONS.index("cold_start"), REASONS.index("closed")
_NOT_ALLOWED, _NO_ROOM = REASONS.index("not_allowed"), REASONS.index("no_room")
_KEY_LIMIT, _CLASS_LIMIT = REASONS.index("key_limit"), REASONS.index("class_limit")


class Count(IntEnum):
    """Places in `State.counts`."""

    ASKABLE = 0  # events that could be asked
    ASKED = 1  # questions
    RANKED = 2  # utilities ever seen
    EVENTS = 3
    OPEN = 4  # labels asked for that neither came nor expired
    ARRIVED = 5  # events that could be asked at the present logical time
    OBSERVED = 6  # events that the estimate of their rate was made from
    LAST_MS = 7  # the present logical time; −1 before the first step
    ANSWERED = 8  # answers that were paid
    BESIDES = 9  # labels spent by others, less those given back


class Level(IntEnum):
    """Places in `State.levels`. Money is labels where the price is 1."""

    DEFICIT = 0  # money that should have been spent and was not
    WAITING = 1  # questions to be paid back
    REFUNDED = 2  # questions paid back
    THRESHOLD = 3
    PRICE = 4  # money that a label is expected to cost
    PAID = 5  # money that answers have cost
    GAP_MS = 6  # milliseconds between two events
    ELAPSED_MS = 7  # between the present logical time and the one of events before it
    GRANTED = 8  # money granted to the events of the present logical time
    MEMORY = 9  # events that the estimate of their rate remembers


class State(NamedTuple):
    """ring, propensities `float64 [window]`; counts, levels as named above; limits `int64
    [m, 3]`: event number, key and class of the latest labels, m = 0 without limits."""

    ring: npt.NDArray[np.float64]
    propensities: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    levels: npt.NDArray[np.float64]
    limits: npt.NDArray[np.int64]

    def copy(self) -> State:
        """The same, in memory of its own."""
        return State(
            self.ring.copy(),
            self.propensities.copy(),
            self.counts.copy(),
            self.levels.copy(),
            self.limits.copy(),
        )


class Settings(NamedTuple):
    """What does not change: see `budget._ranked` for the words.

    answers: labels that a question is charged with.
    per_event: money per event; 0 where `per_ms`, money per millisecond, is given; until the rate
    of the events is known, `start` is b. floor, held_out, split: shares. labels_per_key is 0
    where there is no limit, and class_share 1.
    """

    rule: int = POWER
    per_event: float = 0.0
    per_ms: float = 0.0
    start: float = 0.05
    horizon: float = 3.0
    deficit_max: float = 20.0
    floor: float = 0.3
    held_out: float = 0.1
    cold_start: int = 10
    labels_per_key: int = 0
    class_share: float = 1.0
    limit_window: int = 5000
    step: float = 0.01
    delta: float = 0.0
    split: float = 0.0
    by_rank: bool = False
    answers: int = 1

    def of(self, **given: Any) -> Settings:
        """With what is given, in the types that the loop is compiled for."""
        kinds = {name: type(value) for name, value in Settings()._asdict().items()}
        return self._replace(**{name: kinds[name](value) for name, value in given.items()})


@numba.njit(cache=True)
def target_now(settings: Any, counts: Any, levels: Any) -> float:
    """b: the share of the events to ask about, of the event that comes next.

    By time it is money per millisecond times milliseconds per event. The gap between events
    is estimated from the logical times before this one; where more events have come at this
    time than it lets expect, they count at once, each with its share of the time.
    """
    price = levels[Level.PRICE] * settings.answers
    if settings.per_event > 0.0:
        return float(min(1.0, settings.per_event / price))
    if counts[Count.OBSERVED] == 0:
        return float(settings.start)
    gap = levels[Level.GAP_MS]
    if levels[Level.ELAPSED_MS] > 0.0:
        arrived = counts[Count.ARRIVED] + 1.0
        kept = (1.0 - 1.0 / levels[Level.MEMORY]) ** arrived
        gap = min(gap, kept * gap + (1.0 - kept) * levels[Level.ELAPSED_MS] / arrived)
    return float(min(1.0, settings.per_ms * gap / price))


@numba.njit(cache=True)
def _ranks(value: float, ring: Any, seen: int) -> tuple[float, float]:
    filled = min(seen, ring.shape[0])
    lower, equal = 0, 1
    for j in range(filled):
        lower += ring[j] < value
        equal += ring[j] == value
    return lower / (filled + 1), (lower + equal) / (filled + 1)


@numba.njit(cache=True)
def _limited(
    settings: Any, counts: Any, limits: Any, key: int, predicted: int
) -> tuple[bool, bool]:
    """Whether the event's key, and its predicted class, have had what they may have."""
    size = limits.shape[0]
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


@numba.njit(cache=True)
def _wanted(settings: Any, levels: Any, value: float, lo: float, hi: float, target: float) -> float:
    """What the rule says, within [f, 1]; the threshold moves on."""
    floor = target * settings.floor
    questions = levels[Level.DEFICIT] / (levels[Level.PRICE] * settings.answers)
    feedback = target * questions / settings.horizon
    if settings.rule == POWER:
        p = power(lo, hi, target, floor, feedback)
    elif settings.rule == QUANTILE:
        p = quantile(lo, hi, target, floor, feedback)
    else:
        certainty = 1.0 - (lo + hi) / 2.0 if settings.by_rank else 1.0 - min(1.0, max(0.0, value))
        chosen = below(certainty, levels[Level.THRESHOLD], settings.delta)
        p = threshold(chosen, target, floor, feedback, -questions / settings.horizon)
        p = settings.split * target + (1.0 - settings.split) * min(1.0, p)
        levels[Level.THRESHOLD] = moved(
            levels[Level.THRESHOLD], chosen, target, floor, settings.step
        )
    return float(min(1.0, max(floor, p)))


@numba.njit(cache=True)
def _book(settings: Any, state: Any, target: float, p: float, asked: bool) -> None:
    """An event that could be asked: grant it its share, pay refunds, take what was asked."""
    counts, levels = state.counts, state.levels
    paid_back = min(levels[Level.WAITING], REFUND_RATE / settings.answers, target / 2.0)
    levels[Level.WAITING] -= paid_back
    levels[Level.REFUNDED] += paid_back
    price = levels[Level.PRICE] * settings.answers
    balance = levels[Level.DEFICIT] + (target + paid_back - asked) * price
    levels[Level.DEFICIT] = min(balance, settings.deficit_max * price)
    levels[Level.GRANTED] += target * price
    state.propensities[counts[Count.ASKABLE] % state.propensities.shape[0]] = p
    counts[Count.ASKABLE] += 1
    counts[Count.ARRIVED] += 1


@numba.njit(cache=True)
def decide(
    settings: Any, state: Any, columns: Any, room: int, room_floor: int, closed: bool, given: Any
) -> None:
    """Decide n events in their order; changes `state` and fills `given`.

    columns: utility, ask_draw, held_out_draw, allowed, key (`int64`, 0: none) and predicted
    class. given: propensity, asked, held_out and reason.
    """
    utility, ask_draw, held_out_draw, allowed, keys, predicted = columns
    propensity, asked, held_out, reason = given
    ring, counts, levels, limits = state.ring, state.counts, state.levels, state.limits
    for i in range(utility.shape[0]):
        value = utility[i]
        lo, hi = _ranks(value, ring, counts[Count.RANKED])
        ring[counts[Count.RANKED] % ring.shape[0]] = value
        counts[Count.RANKED] += 1
        counts[Count.EVENTS] += 1
        target = target_now(settings, counts, levels)
        uniform = target * settings.held_out
        by_key, by_class = False, False
        if limits.shape[0] > 0:
            by_key, by_class = _limited(settings, counts, limits, keys[i], predicted[i])

        why = 0
        starting = counts[Count.ASKED] < settings.cold_start and room > 0 and not by_class
        p = 0.0
        if closed:
            why = _CLOSED
        elif not allowed[i]:
            why = _NOT_ALLOWED
        elif room_floor <= 0:
            why = _NO_ROOM
        elif by_key:
            why = _KEY_LIMIT
        else:
            p = _wanted(settings, levels, value, lo, hi, target)
            if by_class:
                why = _CLASS_LIMIT
            if room <= 0 or by_class:
                p = target * settings.floor
            elif starting:
                p = 1.0

        own = held_out_draw[i] < uniform
        drawn = uniform < 1.0 and ask_draw[i] < (p - uniform) / (1.0 - uniform)
        propensity[i] = p
        held_out[i] = own and p > 0.0
        asked[i] = p > 0.0 and (own or drawn)
        if asked[i]:
            room -= 1
            room_floor -= 1
            why = _HELD_OUT if own else (_COLD_START if starting else _DRAWN)
        reason[i] = why
        if p > 0.0:
            _book(settings, state, target, p, asked[i])
        if asked[i]:
            if limits.shape[0] > 0:
                at = counts[Count.ASKED] % limits.shape[0]
                limits[at, 0] = counts[Count.EVENTS]
                limits[at, 1] = keys[i]
                limits[at, 2] = predicted[i]
            counts[Count.ASKED] += 1
            counts[Count.OPEN] += settings.answers
