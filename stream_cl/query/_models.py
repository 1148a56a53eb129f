"""What strategies share that ask several models at once: where the models come from.

A learner with the power `SamplesPosterior` gives them itself. For any other a small committee
is trained beside it on the labels it learns (`_ensemble.py`). Which of the two it is shows with
the first event, and becomes part of the state, so that nothing is trained in vain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Asking, SamplesPosterior, Utilities
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.query._ensemble import Ensemble

_NUMBERS_AT_ONCE: Final = 1 << 20
"""Of all models for all classes of some events, so that a large step needs little memory."""

Votes = npt.NDArray[np.float64]


class SeveralModels:
    """Subclasses say what the models' disagreement is worth.

    Args:
        width: numbers in an encoded event.
        seed: of the committee's draws.
        max_classes: most classes that there may ever be.
        models: how many are asked, 2 or more.
    """

    def __init__(self, width: int, seed: int, max_classes: int, models: int) -> None:
        self._models = models
        self._committee = Ensemble(width, seed, max_classes, models)
        self._own = True

    def worth(self, votes: Votes) -> npt.NDArray[np.float64]:
        """`float64 [n]` of class probabilities `votes [models, n, k]`, k ≥ 2."""
        raise NotImplementedError

    def utility(self, asking: Asking) -> Utilities:
        """How far the models are apart; 1 while fewer than two classes are known."""
        n, k = asking.probabilities.shape
        after = self._own and not (n and isinstance(asking.learner, SamplesPosterior))
        values = np.ones(n)
        if k >= 2:
            for part in _parts(n, self._models * k):
                values[part] = self.worth(self._asked(asking, part, k))
        return Utilities(values, after)

    def _asked(self, asking: Asking, part: slice, k: int) -> Votes:
        if isinstance(asking.learner, SamplesPosterior):
            return asking.learner.sample_posterior(asking.x[part], self._models)
        return self._committee.probabilities(asking.x[part], k)

    def commit(self, utilities: Utilities) -> None:
        """Know whether a committee of its own is needed."""
        self._own = utilities.after

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """The committee learns what the learner has learned."""
        if self._own:
            self._committee.learn(x, y)

    def snapshot(self) -> Snapshot:
        """The committee, and whether it is needed."""
        return {"own": self._own, "committee": self._committee.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from."""
        self._own = bool(snapshot["own"])
        self._committee.restore(snapshot["committee"])


def mutual_information(votes: Votes) -> npt.NDArray[np.float64]:
    """H(mean of p) − mean of H(p) of `votes [models, n, k]`, over log k: in [0, 1].

    It is the mean of the divergences KL(p ‖ mean of p) too, up to that factor.
    """
    values = np.empty(votes.shape[1])
    _information(np.ascontiguousarray(votes), values)
    return values


def vote_entropy(votes: Votes) -> npt.NDArray[np.float64]:
    """Entropy of who votes for what, over its largest value: in [0, 1]."""
    values = np.empty(votes.shape[1])
    _vote_entropy(np.ascontiguousarray(votes), values)
    return values


# Loops with one order of every sum: numpy adds up in an order that depends on the shape, and
# an event's utility would depend on the size of its step.
@numba.njit(cache=True)
def _information(votes: Any, values: Any) -> None:
    models, n, k = votes.shape
    for i in range(n):
        apart = 0.0
        for c in range(k):
            mean = 0.0
            for e in range(models):
                p = votes[e, i, c]
                mean += p
                if p > 0.0:
                    apart += p * np.log(p)
            mean /= models
            if mean > 0.0:
                apart -= models * mean * np.log(mean)
        values[i] = min(max(apart / (models * np.log(k)), 0.0), 1.0)


@numba.njit(cache=True)
def _vote_entropy(votes: Any, values: Any) -> None:
    models, n, k = votes.shape
    counts = np.zeros(k)
    for i in range(n):
        counts[:] = 0.0
        for e in range(models):
            best = 0
            for c in range(1, k):
                if votes[e, i, c] > votes[e, i, best]:
                    best = c
            counts[best] += 1.0
        total = 0.0
        for c in range(k):
            if counts[c] > 0.0:
                total -= counts[c] / models * np.log(counts[c] / models)
        values[i] = min(max(total / np.log(min(models, k)), 0.0), 1.0)


def _parts(n: int, numbers: int) -> Iterator[slice]:
    step = max(1, _NUMBERS_AT_ONCE // numbers)
    return (slice(start, start + step) for start in range(0, n, step))
