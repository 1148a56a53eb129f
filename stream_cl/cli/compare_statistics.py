"""Means over seeds, paired differences to the control, and the correction for many tests.

Sources: t interval and paired t test after Student 1908; Holm 1979, *A Simple Sequentially
Rejective Multiple Test Procedure*: with p(1) ≤ … ≤ p(m) the adjusted p of the i-th is

    max over j ≤ i of min(1, (m − j + 1) · p(j))

so that of all cells together one or more is called different by mistake in at most 5 % of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

LEVEL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, half the width of its 95 % t interval (None of one value), and the p of the
    two-sided t test against 0 (None of one value)."""

    value: float
    half: float | None
    p: float | None


def mean(values: Sequence[float]) -> Mean:
    """The mean of at least one value."""
    from scipy.stats import t

    n, average = len(values), float(np.mean(values))
    if n < 2:
        return Mean(average, None, None)
    error = float(np.std(values, ddof=1)) / n**0.5
    half = float(t.ppf(1 - LEVEL / 2, n - 1)) * error
    if error == 0:
        return Mean(average, 0.0, 1.0 if average == 0 else 0.0)
    return Mean(average, half, 2 * float(t.sf(abs(average) / error, n - 1)))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """The adjusted p of each, in their order; None stays None and does not count."""
    known = sorted((value, i) for i, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    least = 0.0
    for rank, (value, i) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * value))
        adjusted[i] = least
    return adjusted
