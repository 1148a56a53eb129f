"""The rules that turn the place of an event into the probability with which it is asked.

Each is a function of numbers, compiled. `target` is b, the share of the events to ask for,
`floor` is f, the part of it that does not look at the utility, `behind` is deficit / HORIZON with
the deficit in labels, `feedback` is b · behind. All give p before it is kept within [f, 1].
"""

from __future__ import annotations

import math
from typing import Final

import numba

POWER: Final = 0
QUANTILE: Final = 1
THRESHOLD: Final = 2
PACED: Final = 3

THRESHOLD_MIN: Final = 1e-6
THRESHOLD_MAX: Final = 2.0
"""Where the threshold stays: certainties are in [0, 1]."""
STEP_MAX: Final = 0.5
"""The threshold never falls to less than half by one event."""
GATE: Final = 1.5
"""Horizons of labels spent too much after which the threshold lets nothing through."""
EASED_MIN: Final = 0.05
"""Of the floor: what is left of it however much was spent too much. The weight of a label in the
figures is 1 / p, and has its bound here."""
PATIENCE: Final = 1.0
"""Horizons of deficit from which on the quantile's budget asks whatever the rank."""
GROWTH_MAX: Final = 3.0
"""Horizons of deficit from which on a paced budget is no quicker: it asks 20 times as often."""


@numba.njit(inline="always")
def rank_weight(lo: float, hi: float, power: int) -> float:
    """The mean of (g + 1) rᵍ over the ranks r from lo to hi, g being `power`."""
    return (hi ** (power + 1) - lo ** (power + 1)) / (hi - lo)


@numba.njit(inline="always")
def power(weight: float, target: float, floor: float, feedback: float) -> float:
    """The rule of `budget.fraction`; `weight` has a mean of 1."""
    return floor + (target - floor) * weight + feedback


@numba.njit(inline="always")
def eased(behind: float) -> float:
    """The share of the floor that a paced budget keeps: all of it unless it spent too much."""
    return max(EASED_MIN, math.exp(min(0.0, behind / 2.0)))


@numba.njit(inline="always")
def paced(weight: float, target: float, floor: float, behind: float) -> float:
    """The rule of `budget._timed`; `floor` before it is eased."""
    growth = math.exp(min(GROWTH_MAX, behind))
    kept = floor * eased(behind) * max(1.0, growth)
    return kept + (target - floor) * weight * growth + target * max(0.0, growth - 1.0)


@numba.njit(inline="always")
def choice(target: float, floor: float, feedback: float) -> float:
    """The share of the ranks that `budget.quantile` asks for certain."""
    if floor >= 1.0:
        return 1.0
    return min(1.0, max(0.0, (target - floor) / (1.0 - floor) + feedback))


@numba.njit(inline="always")
def quantile(lo: float, hi: float, target: float, floor: float, feedback: float) -> float:
    """The rule of `budget.quantile`: the share of the ranks that lies above a quantile."""
    if floor >= 1.0:
        return 1.0
    chosen = choice(target, floor, feedback)
    above = min(1.0, max(0.0, (hi - (1.0 - chosen)) / (hi - lo)))
    return floor + (1.0 - floor) * above + max(0.0, feedback - PATIENCE * target)


@numba.njit(inline="always")
def below(certainty: float, threshold: float, delta: float) -> float:
    """P(certainty < threshold · η) with η drawn from N(1, δ²); δ = 0: whether it is so."""
    if delta <= 0.0:
        return 1.0 if certainty < threshold else 0.0
    return 0.5 * math.erfc((certainty / threshold - 1.0) / (delta * math.sqrt(2.0)))


@numba.njit(inline="always")
def threshold(
    chosen: float, target: float, floor: float, feedback: float, overspent: float
) -> float:
    """The rule of the threshold family; `overspent` is −deficit / HORIZON, in horizons."""
    gate = min(1.0, max(0.0, 1.0 - overspent / GATE))
    return floor + (1.0 - floor) * chosen * gate + max(0.0, feedback)


@numba.njit(inline="always")
def moved(level: float, chosen: float, target: float, floor: float, step: float) -> float:
    """The threshold after an event: it rests where the share to be chosen lies below it."""
    if floor >= 1.0:
        return level
    wanted = min(1.0, (target - floor) / (1.0 - floor))
    scale = math.sqrt(max(wanted * (1.0 - wanted), 1e-4))
    change = max(-STEP_MAX, min(STEP_MAX, step * (wanted - chosen) / scale))
    return min(THRESHOLD_MAX, max(THRESHOLD_MIN, level * (1.0 + change)))
