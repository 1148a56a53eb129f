"""Whether 80 % sure means right in 80 %: reliability by bins, and the expected calibration error.

Source: Murphy and Winkler 1977 (reliability); Naeini, Cooper and Hauskrecht 2015, *Obtaining well
calibrated probabilities using Bayesian binning*, for the error. With weights w = 1 / propensity,
over B bins of equal width of the largest probability of a prediction:

    ECE = Σ over bins b of W_b / W · |share right in b − mean confidence in b|

The error is 0 for probabilities that are right on average in each bin, and at most 1. It is a
sum of absolute values, so noise makes it larger: with few labels it stands above the truth.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.scores import Answers

BINS: Final = 10


class Bin(NamedTuple):
    """Predictions whose confidence is in [low, high): share of all, mean confidence, accuracy."""

    low: float
    high: float
    share: float
    confidence: float
    accuracy: float


class Reliability:
    """Weighted sums by bin of confidence. Memory: 24 bytes per bin. O(1) per answer; answers are
    added one after another, so batches leave no trace in the bits.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((BINS, 3))  # Σw, Σw·confidence, Σw·right

    def add(self, answers: Answers) -> None:
        """Add n answers with propensity > 0."""
        weight, confidence = 1.0 / answers.propensity, answers.confidence
        bins = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
        each = np.stack([weight, weight * confidence, weight * answers.right], axis=1)
        np.add.at(self._sums, bins, each)

    def error(self) -> float | None:
        """The expected calibration error; None without a label."""
        total = float(self._sums[:, 0].sum())
        if not total:
            return None
        return float(np.abs(self._sums[:, 1] - self._sums[:, 2]).sum() / total)

    def bins(self) -> list[Bin]:
        """The bins that hold a label, from unsure to sure."""
        total = float(self._sums[:, 0].sum())
        found = []
        for number, (weight, confidence, right) in enumerate(self._sums.tolist()):
            if weight:
                means = (weight / total, confidence / weight, right / weight)
                found.append(Bin(number / BINS, (number + 1) / BINS, *means))
        return found

    def snapshot(self) -> Snapshot:
        return {"sums": self._sums.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        self._sums = snapshot["sums"].copy()
