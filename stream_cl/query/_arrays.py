"""What strategies share whose state is a handful of arrays of fixed shape.

Some of them move with every event (windows of what was seen), others with every label. A
utility must change nothing, so it works on copies of the first kind and hands them over in
`Utilities.after`; labels change the second kind in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Utilities
from stream_cl.core.snapshot import Snapshot

Arrays = dict[str, npt.NDArray[Any]]


class Arrayed:
    """Arrays by name: `events` move with events, `labels` with labels.

    No name is in both.
    """

    def __init__(self, events: Arrays, labels: Arrays) -> None:
        assert not events.keys() & labels.keys()
        self._events = events
        self._labels = labels

    def _copied(self) -> Arrays:
        """Copies of what moves with events, to be moved on and handed over."""
        return {name: array.copy() for name, array in self._events.items()}

    def commit(self, utilities: Utilities) -> None:
        """Make the state after `utilities` this strategy's state."""
        self._events = utilities.after

    def snapshot(self) -> Snapshot:
        """Every array, as a copy."""
        both = {**self._events, **self._labels}
        return {name: array.copy() for name, array in both.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        for arrays in (self._events, self._labels):
            for name, array in arrays.items():
                found = snapshot[name]
                assert found.shape == array.shape, f"{name} is {found.shape}, not {array.shape}"
                arrays[name] = np.array(found, dtype=array.dtype, order="C")


def generator_words(bits: np.random.PCG64) -> list[int]:
    """The two 128-bit numbers of PCG64; doubles leave nothing else behind."""
    state: Any = bits.state
    return [state["state"]["state"], state["state"]["inc"]]


def set_generator(bits: np.random.PCG64, words: list[int]) -> None:
    """Go on where the generator with these numbers was."""
    state: Any = bits.state
    state["state"]["state"], state["state"]["inc"] = words
    bits.state = state
