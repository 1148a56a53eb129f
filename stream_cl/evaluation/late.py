"""Answers that have not come yet: what is known already must stand for them too.

Of the latest events fewer questions are answered than of older ones, so a plain weighted mean
speaks of a time a little ago; where accuracy drifts, its interval misses the truth. The answers
that have come of a stretch of the stream stand for all questions asked in it (weighting classes;
Little 1986, *Survey nonresponse adjustments*, section 2), when an answer comes having nothing to do
with whether the prediction was right. In the stretch b of an answer,

    r_b = 1 + Σ_{open in b} w / Σ_{answered in b} w,    w = 1 / propensity

and the answer counts as if it had been asked with p / r_b. Stretches cut the span from the oldest
open question to the newest event, the newer the shorter, since it is there that answers are
missing; they are joined from the newest on until each has `ANSWERS`.

With p / r in place of p the variance Σ (w r)² (1 − p / r) (l − μ)² of `intervals` has two parts:
that of the draws, Σ r w² (1 − p) (l − μ)², and that of the answers which are missing,
Σ w² r (r − 1) (l − μ)². The first belongs to a sum that grows; the second is another noise whenever
the questions that are open have become others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

STRETCHES: Final = 20
SHORTER: Final = 1.5
"""So many times shorter than the rest before it is the age at which each stretch begins."""
ANSWERS: Final = 5


@dataclass(slots=True)
class OpenQuestions:
    """Questions that wait for an answer: `event int64 [m]`, their numbers in the stream;
    `propensity float64 [m]`, > 0."""

    event: npt.NDArray[np.int64]
    propensity: npt.NDArray[np.float64]

    def since(self, event: int) -> OpenQuestions:
        """Those about this event and later ones."""
        late = self.event >= event
        return OpenQuestions(self.event[late], self.propensity[late])


@dataclass(slots=True)
class Missing:
    """What is missing of a figure: `spread`, Σ w² r (r − 1) over the answers that are here, and
    `right`, the part of it where the prediction was right; how often the questions that are open
    have become others so far, `renewed`, at least 1."""

    spread: float = 0.0
    right: float = 0.0
    renewed: float = 1.0

    def variance(self, mean: float) -> float:
        """Of the weighted total, for accuracy `mean`."""
        return self.right * (1.0 - mean) ** 2 + (self.spread - self.right) * mean**2


def missing(
    right: npt.NDArray[np.bool_],
    propensity: npt.NDArray[np.float64],
    standing: npt.NDArray[np.float64],
    answers: float,
    waiting: OpenQuestions | None,
) -> Missing:
    """What is missing beside answers asked with `propensity [n]` and taken as `standing [n]`, the
    result of `standing_for`; `right bool [n]`. answers: that have come since the start."""
    if waiting is None or not len(waiting.event):
        return Missing()
    spread = (1.0 / standing - 1.0 / propensity) / standing
    renewed = max(1.0, answers / len(waiting.event))
    return Missing(float(spread.sum()), float(spread[right].sum()), renewed)


def standing_for(
    event: npt.NDArray[np.int64],
    propensity: npt.NDArray[np.float64],
    waiting: OpenQuestions | None,
) -> npt.NDArray[np.float64]:
    """`float64 [n]`: p / r of the answers to events `event [n]` asked with `propensity [n]`."""
    if waiting is None or not len(waiting.event) or not len(event):
        return propensity
    first, last = waiting.event.min(), max(int(event.max()), int(waiting.event.max()))
    edges = last + 1 - (last + 1 - first) * SHORTER ** -np.arange(1.0, STRETCHES)
    late = np.flatnonzero(event >= first)
    stretch = np.searchsorted(edges, event[late], side="right")
    joined = _joined(np.bincount(stretch, minlength=STRETCHES))
    here = joined[stretch]
    open_here = joined[np.searchsorted(edges, waiting.event, side="right")]
    answered = np.bincount(here, 1.0 / propensity[late], STRETCHES)
    missing = np.bincount(open_here, 1.0 / waiting.propensity, STRETCHES)
    found = propensity.copy()
    found[late] /= 1.0 + missing[here] / answered[here]
    return found


def _joined(answers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """To which stretch each belongs, when those with too few answers are joined with older ones;
    the oldest, if they are too few, with newer ones."""
    whole = np.zeros(len(answers), dtype=np.int64)
    label = inside = 0
    for at in range(len(answers) - 1, -1, -1):
        whole[at] = label
        inside += int(answers[at])
        if inside >= ANSWERS:
            label, inside = label + 1, 0
    if label:
        whole = np.minimum(whole, label - 1)
    return whole
