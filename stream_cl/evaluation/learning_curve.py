"""How accuracy grew with the labels, and whether more of them would help.

The answers, in the order in which they came, are cut into blocks of equal length; each gives a
point (labels so far, weighted accuracy). When the blocks are full, neighbours are merged and the
length doubles, so the whole stream stays in view at a bounded number of points.

The forecast is the inverse power law of learning curves (Cortes, Jackel, Solla, Vapnik and Denker
1994; Viering and Loog 2023, section 4.2), accuracy after n labels

    f(n) = a − b · n^−c,        gain of the next m labels = f(n + m) − f(n)

fitted by weighted least squares to the points, with variance μ(1 − μ) / n_eff each (μ of all
answers, Kish's n_eff), stretched by χ² per degree of freedom where that is above 1 (Birge 1932).
For a given c the gain is b times a number, and b is normal; c itself is poorly known, so each of a
grid of c counts by its likelihood exp(−χ² / 2), and the interval is that of the mixture. What it
rests on is that the world stays as it was: where accuracy falls, or jumps so that χ² rejects the
curve at 0.1 %, the advice is `unknown`.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import N_SUMS, Estimate, WeightedSums, terms

POINTS: Final = 64
BLOCK: Final = 16
"""Labels of a block in the beginning."""
NEXT: Final = 1000
"""Labels that the forecast is about."""
WORTH: Final = 0.005
"""Gain in accuracy that is worth the next labels."""

_EXPONENTS: Final = np.geomspace(0.05, 2.0, 24)
_FEWEST_POINTS, _FEWEST_LABELS = 8, NEXT // 2
_REJECTED: Final = 3.09
"""Of a standard normal variable, 0.1 % is above it."""
_ROOT2: Final = math.sqrt(2.0)


class Point(NamedTuple):
    """labels: answered up to the end of a block. accuracy: unbiased, of that block alone."""

    labels: int
    accuracy: Estimate


class Advice(NamedTuple):
    """What the next `NEXT` labels would gain, in accuracy, with a 95 % interval.

    says: `go_on` where all of the interval is above `WORTH`, `stop` where all of it is below, else
    `unknown`; that also where the points lie on no learning curve, and where there are too few to
    fit one, and the numbers are None.
    """

    says: Literal["go_on", "stop", "unknown"]
    gain: float | None
    low: float | None
    high: float | None

    @property
    def interval(self) -> tuple[float, float, float] | None:
        """gain, low and high; None where there are none."""
        if self.gain is None or self.low is None or self.high is None:
            return None
        return self.gain, self.low, self.high


class LearningCurve:
    """Blocks of answers. Memory: 56 bytes × POINTS. O(1) per answer; answers are added one after
    another, so batches leave no trace in the bits.
    """

    def __init__(self) -> None:
        self._blocks = np.zeros((POINTS, N_SUMS))
        self._size = BLOCK
        self._labels = 0

    def add(self, right: npt.NDArray[np.bool_], propensity: npt.NDArray[np.float64]) -> None:
        """Add n answers: whether each prediction was right, its propensity > 0."""
        each, start = terms(right, propensity), 0
        while start < len(each):
            if self._labels == POINTS * self._size:
                merged = self._blocks[0::2] + self._blocks[1::2]
                self._blocks = np.concatenate([merged, np.zeros_like(merged)])
                self._size *= 2
            block, inside = divmod(self._labels, self._size)
            part = each[start : start + self._size - inside]
            sums = np.add.accumulate(np.vstack([self._blocks[block], part]))
            self._blocks[block] = sums[-1]
            self._labels += len(part)
            start += len(part)

    def points(self) -> list[Point]:
        """A point for each block that is whole."""
        found = []
        for number in range(self._labels // self._size):
            accuracy = WeightedSums(self._blocks[number]).unbiased()
            assert accuracy is not None
            found.append(Point((number + 1) * self._size, accuracy))
        return found

    def advice(self) -> Advice:
        """The forecast as it stands."""
        blocks = self._labels // self._size
        if blocks < _FEWEST_POINTS or self._labels < _FEWEST_LABELS:
            return Advice("unknown", None, None, None)
        middle = (np.arange(blocks) + 0.5) * self._size
        gain, low, high, fits = _forecast(middle, self._blocks[:blocks], self._labels)
        # Labels do no harm: where the curve falls, the world has changed.
        if not fits or high < 0 or low <= WORTH <= high:
            return Advice("unknown", gain, low, high)
        return Advice("go_on" if low > WORTH else "stop", gain, low, high)

    def snapshot(self) -> Snapshot:
        return {"blocks": self._blocks.copy(), "size": self._size, "labels": self._labels}

    def restore(self, snapshot: Snapshot) -> None:
        self._blocks = snapshot["blocks"].copy()
        self._size, self._labels = snapshot["size"], snapshot["labels"]


def _forecast(
    labels: npt.NDArray[np.floating], sums: npt.NDArray[np.float64], now: int
) -> tuple[float, float, float, bool]:
    """Mean and 95 % interval of f(now + NEXT) − f(now), by the formulas above, and whether the
    points may lie on such a curve."""
    effective = sums[:, 0] ** 2 / sums[:, 6]
    mean = sums[:, 1] / sums[:, 0]
    # As if one more answer of either kind had come, so that nothing is certain.
    weight, right = sums[:, 0].sum(), sums[:, 1].sum()
    typical = (right / weight * effective.sum() + 1.0) / (effective.sum() + 2.0)
    precision = effective / (typical * (1.0 - typical))
    fits = [_fit(labels, mean, precision, now, c) for c in _EXPONENTS.tolist()]
    gain, deviation, misfit = (np.array(column) for column in zip(*fits, strict=True))
    freedom = len(labels) - 3
    stretch = max(1.0, float(misfit.min()) / freedom)
    likelihood = np.exp(-(misfit - misfit.min()) / (2.0 * stretch))
    likelihood /= likelihood.sum()
    scaled = (deviation * math.sqrt(stretch)).tolist()
    parts = list(zip(likelihood.tolist(), gain.tolist(), scaled, strict=True))
    low, high = (_quantile(parts, share) for share in (0.025, 0.975))
    # The cube root of χ² per degree of freedom is nearly normal (Wilson and Hilferty 1931).
    spread = 2.0 / (9.0 * freedom)
    fits = (misfit.min() / freedom) ** (1 / 3) < 1.0 - spread + _REJECTED * math.sqrt(spread)
    return float(likelihood @ gain), low, high, bool(fits)


def _quantile(parts: list[tuple[float, float, float]], share: float) -> float:
    """Of a mixture of normal distributions, given as (weight, mean, deviation), in [−1, 1]."""
    low, high = -1.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        below = sum(w * (1.0 + math.erf((middle - m) / (_ROOT2 * s))) / 2 for w, m, s in parts)
        low, high = (middle, high) if below < share else (low, middle)
    return (low + high) / 2


def _fit(
    labels: npt.NDArray[np.floating],
    mean: npt.NDArray[np.float64],
    precision: npt.NDArray[np.float64],
    now: int,
    exponent: float,
) -> tuple[float, float, float]:
    """The gain, its standard deviation, and χ², for one exponent c."""
    # Scaled to n^−c = 1 at the first point, so that both columns are of one size.
    falls = (labels / labels[0]) ** -exponent
    total = precision.sum()
    centre = (precision @ falls) / total, (precision @ mean) / total
    spread = precision @ (falls - centre[0]) ** 2
    slope = (precision @ ((falls - centre[0]) * (mean - centre[1]))) / spread
    misfit = precision @ (mean - centre[1] - slope * (falls - centre[0])) ** 2
    ahead = (now / labels[0]) ** -exponent - ((now + NEXT) / labels[0]) ** -exponent
    return float(-slope * ahead), float(ahead / np.sqrt(spread)), float(misfit)
