"""Chance among the useful: similar events of a step are not all asked.

Source: Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron and Gal 2023, *Stochastic Batch
Acquisition: A Simple Baseline for Deep Active Learning*. With s the utility of the
inner strategy and g a draw from the standard Gumbel distribution, events are ranked by

    power     log s + g / beta
    softmax   s + g / beta

so that taking the m best of a pool draws m of them without replacement, in proportion to s^beta
or to exp(beta · s). Only the order counts; what is given out is log(1 + exp) of these, which grows
with them and is not below 0.

g is a function of the event's id, so it is the same whatever the order of events and the size of
a step. No state of its own. Cost per event: O(1).
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from stream_cl.core.draws import unit
from stream_cl.core.protocols import Asking, QueryStrategy, Utilities
from stream_cl.query._wrapper import Wrapper

Draw = Literal["power", "softmax"]
_OWN: Final = np.uint64(0x53544F4348415354)
_HALF: Final = 2.0**-54


class Stochastic(Wrapper):
    """The utilities of another strategy with noise.

    Args:
        of: the strategy.
        draw: whether the noise works on the utility's logarithm or on the utility itself.
        beta: how little noise there is; above 0.
    """

    KIND = "stochastic"

    def __init__(self, of: QueryStrategy, draw: Draw = "power", beta: float = 1.0) -> None:
        super().__init__(of)
        self.draw: Draw = draw
        self.beta = beta

    def utility(self, asking: Asking) -> Utilities:
        """The inner utility and the noise of each event."""
        assert asking.words is not None, "the noise belongs to the event's id"
        inner = self.of.utility(asking)
        noise = gumbel(asking.words) / self.beta
        base = inner.values
        if self.draw == "power":
            with np.errstate(divide="ignore"):  # what is worth nothing stays below all others
                base = np.log(base)
        return Utilities(np.logaddexp(0.0, base + noise), inner.after, inner.spread)


def gumbel(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Draws from the standard Gumbel distribution, one for each of the words `[n]`."""
    # Mixed once more (the finaliser of splitmix64), so that another use of the same word has
    # nothing to do with this one.
    mixed = words ^ _OWN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = unit(mixed ^ (mixed >> np.uint64(31))) + _HALF
    result: npt.NDArray[np.float64] = -np.log(-np.log(uniform))
    return result
