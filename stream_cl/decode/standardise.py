"""Running standardisation, event after event.

An event is scaled with the mean and variance of all events up to and including itself, so
its encoding does not depend on where a step ends, to the last bit.

Numbers spread over orders of magnitude (bytes, money, durations) have a few values that make the
deviation so large that all others look the same. So what is far beyond the usual magnitude of a
number is compressed first: with a = e · exp(mean of log|v|) over its values v ≠ 0,

    x = v for |v| ≤ a,  sign(v) · a · (1 + log(|v| / a)) beyond.

The values of a uniform distribution from 0 end at a, so nothing of one is beyond (decision 0027).
Where a number is declared to be a size or a count, in place of that x = sign(v) · log(1 + |v|),
which tells 0 from little, too (decision 0028).

The update for the n-th x of a number (Welford 1962; the increment of West 1979, divided by n):

    δ = x − mean,  mean ← mean + δ/n,  variance ← (variance + δ²/n)·(n−1)/n

Every term is non-negative, so the variance cannot fall below zero, as it does where it is
the mean of squares less the square of the mean; and it stays within (2·FEATURE_ABS_MAX)²,
where a sum of squares would overflow. With z = (x − mean)/√variance the encoding is

    z for |z| ≤ 1,  sign(z) · (1 + log|z|) beyond,

cut to ± STANDARD_SCORE_MAX; 0 while the variance is 0, and 0 (the mean) for what is missing. One
value of a heavy tail would else move a linear learner's weights as far as hundreds of others, and
decide alone what is predicted (decision 0024).

State: five float64 per number. Cost: about 30 ns per value.
"""

from __future__ import annotations

from math import copysign, exp, log, log1p, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from stream_cl.core.limits import STANDARD_SCORE_MAX

Moments = npt.NDArray[np.float64]
"""`float64 [5, width]`: count, mean and variance of each number, then the count and the mean of
log|v| of those that are not 0."""

SCALE: Final = 0
"""Mode of a value that is standardised; a slot has at most one of them per event."""
ADD: Final = 1
"""Mode of a value that is added to its slot as it is."""
ADD_LOG: Final = 2
"""Mode of a value v that is added as sign(v)·log1p|v|."""
SUBTRACT_LOG: Final = 3
"""As ADD_LOG, subtracted."""
SCALE_LOG: Final = 4
"""As SCALE, of sign(v)·log1p|v|."""

_LIMIT: Final = STANDARD_SCORE_MAX
_COUNTS: Final = ("count", "other_than_0")
_LEAVES: Final = ("count", "mean", "variance", "other_than_0", "magnitude")
"""The rows of `Moments` in a snapshot."""


def no_moments(width: int) -> Moments:
    """The moments of `width` numbers of which none was seen."""
    return np.zeros((len(_LEAVES), width))


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _within_reach(moments: Any, at: int, value: float) -> float:
    """The value, compressed where it is far beyond the usual magnitude, which learns from it."""
    if value != 0.0:
        magnitude = log(abs(value))
        moments[3, at] += 1.0
        moments[4, at] += (magnitude - moments[4, at]) / moments[3, at]
        most = 1.0 + moments[4, at]
        if magnitude > most:
            value = copysign(exp(most) * (1.0 + magnitude - most), value)
    return value


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def _put(moments: Any, at: int, out: Any, slot: int, value: float, mode: int) -> None:
    if mode in (SCALE, SCALE_LOG):
        if mode == SCALE:
            value = _within_reach(moments, at, value)
        else:
            value = copysign(log1p(abs(value)), value)
        count = moments[0, at] + 1.0
        delta = value - moments[1, at]
        mean = moments[1, at] + delta / count
        variance = (moments[2, at] + delta * delta / count) * ((count - 1.0) / count)
        moments[0, at] = count
        moments[1, at] = mean
        moments[2, at] = variance
        score = 0.0
        if variance > 0.0:
            score = (value - mean) / sqrt(variance)
        if abs(score) > 1.0:
            score = 1.0 + log(score) if score > 0.0 else -1.0 - log(-score)
    elif mode == ADD:
        score = out[slot] + value
    else:
        score = log1p(abs(value))
        if (value < 0.0) != (mode == SUBTRACT_LOG):
            score = -score
        score = out[slot] + score
    out[slot] = min(max(score, -_LIMIT), _LIMIT)


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def put_rows(values: Any, slots: Any, modes: Any, moments: Any, out: Any) -> None:
    """n events of the same m names.

    Args:
        values: `float64 [n, m]`; NaN where a value is missing.
        slots: `int64 [m]`, the column of `out` for each.
        modes: `int8 [m]`, what is done with each.
        moments: `float64 [5, m]`, those of `slots`; changed.
        out: `float32 [n, width]`; changed.
    """
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value = values[row, column]
            if value == value:  # noqa: PLR0124 - not NaN
                _put(moments, column, out[row], slots[column], value, modes[column])


@njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def put_entries(
    starts: Any, values: Any, slots: Any, modes: Any, places: Any, moments: Any, out: Any
) -> None:
    """n events of any names.

    Args:
        starts: `int64 [n + 1]`; event i has the entries `starts[i]` … `starts[i + 1] − 1`.
        values: `float64 [entries]`, without missing ones.
        slots: `int64 [entries]`, the column of `out` for each.
        modes: `int8 [entries]`, what is done with each.
        places: `int64 [entries]`, the column of `moments` for each.
        moments: `float64 [5, places]`; changed.
        out: `float32 [n, width]`; changed.
    """
    for row in range(starts.shape[0] - 1):
        for entry in range(starts[row], starts[row + 1]):
            _put(moments, places[entry], out[row], slots[entry], values[entry], modes[entry])


def split_moments(moments: Moments, used: int) -> dict[str, Any]:
    """The moments of the first `used` numbers as leaves of a snapshot."""
    return {
        name: row[:used].astype(np.int64) if name in _COUNTS else row[:used].copy()
        for name, row in zip(_LEAVES, moments, strict=True)
    }


def join_moments(leaves: dict[str, Any], width: int) -> Moments:
    """The moments that `split_moments` wrote down."""
    moments = no_moments(width)
    for row, name in enumerate(_LEAVES):
        moments[row, : len(leaves[name])] = leaves[name]
    return moments
