"""Test, then train: each prediction is judged by the label that comes for it later.

Source: Dawid 1984 (prequential); Gama, Sebastião and Rodrigues 2013 for streams.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import Estimate, WeightedSums


class Prequential:
    """Accuracy from answered events, since the start and over a sliding window.

    Args:
        window_events: the window's length in events of the stream (not in labels).
        window_labels: answers remembered for it; the bound of this store.

    Only answers whose event could have been asked (propensity > 0) count. Memory:
    17 bytes × window_labels. Adding costs O(1) per answer.
    """

    def __init__(self, window_events: int, window_labels: int) -> None:
        assert window_labels > 0
        self.window_events = window_events
        self.since_start = WeightedSums()
        self._event = np.zeros(window_labels, dtype=np.int64)
        self._right = np.zeros(window_labels, dtype=np.bool_)
        self._propensity = np.ones(window_labels)
        self._added = 0

    def add(
        self,
        event: npt.NDArray[np.int64],
        right: npt.NDArray[np.bool_],
        propensity: npt.NDArray[np.float64],
    ) -> None:
        """Add n answers: number of the event in the stream, was it right, its propensity."""
        known = propensity > 0
        event, right, propensity = event[known], right[known], propensity[known]
        self.since_start.add(right, propensity)
        size = len(self._event)
        slots = np.arange(self._added, self._added + len(event)) % size
        self._event[slots], self._right[slots] = event, right
        self._propensity[slots] = propensity
        self._added += len(event)

    def window(self, events_seen: int) -> WeightedSums:
        """The sums over answers whose event is among the last `window_events`."""
        filled = min(self._added, len(self._event))
        recent = self._event[:filled] >= events_seen - self.window_events
        sums = WeightedSums()
        sums.add(self._right[:filled][recent], self._propensity[:filled][recent])
        return sums

    def figures(self, events_seen: int) -> dict[str, Estimate | None]:
        """Naive and unbiased accuracy, since the start and in the window."""
        window = self.window(events_seen)
        return {
            "naive": self.since_start.naive(),
            "unbiased": self.since_start.unbiased(),
            "window_naive": window.naive(),
            "window_unbiased": window.unbiased(),
        }

    def snapshot(self) -> Snapshot:
        filled = min(self._added, len(self._event))
        return {
            "sums": self.since_start.sums.copy(),
            "added": self._added,
            "event": self._event[:filled].copy(),
            "right": self._right[:filled].copy(),
            "propensity": self._propensity[:filled].copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        self.since_start.sums = snapshot["sums"].copy()
        self._added = snapshot["added"]
        filled, size = len(snapshot["event"]), len(self._event)
        assert filled == min(self._added, size), f"a window of {filled} answers is not of {size}"
        self._event[:filled] = snapshot["event"]
        self._right[:filled] = snapshot["right"]
        self._propensity[:filled] = snapshot["propensity"]
