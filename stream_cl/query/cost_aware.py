"""Utility for its price: of two events that teach as much, the cheaper answer is asked for.

Source: Settles, Craven and Friedland 2008, *Active Learning with Real Annotation Costs*:
divide the utility by the cost that is expected. There costs are predicted from features; here
from the classes that the event may have, which needs two numbers per class and few answers. With
m_c the mean cost of class c's answers, older ones counting less, and m that of all:

    utility of the inner strategy / (Σ_c p_c · m̂_c / m)^strength,
    m̂_c = (n_c · m_c + PRIOR · m) / (n_c + PRIOR)

so a class whose cost nobody knows is taken for an average one. `cost` comes with the labels, in
whatever unit: only ratios matter. Answers without one are left out.

Memory: two numbers per class. Cost per event: O(k), and O(1) per label.
"""

from __future__ import annotations

from math import isnan
from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, QueryStrategy, Utilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.query._wrapper import Wrapper

PRIOR: Final = 3.0
"""Answers of average cost that every class is taken to have had."""
CHEAPEST: Final = 1e-3
"""Least cost of a class, as a share of the mean: an answer for nothing is not worth everything."""
SMALLEST, LARGEST = 1e-9, 1e9
"""Costs outside are taken for these; a mean below the first is no cost."""


class CostAware(Wrapper):
    """The utilities of another strategy, each by the cost that is expected of its answer.

    Args:
        of: the strategy.
        max_classes: most classes that there may ever be.
        strength: how much cost counts; 0 leaves the utilities as they are.
        forget: how much of a class's costs stays with every answer of that class; 1: all.
    """

    KIND = "cost_aware"

    def __init__(
        self, of: QueryStrategy, max_classes: int, strength: float = 1.0, forget: float = 0.99
    ) -> None:
        super().__init__(of)
        self.strength = strength
        self.forget = forget
        self._answers = np.zeros(max_classes)
        self._spent = np.zeros(max_classes)

    def utility(self, asking: Asking) -> Utilities:
        """The inner utility by the expected cost; as it is while no cost is known."""
        inner = self.of.utility(asking)
        k = asking.probabilities.shape[1]
        mean = self._spent.sum() / max(self._answers.sum(), 1.0)
        if k < 2 or mean < SMALLEST:
            return inner
        known = self._spent[:k] / mean
        relative = np.maximum((known + PRIOR) / (self._answers[:k] + PRIOR), CHEAPEST)
        # No matrix product and one layout: the bits do not depend on the number of rows.
        cost = np.add.reduce(np.multiply(asking.probabilities, relative, order="C"), axis=1)
        return Utilities(inner.values / cost**self.strength, inner.after, inner.spread)

    def hear(
        self,
        y: npt.NDArray[np.int64],
        predicted: npt.NDArray[np.int64],
        cost: npt.NDArray[np.float64],
    ) -> None:
        """Take the costs of answers, in their order."""
        super().hear(y, predicted, cost)
        for number, paid in zip(y.tolist(), cost.tolist(), strict=True):
            if not isnan(paid):
                self._answers[number] = self._answers[number] * self.forget + 1.0
                self._spent[number] = self._spent[number] * self.forget + min(paid, LARGEST)

    def _own(self) -> Snapshot:
        return {"answers": self._answers.copy(), "spent": self._spent.copy()}

    def _become(self, snapshot: Snapshot) -> None:
        self._answers = np.array(snapshot["answers"])
        self._spent = np.array(snapshot["spent"])
