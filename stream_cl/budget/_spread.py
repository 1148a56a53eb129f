"""Questions are spread out: an event near a question of late has less to teach.

Between two steps the learner stays as it is, and answers come later still. Whatever made one event
uncertain makes its near neighbours uncertain too, so without this rule a run of near duplicates is
asked about together, although the first answer would settle it: the redundancy that batches of
questions have (Settles 2009, *Active Learning Literature Survey*, section 6.1). For an event x of
utility u ≥ 0 and the last `KEPT` questions q that are learned from:

    d² = min over q of |x − q|²
    u ← u · (1 − exp(−d² / (spread · D)))

D is the running mean of |x − q|², over the last hundred events or so, so `spread` has no unit: it
says how near is near, as a share of what is usual. What counts is the order of events alone, not
where steps end.

Memory: 8 · KEPT · (width + 1) bytes. Cost: O(width + KEPT · m) per event, m of its numbers not
zero.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.budget._state import Count, Level, State
from stream_cl.core.protocols import Candidates
from stream_cl.core.records import FloatMatrix

KEPT: Final = 4
"""Questions that an event is compared with. 2, 4 and 8 did equally well."""
_MEMORY: Final = 100.0
"""Events over which the mean distance is taken."""
_NOTHING: Final = np.empty((0, 0), dtype=np.float32)


def compared(candidates: Candidates) -> tuple[FloatMatrix, npt.NDArray[np.float64]]:
    """What events are compared by, `[n, d]`, and how far questions about each are spread, `[n]`;
    nothing and 0 where they are not."""
    far, spread = np.empty(len(candidates.utility)), candidates.spread
    far[:] = spread
    # Looking through an array of equals would take as long as the rest.
    spreads = (far > 0.0).any() if isinstance(spread, np.ndarray) else spread > 0.0
    if candidates.x is None or not spreads:
        far[:] = 0.0
        return _NOTHING, far
    return np.ascontiguousarray(candidates.x, dtype=np.float32), far


def prepared(state: State, x: FloatMatrix) -> State:
    """The state with room for questions as wide as the events that are `compared`; it is changed
    where it has none."""
    if x is _NOTHING or len(state.questions) == x.shape[1] + 1:
        return state
    state.counts[Count.KEPT] = state.counts[Count.COMPARED] = 0
    questions: npt.NDArray[np.float64] = np.zeros((x.shape[1] + 1, KEPT))
    return state._replace(questions=questions)


@numba.njit(inline="always")
def spread_out(
    value: float,
    x: Any,
    i: int,
    spread: float,
    questions: Any,
    counts: Any,
    levels: Any,
    places: Any,
    numbers: Any,
) -> float:
    """The utility of event `x[i]` after the rule; the mean distance moves on.

    places `int64 [d]`, numbers `float64 [d]`: room to work in.
    """
    kept = min(counts[Count.KEPT], questions.shape[1])
    if spread <= 0.0 or kept == 0:
        return value
    width = x.shape[1]
    found = 0
    # As in `learners._softmax_loops`: a budget calls no learner's code.
    fours = width - width % 4
    for j in range(0, fours, 4):
        # One branch for four zeros, of which an image has many.
        if abs(x[i, j]) + abs(x[i, j + 1]) + (abs(x[i, j + 2]) + abs(x[i, j + 3])) != 0.0:
            for k in range(j, j + 4):
                # Written every time and kept by counting on: a branch would be guessed wrong often.
                places[found], numbers[found] = k, x[i, k]  # squares of float32 may not be finite
                found += x[i, k] != 0.0
    for j in range(fours, width):
        places[found], numbers[found] = j, x[i, j]
        found += x[i, j] != 0.0
    # By name, so that they stay in registers; where fewer are kept the rest is zeros.
    own = a = b = c = d = 0.0
    for at in range(found):
        j, number = places[at], numbers[at]
        own += number * number
        a += number * questions[j, 0]
        b += number * questions[j, 1]
        c += number * questions[j, 2]
        d += number * questions[j, 3]
    inner = (a, b, c, d)
    nearest, total = math.inf, 0.0
    for slot in range(kept):
        # Rounding may leave a little less than nothing.
        distance = max(0.0, own + questions[width, slot] - 2.0 * inner[slot])
        nearest = min(nearest, distance)
        total += distance
    seen = counts[Count.COMPARED] = min(counts[Count.COMPARED] + 1, int(_MEMORY))
    levels[Level.DISTANCE] += (total / kept - levels[Level.DISTANCE]) / seen
    reach = spread * levels[Level.DISTANCE]
    # All alike, or too far apart for numbers to say: nothing to tell events apart by.
    if not 0.0 < reach < math.inf:
        return value
    return value * -math.expm1(-nearest / reach)


@numba.njit(inline="always")
def remember(x: Any, i: int, spread: float, held_out: bool, questions: Any, counts: Any) -> None:
    """Keep event `x[i]`, which was asked about, in the place of the oldest."""
    if spread <= 0.0 or held_out:
        return
    width = x.shape[1]
    slot = counts[Count.KEPT] % questions.shape[1]
    own = 0.0
    for j in range(width):
        number = np.float64(x[i, j])
        questions[j, slot] = number
        own += number * number
    questions[width, slot] = own
    counts[Count.KEPT] += 1
