"""What accuracy alone does not say: agreement beyond chance, beyond inertia, and log loss.

All from the asked and answered events, each with the weight w = 1 / propensity (Hájek 1971,
as in `intervals`), so that they speak of all events. With shares of the whole weight:

    accuracy        p₀ = Σ w·[prediction right] / Σ w
    no_change       p_t = Σ w·[the label last known was the truth] / Σ w
    kappa           (p₀ − p_e) / (1 − p_e),  p_e = Σ over classes of true share · predicted share
                    (Cohen 1960; for streams Žliobaitė, Bifet, Read, Pfahringer and Holmes
                    2015, section 3)
    kappa_temporal  (p₀ − p_t) / (1 − p_t)   (the same, section 4; Bifet, Read, Žliobaitė,
                    Pfahringer and Holmes 2013)
    log_loss        − Σ w·ln(max(ε, probability given to the truth)) / Σ w, in nats

`no_change` is the accuracy that a prediction of the label last known would have had. Known is
what had been answered before the step that predicted the event: with few labels, or late
ones, that is far from the event before, and so far below the baseline that a table of the
whole stream shows. It had the same labels as the learner, so the two may be compared.

Both kappas are 0 for a learner no better than what it is compared with, 1 for one that is
never wrong, and have no value where that itself is never wrong. ε = 2⁻²³, the precision that
probabilities are kept with: a class that was not known costs 15.9 nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot

PROBABILITY_FLOOR: Final = 2.0**-23


@dataclass(slots=True)
class Answers:
    """n answered events in columns; classes by number, −1 for none.

    event: `int64 [n]`, number of the event in the stream. propensity: `float64 [n]`.
    true, predicted: the label, and what had been predicted. last: the label last known then.
    probability, confidence: `float64 [n]`, what the prediction gave to the label, and to the class
    it was for. held_out: `bool [n]`.
    """

    event: npt.NDArray[np.int64]
    propensity: npt.NDArray[np.float64]
    true: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    held_out: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.event)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """`bool [n]`. A label that is none of the known classes is never predicted."""
        right: npt.NDArray[np.bool_] = (self.predicted == self.true) & (self.true >= 0)
        return right

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Answers:
        """The answers where `rows` is True, or those at these places."""
        return Answers(**{name: getattr(self, name)[rows] for name in self.__slots__})


class Scores(NamedTuple):
    """Each None where it has no value."""

    no_change: float | None
    kappa: float | None
    kappa_temporal: float | None
    log_loss: float | None


class ScoreSums:
    """The sums that the scores need. Memory: 16 bytes per class. O(1) per answer.

    Kappa needs the shares of each class and no confusion matrix. Answers are added one by
    one, so the sums are the same to the bit however the answers were batched.
    """

    def __init__(self) -> None:
        self.weight = self.right = self.unchanged = self.loss = 0.0
        self._true: list[float] = []
        self._predicted: list[float] = []

    def add(self, answers: Answers) -> None:
        """Add n answers with propensity > 0."""
        columns = (answers.propensity, answers.true, answers.predicted, answers.last)
        likely = answers.probability
        for p, true, predicted, last, q in zip(
            *(column.tolist() for column in columns), likely.tolist(), strict=True
        ):
            weight = 1.0 / p
            self.weight += weight
            self.loss -= weight * math.log(max(PROBABILITY_FLOOR, q))
            if predicted >= 0:
                self._of(self._predicted, predicted, weight)
            if true >= 0:
                self._of(self._true, true, weight)
                self.right += weight if predicted == true else 0.0
                self.unchanged += weight if last == true else 0.0

    @staticmethod
    def _of(sums: list[float], number: int, weight: float) -> None:
        if number >= len(sums):
            sums.extend([0.0] * (number + 1 - len(sums)))
        sums[number] += weight

    def scores(self) -> Scores:
        """The figures of all that was added."""
        if not self.weight:
            return Scores(None, None, None, None)
        # A class beyond either list's end has no share there, so it adds nothing by chance.
        both = zip(self._true, self._predicted, strict=False)
        chance = sum(t * p for t, p in both) / self.weight**2
        right, unchanged = self.right / self.weight, self.unchanged / self.weight
        return Scores(
            unchanged, _beyond(right, chance), _beyond(right, unchanged), self.loss / self.weight
        )

    def snapshot(self) -> Snapshot:
        return {
            "totals": np.array([self.weight, self.right, self.unchanged, self.loss]),
            "true": np.array(self._true, dtype=np.float64),
            "predicted": np.array(self._predicted, dtype=np.float64),
        }

    def restore(self, snapshot: Snapshot) -> None:
        self.weight, self.right, self.unchanged, self.loss = snapshot["totals"].tolist()
        self._true = snapshot["true"].tolist()
        self._predicted = snapshot["predicted"].tolist()


def _beyond(right: float, baseline: float) -> float | None:
    """Agreement beyond a baseline, as a share of what it leaves to be had."""
    left = 1.0 - baseline
    # Weights are added in another order in the one than in the other: the last bits differ.
    return (right - baseline) / left if left > 1e-12 else None
