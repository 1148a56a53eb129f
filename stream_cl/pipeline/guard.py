"""A learner that goes back to what it was when it fails on a batch."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Corrects, Learner, Rehearses
from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot

JOURNAL_ROWS: Final = 4096
"""Labelled events learned between two snapshots. Some learners take long to copy, so a
snapshot at every step would cost more than learning; relearning this many is rare."""

Batch = tuple[FloatMatrix, npt.NDArray[np.int64], npt.NDArray[np.float64]]


class Again(NamedTuple):
    """m events that were learned with a class that turned out wrong: `x [m, width]`, the class
    `old [m]` that they were given, the class `new [m]`, `weight [m]`."""

    x: FloatMatrix
    old: npt.NDArray[np.int64]
    new: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


class GuardedLearner:
    """Wraps a learner with a snapshot and a journal of what was learned since.

    After a failure the snapshot is restored and the journal learned again, which gives the
    learner as it was before the batch (learners are deterministic; their contract says so).
    Memory: one snapshot and JOURNAL_ROWS encoded events.

    What the learner took since `took` was asked is measured by the clock that `timed_by` was
    given, without one not at all; it is no part of any state.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self._now_s: Callable[[], float] = lambda: 0.0
        self._predict_s = self._learn_s = 0.0
        self._base: Snapshot = learner.snapshot()
        self._journal: list[tuple[Batch, int, Again | None]] = []
        self._rows = 0

    def timed_by(self, monotonic_s: Callable[[], float]) -> None:
        """From now on calls of the learner are timed."""
        self._now_s = monotonic_s

    def took(self) -> tuple[float, float]:
        """Seconds in the learner since this was asked last: predicting, and learning."""
        took = self._predict_s, self._learn_s
        self._predict_s = self._learn_s = 0.0
        return took

    def predict(self, x: FloatMatrix) -> tuple[Probabilities, int]:
        """Class probabilities `float64 [n, k]`, and for how many rows the learner failed.

        Those are predicted uniformly: an event that a learner cannot take must not stop the
        stream, and is as uncertain as an event can be.
        """
        probabilities = self._predicted(x)
        # A sum is not finite where a term is not; the terms are probabilities.
        if probabilities is not None and isfinite(np.add.reduce(probabilities, axis=None)):
            return probabilities, 0
        k = self.learner.n_classes
        rows = [self._predicted(x[i : i + 1]) for i in range(len(x))]
        good = [row is not None and bool(np.isfinite(row).all()) for row in rows]
        uniform = np.full((1, k), 1.0 / max(k, 1))
        kept = [
            row if ok and row is not None else uniform for row, ok in zip(rows, good, strict=True)
        ]
        return np.concatenate([uniform[:0], *kept]), good.count(False)

    def _predicted(self, x: FloatMatrix) -> Probabilities | None:
        began_s = self._now_s()
        try:
            return self.learner.predict(x)
        except MemoryError:
            raise
        except Exception:  # whatever a learner raises must not stop the stream
            return None
        finally:
            self._predict_s += self._now_s() - began_s

    def learn(
        self, batch: Batch, rehearsals: int = 0, again: Again | None = None
    ) -> Exception | None:
        """Learn a batch, then correct what was learned before; the failure when there was one,
        and the learner is as before.

        `rehearsals` is how often a learner that rehearses does so, 0 for any other. Running out
        of memory is not the batch's fault and is not caught.
        """
        began_s = self._now_s()
        try:
            self._learn(batch, rehearsals, again)
        except MemoryError:
            raise
        except Exception as failure:  # whatever a learner raises must not stop the stream
            self._go_back()
            return failure
        finally:
            self._learn_s += self._now_s() - began_s
        self._journal.append((batch, rehearsals, again))
        self._rows += len(batch[1]) + (len(again.new) if again else 0)
        if self._rows >= JOURNAL_ROWS:
            self._mark()
        return None

    def snapshot(self) -> Snapshot:
        return self.learner.snapshot()

    def fingerprint(self) -> Snapshot:
        return self.learner.fingerprint()

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from."""
        self.learner.restore(snapshot)
        self._mark()

    def _learn(self, batch: Batch, rehearsals: int, again: Again | None) -> None:
        self._teach(batch, rehearsals, again)
        x = batch[0] if again is None else again.x
        if not np.isfinite(self.learner.predict(x[-1:])).all():
            raise FloatingPointError("a prediction is not finite after learning")

    def _go_back(self) -> None:
        self.learner.restore(self._base)
        for batch, rehearsals, again in self._journal:
            self._teach(batch, rehearsals, again)

    def _teach(self, batch: Batch, rehearsals: int, again: Again | None) -> None:
        if rehearsals and isinstance(self.learner, Rehearses):
            self.learner.rehearsals = rehearsals
        if len(batch[1]):
            self.learner.learn(*batch)
        if again is None:
            return
        # What is rehearsed first: a wrong entry would be learned beside the right one.
        if isinstance(self.learner, Rehearses) and isinstance(self.learner.memory, Corrects):
            for x, old, new in zip(again.x, again.old.tolist(), again.new.tolist(), strict=True):
                self.learner.memory.correct(x, old, new)
        self.learner.learn(again.x, again.new, again.weight)

    def _mark(self) -> None:
        self._base, self._journal, self._rows = self.learner.snapshot(), [], 0
