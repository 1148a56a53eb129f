"""After a drift, ask blindly: the events that follow one rank above all others, and alike.

The rule is our own. A detector watches one number, and when its mean rises, the next `events`
events rank above all that come outside such a burst, and are equally useful among themselves: a
learner that was surprised is sure of the wrong things, and asking where it is unsure is then worse
than asking at random. What the detector finds during a burst is the same drift. The budget still
decides what is spent; with one that holds its spend tightly, a burst changes whom it asks more than
how many.

What is watched: `uncertainty`, 1 − p1 of every event, which needs no labels and sees at once that
events look strange, but not that the same events have other classes now; or `error`, whether the
prediction was wrong, of the answers to questions, which sees that too, late and from few events.
The detector gets means of blocks (`BLOCKS`).

Memory: one block and the detector. Cost per event: O(1), some 0.2 µs with the detector's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, QueryStrategy, Utilities
from stream_cl.core.snapshot import Snapshot, Stateful
from stream_cl.query._wrapper import Wrapper

Signal = Literal["uncertainty", "error"]
BLOCKS: Final[dict[Signal, int]] = {"uncertainty": 32, "error": 4}
"""Events, or answers, of which the detector gets the mean."""


class Detector(Stateful, Protocol):
    """Watches the mean of numbers in [0, 1]."""

    def add(self, value: float) -> int:
        """Take one; 1 where the mean has risen, −1 where it has fallen, else 0."""
        ...

    def copy(self) -> Detector:
        """Another one that goes on from here."""
        ...


@dataclass(frozen=True, slots=True)
class _Watch:
    """What is known of drift.

    block: numbers that the detector has not had yet, in their order. left: events that
    still belong to a burst."""

    detector: Detector
    block: npt.NDArray[np.float64]
    left: int = 0
    drifts: int = 0


class BurstOnDrift(Wrapper):
    """The utilities of another strategy, squeezed into [0, 1), and 1 during a burst.

    Args:
        of: the strategy.
        detector: what watches; a new one.
        signal: what is watched.
        events: how long a burst is.
    """

    KIND = "burst_on_drift"

    def __init__(
        self,
        of: QueryStrategy,
        detector: Detector,
        signal: Signal = "uncertainty",
        events: int = 1000,
    ) -> None:
        super().__init__(of)
        self.signal: Signal = signal
        self.events = events
        self._watch = _Watch(detector, np.zeros(0))

    @property
    def drifts(self) -> int:
        """Drifts seen since the start, here and inside."""
        return self._watch.drifts + super().drifts

    @property
    def left(self) -> int:
        """Events that still belong to a burst, here or inside."""
        return max(self._watch.left, super().left)

    def utility(self, asking: Asking) -> Utilities:
        """Those of a burst above all others and alike."""
        inner = self.of.utility(asking)
        n, k = asking.probabilities.shape
        watch = self._watch
        ends: list[int] = []
        if self.signal == "uncertainty" and k >= 2:
            doubt = 1.0 - np.maximum.reduce(asking.probabilities, axis=1)
            watch, ends = _seen(watch, doubt, BLOCKS["uncertainty"])
        # u / (1 + u) keeps the order and is below 1.
        values = inner.values / (1.0 + inner.values)
        over, drifts = watch.left, watch.drifts
        values[:over] = 1.0
        for end in ends:  # the event with which a drift showed is not part of the burst
            if end >= over:  # a drift that goes on through a burst is the same one
                over, drifts = end + self.events, drifts + 1
                values[end:over] = 1.0
        after = replace(watch, left=max(over - n, 0), drifts=drifts), inner
        spread, burst = inner.spread, values == 1.0
        if burst.any():  # else those far from the latest questions would rank above
            spread = np.where(burst, 0.0, inner.spread)
        return Utilities(values, after, spread)

    def commit(self, utilities: Utilities) -> None:
        """Make the state after `utilities` this strategy's state."""
        self._watch, inner = utilities.after
        self.of.commit(inner)

    def hear(
        self,
        y: npt.NDArray[np.int64],
        predicted: npt.NDArray[np.int64],
        cost: npt.NDArray[np.float64],
    ) -> None:
        """Watch how often the prediction was wrong."""
        super().hear(y, predicted, cost)
        if self.signal == "error":
            known = predicted >= 0
            wrong = (y[known] != predicted[known]).astype(np.float64)
            watch, ends = _seen(self._watch, wrong, BLOCKS["error"])
            if ends and not watch.left:
                watch = replace(watch, left=self.events, drifts=watch.drifts + 1)
            self._watch = watch

    def _own(self) -> Snapshot:
        watch = self._watch
        return {
            "detector": watch.detector.snapshot(),
            "block": watch.block.copy(),
            "left": watch.left,
            "drifts": watch.drifts,
        }

    def _become(self, snapshot: Snapshot) -> None:
        detector = self._watch.detector.copy()
        detector.restore(snapshot["detector"])
        block = np.array(snapshot["block"])
        self._watch = _Watch(detector, block, snapshot["left"], snapshot["drifts"])


def _seen(watch: _Watch, numbers: npt.NDArray[np.float64], size: int) -> tuple[_Watch, list[int]]:
    """The watch after these numbers, and after how many of them each drift showed.

    A block is summed when it is whole, so that its mean does not depend on the size of a step.
    """
    waited = len(watch.block)
    whole = np.concatenate([watch.block, numbers])
    blocks = len(whole) // size
    if not blocks:
        return replace(watch, block=whole), []
    detector = watch.detector.copy()
    means = np.add.reduce(whole[: blocks * size].reshape(blocks, size), axis=1) / size
    ends = [
        (i + 1) * size - waited for i, mean in enumerate(means.tolist()) if detector.add(mean) > 0
    ]
    rest = whole[blocks * size :].copy()
    return replace(watch, detector=detector, block=rest), ends
