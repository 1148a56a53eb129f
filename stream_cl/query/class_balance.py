"""Balanced asking: events of classes with few labels rank above those with many.

Source of the aim: Bang, Ahn and Lee 2024, *Active Prompt Learning in Vision Language Models*
(PCB, pseudo-class balance), which balances what is asked over the predicted classes of a pool.
There is no pool here, so the rule is our own: with n_c the labels learned of class c, older ones
counting less, and p_c what the learner says,

    utility of the inner strategy · Σ_c p_c · ((1 + min n) / (1 + n_c))^strength

A label that turns out to be of another class counts for that one instead, as much as if it had just
been learned. The factor is 1 for the class with the fewest labels. Where a hard choice of the
predicted class would never ask for a class that the learner takes for another, the probabilities
do.

Memory: one number per class. Cost per event: O(k), and O(1) per label.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, QueryStrategy, Utilities
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.query._wrapper import Wrapper

_LARGEST_GAIN: Final = 1e100


class ClassBalance(Wrapper):
    """The utilities of another strategy, smaller for classes that have many labels.

    Args:
        of: the strategy.
        max_classes: most classes that there may ever be.
        strength: how much balance counts; 0 leaves the utilities as they are.
        forget: how much of the counts stays with every label; 1: all.
    """

    KIND = "class_balance"

    def __init__(
        self, of: QueryStrategy, max_classes: int, strength: float = 1.0, forget: float = 0.999
    ) -> None:
        super().__init__(of)
        self.strength = strength
        self.forget = forget
        self._counts = np.zeros(max_classes)
        self._gain = 1.0

    def utility(self, asking: Asking) -> Utilities:
        """The inner utility, at most."""
        inner = self.of.utility(asking)
        k = asking.probabilities.shape[1]
        if k < 2:
            return inner
        counts = self._counts[:k] / self._gain
        share = ((1.0 + counts.min()) / (1.0 + counts)) ** self.strength
        # No matrix product and one layout: the bits do not depend on the number of rows.
        factor = np.add.reduce(np.multiply(asking.probabilities, share, order="C"), axis=1)
        return Utilities(inner.values * factor, inner.after, inner.spread)

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """Count the labels, in their order."""
        super().learn(x, y)
        for number in y.tolist():
            # Instead of making all counts smaller, each label counts more than the one before.
            self._gain /= self.forget
            self._counts[number] += self._gain
            if self._gain > _LARGEST_GAIN:
                self._counts /= self._gain
                self._gain = 1.0

    def corrected(self, old: npt.NDArray[np.int64]) -> None:
        """Take labels back that were counted for the wrong class."""
        super().corrected(old)
        for number in old.tolist():
            self._counts[number] = max(0.0, self._counts[number] - self._gain)

    def _own(self) -> Snapshot:
        return {"counts": self._counts.copy(), "gain": self._gain}

    def _become(self, snapshot: Snapshot) -> None:
        self._counts = np.array(snapshot["counts"])
        self._gain = float(snapshot["gain"])
