"""Candidate sets that hold the truth as often as they promise: adaptive conformal inference.

The score of an answered question is s = 1 − (probability given to the truth) (Sadinle, Lei and
Wasserman 2019: the smallest sets on average). The set of a new question is all classes with
1 − probability ≤ q, q being the ⌈(n + 1)(1 − α_t)⌉-th smallest of the last n scores (Vovk,
Gammerman and Shafer 2005). A stream drifts, so α_t follows the misses (Gibbs and Candès 2021,
*Adaptive conformal inference under distribution shift*, formula 2):

    α_{t+1} = α_t + γ (α − err_t),   err_t = ([s_t > q_t] + [the published set missed]) / 2

Labels come late. An answer is judged by the threshold of the moment at which it comes: that has no
delay, but says nothing of what was published, which holds the truth more often where the learner
has become better since. It is judged by the published set as well: that is the promise, but alone
it comes so late that α_t swings (on insects, with late answers, from sets that hold 65 % to sets
that hold all). Each counts half. The sum telescopes, so while α_t is inside (0, 1), over T answers

    |(misses now + misses published) / 2 T − α| ≤ 1 / (γ T)

whatever the stream does. That is the worst case; the scores of the window do most of the work. How
often the published sets held the truth is measured on them. γ = 0.02 (theirs is 0.005) and the
halves were chosen on covertype.

What the promise is about: the questions that are asked, not all events. A request says
`coverage`, and whoever reads requests finds the truth among that share of their candidates.
Answered questions are drawn like those that are open, so they enter without weights. Of all
events, asked or not, the sets hold the truth in another share; the weighted figure beside it says
in which.

A set is never empty, so with a learner that is right more often than α asks for it covers more
than promised. It is never larger than the number of candidates that a request may have, so
there it may cover less; that is measured too. Until 1 / α − 1 answers have come there is no set.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import Estimate, WeightedSums, wilson

WINDOW: Final = 500
"""Scores that the quantile is taken of."""
RATE: Final = 0.02
"""γ."""
NO_SET: Final = -1
"""In place of the size of a set, where there was no set."""


class ConformalSets:
    """The sizes of candidate sets, and how often they held the truth.

    Args:
        coverage: 1 − α, in (0, 1).
        most: classes that a request may name; 0 where it names none.
        window: scores remembered.

    Memory: 41 bytes × window. O(log window) comparisons per answer.
    """

    def __init__(self, coverage: float, most: int, window: int = WINDOW) -> None:
        assert 0 < coverage < 1
        assert window > 0
        self.coverage = coverage
        self._most = most
        self._alpha = 1.0 - coverage
        self._scores = np.zeros(window)
        self._covered = np.zeros(window, dtype=np.bool_)
        self._answers = 0  # that brought a score
        self._judged = 0  # whose question had a set
        self._sums = WeightedSums()
        self._sorted: list[float] = []  # the scores, for their quantile

    def sizes(self, probabilities: Probabilities) -> npt.NDArray[np.int64]:
        """Of the events `probabilities [n, k]`: how many classes their sets have, the most
        probable ones; `NO_SET` while there is no calibration. Changes nothing."""
        return self.sizes_and_whole(probabilities)[0]

    def sizes_and_whole(
        self, probabilities: Probabilities
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """`sizes`, and `bool [n]`: whether the set is not cut by the number of classes that may be
        named."""
        n, k = probabilities.shape
        if not self._most or not k or not self._calibrated():
            return np.full(n, NO_SET), np.zeros(n, dtype=np.bool_)
        inside = self._inside(probabilities)
        return np.clip(inside, 1, min(self._most, k)), inside <= self._most

    def _inside(self, probabilities: Probabilities) -> npt.NDArray[np.int64]:
        inside: npt.NDArray[np.int64]
        inside = np.count_nonzero(1.0 - probabilities <= self._threshold(), axis=1)
        return inside

    def add(
        self,
        probability: npt.NDArray[np.float64],
        rank: npt.NDArray[np.int64],
        size: npt.NDArray[np.int64],
        propensity: npt.NDArray[np.float64],
    ) -> None:
        """Add n answered questions in the order in which the answers came.

        probability: what was given to the truth. rank: its place among the classes, 0 for the most
        probable. size: of the set that was published, `NO_SET` where there was none.
        propensity: > 0.
        """
        window, wanted = len(self._scores), 1.0 - self.coverage
        covered = rank < size
        for score, inside, shown in zip(
            (1.0 - probability).tolist(), covered.tolist(), size.tolist(), strict=True
        ):
            if self._calibrated():
                # Kept inside [0, 1]: where no set can be larger, or smaller, a longer way
                # would only have to be gone back.
                missed = float(score > self._threshold())
                if NO_SET < shown < self._most:  # one that was cut misses whatever α is
                    missed = (missed + (not inside)) / 2
                moved = self._alpha + RATE * (wanted - missed)
                self._alpha = min(1.0, max(0.0, moved))
            at = self._answers % window
            if self._answers >= window:
                del self._sorted[bisect_left(self._sorted, float(self._scores[at]))]
            insort(self._sorted, score)
            self._scores[at] = score
            self._answers += 1
            if shown != NO_SET:
                self._covered[self._judged % window] = inside
                self._judged += 1
        had = size != NO_SET
        self._sums.add(covered[had], propensity[had])

    def figures(self) -> dict[str, Estimate | None]:
        """How often the published sets held the truth: over all requests, over the last `window`
        of them, and what it would be over all events (weighted)."""
        recent = self._covered[: min(self._judged, len(self._covered))]
        return {
            "set_coverage": self._sums.naive(),
            "recent_set_coverage": wilson(float(recent.sum()), len(recent)),
            "set_coverage_unbiased": self._sums.unbiased(),
        }

    def _calibrated(self) -> bool:
        n = min(self._answers, len(self._scores))
        return math.ceil((n + 1) * self.coverage) <= n

    def _threshold(self) -> float:
        n = len(self._sorted)
        place = math.ceil((n + 1) * (1.0 - self._alpha))
        if place > n:
            return math.inf
        return self._sorted[place - 1] if place >= 1 else -math.inf

    def snapshot(self) -> Snapshot:
        window = len(self._scores)
        return {
            "alpha": self._alpha,
            "answers": self._answers,
            "judged": self._judged,
            "scores": self._scores[: min(self._answers, window)].copy(),
            "covered": self._covered[: min(self._judged, window)].copy(),
            "sums": self._sums.sums.copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        self._alpha = snapshot["alpha"]
        self._answers, self._judged = snapshot["answers"], snapshot["judged"]
        for ring, name, added in (
            (self._scores, "scores", self._answers),
            (self._covered, "covered", self._judged),
        ):
            filled = len(snapshot[name])
            assert filled == min(added, len(ring)), f"{filled} {name}, where {len(ring)} are kept"
            ring[:filled] = snapshot[name]
        self._sums = WeightedSums(snapshot["sums"])
        self._sorted = sorted(snapshot["scores"].tolist())
