"""Which classes are taken for which: weighted confusion, recall and precision per class.

With weights w = 1 / propensity (Horvitz and Thompson 1952) the cells speak of all events that
could have been asked, not of those that were. Recall of class c is the weighted accuracy on the
answers whose truth is c, precision that on those predicted as c: both are ratios of two
weighted sums over a part of the events (domain estimation; Särndal, Swensson and Wretman 1992,
section 10.3), so estimate and interval are those of `intervals` on that part.

A part with few answers, or with one that outweighs the others, has no interval worth showing:
what counts is Kish's number of effective labels, (Σ w)² / Σ w² (Kish 1965, section 8.2).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import N_SUMS, Estimate, WeightedSums, terms
from stream_cl.evaluation.scores import Answers

MIN_EFFECTIVE: Final = 30.0
"""Effective labels below which a class has no figure."""
CELLS: Final = 32
"""Classes that have a row and a column of their own, in order of first appearance."""


class ClassFigure(NamedTuple):
    """Recall and precision of one class by its number, each None below `MIN_EFFECTIVE` labels.

    effective: labels of the class, in labels of equal weight. share: of all events, weighted.
    """

    number: int
    share: float
    effective: float
    recall: Estimate | None
    precision: Estimate | None


class Confusion:
    """Weighted counts of (truth, prediction), and what recall and precision need.

    Classes from `cells` on, and no class at all (−1), share the last row and column. Memory:
    8 · (cells + 1)² bytes, and 112 per class. O(1) per answer; answers are added one after
    another, so batches leave no trace in the bits.
    """

    def __init__(self, cells: int = CELLS) -> None:
        assert cells > 0
        self.cells = cells
        self.matrix = np.zeros((cells + 1, cells + 1))
        # [class, sum]: the sums of `WeightedSums`, by true and by predicted class.
        self._true = np.zeros((0, N_SUMS))
        self._predicted = np.zeros((0, N_SUMS))

    def add(self, answers: Answers) -> None:
        """Add n answers with propensity > 0."""
        if not len(answers):
            return
        each = terms(answers.right, answers.propensity)
        at = (self._cell(answers.true), self._cell(answers.predicted))
        np.add.at(self.matrix, at, each[:, 0])
        self._true = _added(self._true, answers.true, each)
        self._predicted = _added(self._predicted, answers.predicted, each)

    def _cell(self, number: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.where((number < 0) | (number > self.cells), self.cells, number)

    def classes(self, most: int) -> list[ClassFigure]:
        """The figures of the `most` classes with the largest share, in that order."""
        whole = float(self.matrix.sum())
        found = []
        for number in self._heaviest_first()[:most].tolist():
            true = WeightedSums(self._true[number])
            if not true.sums[4]:
                continue
            inside = number < len(self._predicted)
            predicted = WeightedSums(self._predicted[number] if inside else None)
            share = float(true.sums[0]) / whole
            figures = (_figure(true), _figure(predicted))
            found.append(ClassFigure(number, share, true.effective, *figures))
        return found

    def recall_beyond(self, most: int) -> Estimate | None:
        """Recall on the events of all classes that `classes` leaves out, together."""
        return _figure(WeightedSums(self._true[self._heaviest_first()[most:]].sum(axis=0)))

    def _heaviest_first(self) -> npt.NDArray[np.int64]:
        return np.argsort(-self._true[:, 0], kind="stable")

    def shares(self, most: int) -> tuple[list[int], npt.NDArray[np.float64]]:
        """Class numbers (−1: the rest) and shares of the weight, `[m, m]` by truth and prediction.

        The `most` classes with the largest share among those that have cells, then the rest.
        """
        weight = self.matrix.sum(axis=1) + self.matrix.sum(axis=0)
        order = np.argsort(-weight[:-1], kind="stable")[:most]
        kept = np.sort(order[weight[order] > 0])
        group = np.full(self.cells + 1, len(kept))
        group[kept] = np.arange(len(kept))
        small = np.zeros((len(kept) + 1, len(kept) + 1))
        np.add.at(small, (group[:, None], group[None, :]), self.matrix)
        total = small.sum()
        return [*kept.tolist(), -1], small / total if total else small

    def snapshot(self) -> Snapshot:
        return {
            "matrix": self.matrix.copy(),
            "true": self._true.copy(),
            "predicted": self._predicted.copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        assert snapshot["matrix"].shape == self.matrix.shape, "another number of cells"
        self.matrix = snapshot["matrix"].copy()
        self._true, self._predicted = snapshot["true"].copy(), snapshot["predicted"].copy()


def _added(
    sums: npt.NDArray[np.float64],
    number: npt.NDArray[np.int64],
    each: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """`sums [classes, N_SUMS]` with the terms of n answers, grown where a class is new."""
    known = number >= 0
    if not known.all():
        number, each = number[known], each[known]
    new = int(number.max(initial=-1)) + 1 - len(sums)
    if new > 0:
        sums = np.concatenate([sums, np.zeros((new, N_SUMS))])
    np.add.at(sums, number, each)
    return sums


def _figure(sums: WeightedSums) -> Estimate | None:
    return sums.unbiased() if sums.effective >= MIN_EFFECTIVE else None
