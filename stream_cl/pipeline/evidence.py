"""What a request shows besides the event: likely classes, like events, and how urgent it is.

Part of the state, because each of them depends on what was asked and answered before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.conformal import ConformalSets
from stream_cl.evaluation.examples import Example, Examples

RANKED: Final = 200
"""Requests whose utilities a new one is ranked among."""


@dataclass(slots=True)
class Shown:
    """What one request shows.

    size: of the conformal set, `NO_SET` where there is none. coverage: what the set promises, None
    where there is none or it was cut. priority: in [0, 1]. examples: the nearest answered events.
    """

    size: int
    coverage: float | None
    priority: float
    examples: list[Example]


class Evidence:
    """Conformal sets, answered examples, and the utilities of the latest requests.

    The priority of a request is the share of the `RANKED` requests before it whose utility is
    smaller, equal ones counting half: 1 where it is the most useful of all, 0.5 where nothing
    tells them apart. Memory: that of the two stores, and 8 bytes × RANKED.
    """

    def __init__(self, sets: ConformalSets, examples: Examples) -> None:
        self.sets = sets
        self.examples = examples
        self._utilities = np.zeros(0)

    def of(
        self, probabilities: Probabilities, utility: npt.NDArray[np.float64], x: FloatMatrix
    ) -> list[Shown]:
        """What the requests about m events show: `probabilities [m, k]`, `utility [m]`,
        `x [m, width]`, in their order. Changes nothing."""
        sizes, whole = (column.tolist() for column in self.sets.sizes_and_whole(probabilities))
        promised = [self.sets.coverage if uncut else None for uncut in whole]
        past = np.concatenate([self._utilities, utility])
        priorities = _priorities(past, len(self._utilities)).tolist()
        near = self.examples.nearest(x)
        return [Shown(*each) for each in zip(sizes, promised, priorities, near, strict=True)]

    def commit(self, utility: npt.NDArray[np.float64]) -> None:
        """Requests with these utilities were opened, in this order."""
        if len(utility):
            self._utilities = np.concatenate([self._utilities, utility])[-RANKED:]

    def fingerprint(self) -> Snapshot:
        return {**self._parts(), "examples": self.examples.fingerprint()}

    def snapshot(self) -> Snapshot:
        return {**self._parts(), "examples": self.examples.snapshot()}

    def _parts(self) -> dict[str, Any]:
        return {"sets": self.sets.snapshot(), "utilities": self._utilities.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        self.sets.restore(snapshot["sets"])
        self.examples.restore(snapshot["examples"])
        self._utilities = snapshot["utilities"].copy()


@numba.njit(cache=True)
def _priorities(past: Any, first: int) -> Any:
    """`float64 [m]`: of the utilities `past` from `first` on, the rank among the RANKED before."""
    found = np.full(len(past) - first, 0.5)
    for at in range(first, len(past)):
        start = max(0, at - RANKED)
        half = 0  # two for a smaller one, one for an equal one
        for i in range(start, at):
            half += 2 * (past[i] < past[at]) + (past[i] == past[at])
        if at > start:
            found[at - first] = half / (2 * (at - start))
    return found
